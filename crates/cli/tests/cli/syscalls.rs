//! The order in which an export writes, syncs and renames, from a trace of its system calls.
//!
//! After a kill, all that was written is there. After a power failure, only what was synced is,
//! and no test of kills can tell the difference.

use std::collections::HashMap;
use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

use apify_runs::emulator::Emulator;

use super::*;

/// Calls that change a file or a folder, or that open or lock one. Not every architecture has
/// those with a question mark.
const CALLS: &str = "trace=?open,openat,?openat2,?creat,write,pwrite64,writev,pwritev,?pwritev2,\
    fsync,fdatasync,?rename,?renameat,renameat2,?link,linkat,?unlink,unlinkat,?mkdir,mkdirat,\
    flock,fcntl,ftruncate,?truncate";

/// Pages and parts of 3,000 rows.
const SIZES: [&str; 4] = [
    "--page-size=500",
    "--part-rows=1000",
    "--concurrency=1",
    "--rate=1000",
];

/// A folder whose calls are traced.
struct Traced {
    path: PathBuf,
    _folder: TempDir,
}

impl Traced {
    /// `None` if nothing can be traced here.
    fn new() -> Option<Self> {
        let strace = std::process::Command::new("strace")
            .args(["-f", "-o", "/dev/null", "true"])
            .output();
        match strace {
            Err(_) => skip("there is no strace"),
            Ok(output) if !output.status.success() => skip("strace may not trace"),
            Ok(_) => {
                let folder = tempfile::tempdir().unwrap();
                return Some(Self {
                    path: folder.path().canonicalize().unwrap(),
                    _folder: folder,
                });
            }
        }
        None
    }

    /// Exports into an output in the folder, and returns what that did there.
    fn export(&self, service: &Service, out: &str, arguments: &[&str]) -> Vec<String> {
        let out = self.path.join(out);
        self.export_to(service, out.to_str().unwrap(), arguments, Stdio::null())
    }

    fn export_to(
        &self,
        service: &Service,
        out: &str,
        arguments: &[&str],
        stdout: Stdio,
    ) -> Vec<String> {
        let trace = tempfile::NamedTempFile::new().unwrap();
        let mut strace = std::process::Command::new("strace");
        clean(&mut strace);
        at(&mut strace, service);
        strace
            .args(["-f", "-y", "-s", "0", "-e", CALLS, "-o"])
            .arg(trace.path())
            .args([env!("CARGO_BIN_EXE_apify-runs"), "export", ACTOR])
            .args(["--out", out])
            .args(SIZES)
            .args(arguments)
            .stdout(stdout);
        let output = strace.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        steps(&fs::read_to_string(trace.path()).unwrap(), &self.path)
    }

