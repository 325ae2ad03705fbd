//! What a user of the program `apify-runs` sees.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod alive;
mod conventions;
mod crash;
mod emulate;
mod exits;
mod flags;
mod generated;
mod help;
mod inspect;
mod lists;
mod ls;
mod messages;
mod metrics;
mod outputs;
mod pages;
mod report;
mod split;
mod statuses;
mod summary;
mod sync;
mod times;
mod token;
mod urls;
mod watch;

#[cfg(unix)]
mod pipes;
#[cfg(unix)]
mod signals;

// They need programs that are others elsewhere, or a standard output whose end can be read.
#[cfg(target_os = "linux")]
mod appended;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod syscalls;
#[cfg(target_os = "linux")]
mod terminal;

use std::collections::HashSet;
#[cfg(unix)]
use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use apify_runs::emulator::{Emulator, EmulatorBuilder};
use assert_cmd::Command;
use assert_cmd::assert::Assert;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Longer than anything takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// The Actor of tests to which it does not matter.
const ACTOR: &str = "janedoe/my-actor";
/// A home that nobody has logged in from.
const EMPTY_HOME: &str = env!("CARGO_TARGET_TMPDIR");

/// The program, with nothing of the environment that it would take notice of.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apify-runs"));
    without_environment(|name| {
        command.env_remove(name);
    });
    command.env("HOME", EMPTY_HOME);
    command.env("USERPROFILE", EMPTY_HOME).timeout(PATIENCE);
    command
}

/// The same for a process that is started and looked after by hand.
fn process() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_apify-runs"));
    clean(&mut command);
    command
}

/// Lets a process, of whichever program, find nothing that this one would take notice of.
fn clean(command: &mut std::process::Command) {
    without_environment(|name| {
        command.env_remove(name);
    });
    command.env("HOME", EMPTY_HOME);
    command.env("USERPROFILE", EMPTY_HOME);
}

fn without_environment(mut remove: impl FnMut(&str)) {
    for name in [
        "APIFY_API_BASE_URL",
        "APIFY_TOKEN",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "COLUMNS",
        "FORCE_COLOR",
        "LINES",
        "NO_COLOR",
        "RUST_BACKTRACE",
        "TERM",
    ] {
        remove(name);
    }
}

/// Arguments and environment that let a command read from an emulator.
fn at(command: &mut std::process::Command, emulator: &Emulator) {
    command.env("APIFY_API_BASE_URL", emulator.base_url());
    command.env("APIFY_TOKEN", emulator.token());
}

/// The IDs in a file of JSON lines.
fn ids(path: &Path) -> Vec<String> {
    ids_of(&std::fs::read_to_string(path).unwrap())
}

/// The IDs in JSON lines.
fn ids_of(lines: &str) -> Vec<String> {
    let id = |line: &str| {
        let run: serde_json::Value = serde_json::from_str(line).unwrap();
        run["id"].as_str().unwrap().to_owned()
    };
    lines.lines().map(id).collect()
}

/// An emulator on a thread of its own, so that a test may wait for a process.
struct Service {
    // Before the runtime: it ends tasks when it is dropped.
    emulator: Emulator,
    _runtime: Runtime,
}

impl Service {
    fn start(builder: EmulatorBuilder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Self {
            emulator: runtime.block_on(builder.start()).unwrap(),
            _runtime: runtime,
        }
    }

    fn with_runs(runs: u64) -> Self {
        Self::start(Emulator::builder().runs(runs))
    }

    /// The program, reading from here.
    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.env("APIFY_API_BASE_URL", self.base_url());
        command.env("APIFY_TOKEN", self.token());
        command.args(arguments);
        command
    }

    /// The same for a process that is looked after by hand.
    fn process(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = process();
        at(&mut command, &self.emulator);
        command.args(arguments);
        command
    }

    /// Exports to a file, with more arguments.
    fn export(&self, out: &Path, arguments: &[&str]) -> Assert {
        let export = ["export", ACTOR, "--out", out.to_str().unwrap()];
        self.program(&export).args(arguments).assert()
    }

    /// The same, as a process that is looked after by hand.
    fn export_process(&self, out: &Path, arguments: &[&str]) -> std::process::Command {
        let mut command = self.process(&["export", ACTOR, "--out", out.to_str().unwrap()]);
        command.args(arguments);
        command
    }

    /// What the requests have for a parameter, in their order.
    fn parameters(&self, name: &str) -> Vec<Option<String>> {
        let requests = self.requests();
        let parameter = requests.iter().map(|request| request.parameter(name));
        parameter.map(|value| value.map(String::from)).collect()
    }
}

impl Deref for Service {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        &self.emulator
    }
}

/// A folder, and the path of a file in it that is not there yet.
fn place(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

/// The command that a message offers to resume with.
fn offered(stderr: &str) -> Option<&str> {
    stderr
        .lines()
        .find_map(|line| line.strip_prefix("to resume: "))
}

/// Runs the command that a message offers to resume with, as it is typed into a shell.
#[track_caller]
fn assert_goes_on(service: &Service, message: &str) {
    let command = offered(message).expect(message);
    let mut shell = shell(command);
    clean(&mut shell);
    at(&mut shell, service);
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
}

#[cfg(not(windows))]
fn shell(command: &str) -> std::process::Command {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> std::process::Command {
    use std::os::windows::process::CommandExt;
    let mut shell = std::process::Command::new("cmd");
    // With /S, all between the outer quotes is the command.
    shell.raw_arg(format!("/S /C \"{command}\""));
    shell
}

/// Says that a test, or a part of one, is skipped because something is missing. Fails where nothing
/// may be missing: `.ci/run` sets this variable.
#[cfg(unix)]
#[track_caller]
fn skip(missing: &str) {
    let is_set = |value: std::ffi::OsString| !value.is_empty();
    let may_skip = !std::env::var_os("APIFY_RUNS_TESTS_SKIP_NOTHING").is_some_and(is_set);
    assert!(may_skip, "{missing}, and no test may be skipped");
    // Not by `println!`, which a test that passes does not show.
    let _ = writeln!(std::io::stderr(), "skipped: {missing}");
}

/// Where the checkpoint of a file is.
fn checkpoint_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".checkpoint");
    name.into()
}

/// How many rows a checkpoint says are committed; 0 if there is none yet.
fn committed(checkpoint: &Path) -> u64 {
    let Ok(text) = std::fs::read_to_string(checkpoint) else {
        return 0;
    };
    let checkpoint: serde_json::Value = serde_json::from_str(&text).unwrap();
    checkpoint["committed"]["rows"].as_u64().unwrap()
}

/// Waits until something has come about.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the file holds exactly the runs on the list, each once, and `verify` agrees.
#[track_caller]
fn assert_exact(service: &Service, path: &Path) {
    let written = ids(path);
    assert_eq!(written.iter().collect::<HashSet<_>>().len(), written.len());
    assert_eq!(written, service.ids());
    assert_whole(path);
}

/// Whether `verify` says that an output is whole.
#[track_caller]
fn assert_whole(path: &Path) {
    let verify = program().arg("verify").arg(path).assert().success();
    assert!(stdout(&verify).starts_with("whole: "), "{verify}");
}
