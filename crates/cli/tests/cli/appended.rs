//! Files that standard output is appended to, start after start.

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use apify_runs::emulator::{Emulator, Fault};

use super::*;

fn append(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.append(true).create(true).open(path).unwrap()
}

/// Lets an export append to a file, as a shell does it for `>> FILE`.
fn append_export(service: &Service, path: &Path, arguments: &[&str]) {
    let mut export = service.export_process(Path::new("-"), arguments);
    let output = export.stdout(append(path)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The lines of a file that are not JSON.
fn broken_lines(text: &str) -> Vec<&str> {
    let is_broken = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_err();
    text.lines().filter(is_broken).collect()
}

#[test]
fn a_line_that_a_kill_has_broken_is_a_line_of_its_own() {
    let service = Service::start(Emulator::builder().runs(1000).fault(6..=6, Fault::Hang));
    let (folder, out) = place("runs.jsonl");
    let checkpoint = folder.path().join("checkpoint");
    let arguments = ["--checkpoint", checkpoint.to_str().unwrap()];
    let arguments = [&arguments[..], &["--page-size=100", "--concurrency=1"]].concat();
    let mut export = service.export_process(Path::new("-"), &arguments);
    let mut export = export.stdout(append(&out)).spawn().unwrap();
    wait_until("no row is committed", || committed(&checkpoint) > 0);
    wait_until("it does not hang", || service.requests().len() == 6);
    export.kill().unwrap();
    export.wait().unwrap();

    // What a kill in the middle of a write leaves.
    let half = r#"{"id":"half"#;
    append(&out).write_all(half.as_bytes()).unwrap();
    append_export(&service, &out, &arguments);
    let text = fs::read_to_string(&out).unwrap();
    assert_eq!(broken_lines(&text), [half]);
    let whole: Vec<_> = text.lines().filter(|line| *line != half).collect();
    let written: HashSet<_> = ids_of(&whole.join("\n")).into_iter().collect();
    assert_eq!(written, service.ids().into_iter().collect());

    // Where no line is broken, nothing comes between, and without a row nothing is written.
    append_export(&service, &out, &arguments);
    assert_eq!(fs::read_to_string(&out).unwrap(), text);
    service.change(|store| store.start_run("new"));
    append_export(&service, &out, &arguments);
    let more = fs::read_to_string(&out).unwrap();
    assert_eq!(ids_of(more.strip_prefix(&text).unwrap()), ["new"]);
}

/// A kill before the first commit leaves no row in the checkpoint, and rows in the file.
#[test]
fn a_line_is_not_glued_to_a_broken_one_whatever_the_checkpoint_says() {
    let service = Service::with_runs(10);
    let (folder, out) = place("runs.jsonl");
    let checkpoint = folder.path().join("checkpoint");
    let checkpoint = ["--checkpoint", checkpoint.to_str().unwrap()];
    for arguments in [
        &[][..],
        &checkpoint,
        &["--restart", checkpoint[0], checkpoint[1]],
    ] {
        fs::write(&out, "{\"id\":").unwrap();
        append_export(&service, &out, arguments);
        let text = fs::read_to_string(&out).unwrap();
        assert_eq!(broken_lines(&text), ["{\"id\":"], "{arguments:?}");
        let (_, rows) = text.split_once('\n').unwrap();
        assert_eq!(ids_of(rows), service.ids(), "{arguments:?}");
    }
}

#[test]
fn a_header_of_csv_is_not_glued_to_a_broken_record() {
    let service = Service::with_runs(10);
    let (_folder, out) = place("runs.csv");
    fs::write(&out, "id,actId\nrun0,a").unwrap();
    append_export(&service, &out, &["--format=csv", "--fields=id,actId"]);
    let text = fs::read_to_string(&out).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        (lines.len(), &lines[..3]),
        (13, &["id,actId", "run0,a", "id,actId"][..])
    );
}