    /// The names of the parts that count, in their order.
    fn parts(&self, out: &str) -> Vec<String> {
        let manifest = fs::read(self.path.join(out).join("_manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let parts = manifest["parts"].as_array().unwrap().iter();
        parts
            .map(|part| part["name"].as_str().unwrap().into())
            .collect()
    }
}

/// A list whose second and third page wait until the page before is committed, so that no commit
/// holds them all.
fn waits_for_commits(checkpoint: PathBuf) -> Service {
    let seen = AtomicU64::new(0);
    let builder = Emulator::builder().runs(3000);
    Service::start(builder.before_each(move |request, _| {
        // The first request only counts.
        if matches!(request, 3 | 4) {
            let before = seen.load(Ordering::Relaxed);
            wait_until("there is no commit", || committed(&checkpoint) > before);
            seen.store(committed(&checkpoint), Ordering::Relaxed);
        }
    }))
}

/// The calls of a trace that concern a folder, in their order, as text such as `sync runs.jsonl`.
/// The folder itself is `.`, and what is done in one place several times in a row is one step.
///
/// No two of them may overlap: whatever comes first has to be over before the next one begins.
fn steps(trace: &str, folder: &Path) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    let mut unfinished: HashMap<&str, &str> = HashMap::new();
    for line in trace.lines() {
        let (process, text) = line.split_once(' ').unwrap();
        let text = text.trim_start();
        if text.starts_with("<... ") {
            if let Some(begun) = unfinished.remove(process) {
                assert_went_well(begun, text);
            }
            continue;
        }
        let Some(step) = step(text, folder) else {
            continue;
        };
        assert!(unfinished.is_empty(), "{text} begins before {unfinished:?}");
        match text.strip_suffix("<unfinished ...>") {
            Some(begun) => drop(unfinished.insert(process, begun)),
            None => assert_went_well(text, text),
        }
        if steps.last() != Some(&step) {
            steps.push(step);
        }
    }
    assert!(!steps.is_empty(), "{trace}");
    steps
}

/// A checkpoint may not be there; everything else has to succeed.
fn assert_went_well(call: &str, end: &str) {
    let (_, result) = end.rsplit_once(" = ").expect(end);
    let may_fail = call.contains("O_RDONLY");
    assert!(may_fail || !result.starts_with('-'), "{call} {end}");
}

/// What a call does in a folder. `None` if it does nothing there.
fn step(call: &str, folder: &Path) -> Option<String> {
    let (call, arguments) = call.split_once('(')?;
    let name = |path: &str| {
        let name = Path::new(path).strip_prefix(folder).ok()?.to_str()?;
        Some(if name.is_empty() { "." } else { name }.to_owned())
    };
    // A descriptor is followed by its path: 13</tmp/runs.jsonl>.
    let descriptor = || name(arguments.split_once('<')?.1.split_once('>')?.0);
    let path = |index: usize| name(arguments.split('"').nth(2 * index + 1)?);
    Some(match call {
        "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" => {
            format!("write {}", descriptor()?)
        }
        "fsync" | "fdatasync" => format!("sync {}", descriptor()?),
        "ftruncate" => format!("cut {}", descriptor()?),
        "flock" => format!("lock {}", descriptor()?),
        "fcntl" if arguments.contains("SETLK") => format!("lock {}", descriptor()?),
        "rename" | "renameat" | "renameat2" => format!("rename {} to {}", path(0)?, path(1)?),
        "link" | "linkat" => format!("link {} to {}", path(0)?, path(1)?),
        "unlink" | "unlinkat" => format!("remove {}", path(0)?),
        "truncate" => format!("cut {}", path(0)?),
        "mkdir" | "mkdirat" => format!("make {}", path(0)?),
        "open" | "openat" | "openat2" | "creat" => {
            let path = path(0)?;
            match arguments.contains("O_RDONLY") {
                // To list or to sync it.
                true if folder.join(&path).is_dir() => return None,
                true => format!("read {path}"),
                false => format!("open {path}"),
            }
        }
        _ => return None,
    })
}

/// How a file takes the place of another one, and is there after a power failure.
fn replace(folder: &str, name: &str) -> Vec<String> {
    let of = |name: &str| match folder {
        "." => name.to_owned(),
        folder => format!("{folder}/{name}"),
    };
    let (new, name) = (of(&format!(".{name}.unfinished")), of(name));
    vec![
        format!("open {new}"),
        format!("write {new}"),
        format!("sync {new}"),
        format!("rename {new} to {name}"),
        format!("sync {folder}"),
    ]
}

fn texts<const N: usize>(steps: [&str; N]) -> Vec<String> {
    steps.map(String::from).into()
}

/// How often `commit` comes at the end of the steps, which have to begin with `start` and to have
/// nothing else.
#[track_caller]
fn commits(steps: &[String], start: &[String], commit: &[String]) -> usize {
    // Whatever is read before the lock is read again.
    let is_read = |step: &&String| step.starts_with("read ");
    let steps = &steps[steps.iter().take_while(is_read).count()..];
    let mut expected = start.to_vec();
    let mut commits = 0;
    while expected.len() < steps.len() {
        expected.extend_from_slice(commit);
        commits += 1;
    }
    let same = steps
        .iter()
        .zip(&expected)
        .take_while(|(step, other)| step == other);
    let at = same.count();
    assert_eq!(steps.get(at), expected.get(at), "after {:#?}", &steps[..at]);
    commits
}

#[test]
fn a_checkpoint_follows_the_rows_that_it_counts() {
    let Some(folder) = Traced::new() else {
        return;
    };
    let checkpoint = || replace(".", "runs.jsonl.checkpoint");
    let opened = texts([
        "open runs.jsonl",
        "lock runs.jsonl",
        "sync .",
        "read runs.jsonl.checkpoint",
    ]);
    let cut = texts(["cut runs.jsonl"]);
    let commit = [texts(["write runs.jsonl", "sync runs.jsonl"]), checkpoint()].concat();

    let service = waits_for_commits(folder.path.join("runs.jsonl.checkpoint"));
    let steps = folder.export(&service, "runs.jsonl", &["--max-items=2000"]);
    let start = [opened.clone(), checkpoint(), cut.clone()].concat();
    assert!(commits(&steps, &start, &commit) > 2, "{steps:?}");

    // It goes on, and cuts off what a crash has left.
    let path = folder.path.join("runs.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text + "{\"id\":").unwrap();
    let steps = folder.export(&service, "runs.jsonl", &[]);
    let start = [opened, cut].concat();
    assert!(commits(&steps, &start, &commit) > 0, "{steps:?}");
    assert_exact(&service, &path);
}

#[test]
fn a_manifest_follows_the_part_that_it_lists() {
    let Some(folder) = Traced::new() else {
        return;
    };
    let manifest = || replace("runs", "_manifest.json");
    // The second time to see whether it is still the one that is replaced.
    let read = texts(["read runs/_manifest.json"]);
    let opened = texts(["open runs/.lock", "lock runs/.lock"]);
    let commit = |part: &String| [replace("runs", part), read.clone(), manifest()].concat();
    let jsonl = "--format=jsonl";

    let service = Service::with_runs(3000);
    let steps = folder.export(&service, "runs/", &[jsonl, "--max-items=2000"]);
    let made = texts(["make runs", "sync ."]);
    let first = folder.parts("runs");
    assert_eq!(first.len(), 2);
    let start = [made, opened.clone(), read.clone(), manifest()].concat();
    let parts = first.iter().flat_map(commit).collect::<Vec<_>>();
    assert_eq!(commits(&steps, &start, &parts), 1);

    // It goes on, and removes what a crash has left: parts only when the folder is its own.
    let orphan = "part-000002-0badc0de.jsonl";
    for left in [orphan, &format!(".{orphan}.unfinished")] {
        fs::write(folder.path.join("runs").join(left), "{").unwrap();
    }
    let steps = folder.export(&service, "runs/", &[jsonl]);
    let start = [
        opened,
        read.clone(),
        vec![format!("remove runs/.{orphan}.unfinished")],
        read.clone(),
        manifest(),
        vec![format!("remove runs/{orphan}")],
    ];
    let parts = folder.parts("runs");
    assert_eq!((parts.len(), &parts[..2]), (3, &first[..]));
    assert_eq!(commits(&steps, &start.concat(), &commit(&parts[2])), 1);
    assert_whole(&folder.path.join("runs"));
}

/// It cannot be synced, but a row is in the stream before the checkpoint counts it.
#[test]
fn the_checkpoint_of_a_stream_follows_the_rows_that_it_counts() {
    let Some(folder) = Traced::new() else {
        return;
    };
    let checkpoint = folder.path.join("checkpoint");
    let out = fs::File::create(folder.path.join("out")).unwrap();
    let arguments = ["--checkpoint", checkpoint.to_str().unwrap()];
    let service = waits_for_commits(checkpoint.clone());
    let steps = folder.export_to(&service, "-", &arguments, out.into());
    let opened = texts([
        "open .checkpoint.lock",
        "lock .checkpoint.lock",
        "read checkpoint",
    ]);
    let start = [opened, replace(".", "checkpoint")].concat();
    let commit = [texts(["write out"]), replace(".", "checkpoint")].concat();
    assert!(commits(&steps, &start, &commit) > 2, "{steps:?}");
    assert_eq!(ids(&folder.path.join("out")), service.ids());
}
