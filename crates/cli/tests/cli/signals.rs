//! An export that is told to stop.

use std::io::{Read, Write};
use std::process::{Child, Output, Stdio};

use apify_runs::emulator::{Emulator, Fault};

use super::*;

/// Sends a signal to a process.
pub(crate) fn send(name: &str, process: &Child) {
    // Every shell knows `kill`; the program of that name is not everywhere.
    let kill = format!("kill -{name} {}", process.id());
    let mut shell = std::process::Command::new("sh");
    assert!(shell.args(["-c", &kill]).status().unwrap().success());
}

/// Pages of ten, one after the other.
const SLOWLY: [&str; 2] = ["--page-size=10", "--concurrency=1"];

/// A list of which a part comes, and then nothing any more, once.
fn hanging() -> Service {
    Service::start(Emulator::builder().runs(50).fault(3..=3, Fault::Hang))
}

/// Starts an export that hangs after a few rows.
fn hang(service: &Service, out: &Path, arguments: &[&str]) -> Child {
    let arguments = [&SLOWLY, arguments].concat();
    let mut export = service.export_process(out, &arguments);
    let export = export.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    wait_until("it hangs", || service.requests().len() == 3);
    export.unwrap()
}

fn end(name: &str, process: Child) -> (Option<i32>, String) {
    send(name, &process);
    let Output { status, stderr, .. } = process.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_signal_ends_it_after_a_commit_and_the_command_it_offers_completes() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let service = hanging();
        let (_folder, out) = place("my runs.jsonl");
        let export = hang(&service, &out, &[]);
        let (ended, message) = end(name, export);
        assert_eq!(ended, Some(code), "{message}");
        assert!(message.starts_with("interrupted: "), "{message}");
        // All that had come is committed, and nothing else is there.
        let rows = committed(&checkpoint_of(&out));
        assert!(rows > 10 && rows < 50, "{rows}");
        assert_eq!(ids(&out), service.ids()[..rows as usize]);
        assert_whole(&out);
        assert_goes_on(&service, &message);
        assert_exact(&service, &out);
    }
}

#[test]
fn rows_that_wait_for_their_part_are_committed() {
    let service = hanging();
    let (_folder, out) = place("runs.jsonl/");
    let export = hang(&service, &out, &[]);
    let manifest = out.join("_manifest.json");
    assert_eq!(committed(&manifest), 0);
    let (ended, message) = end("INT", export);
    assert_eq!(ended, Some(130), "{message}");
    assert!(committed(&manifest) > 10);
    assert_whole(&out);
    assert_goes_on(&service, &message);
    let parts = outputs::parts(&out);
    let written: Vec<_> = parts.iter().flat_map(|part| ids(part)).collect();
    assert_eq!(written, service.ids());
}

#[test]
fn a_following_export_is_ended_by_a_signal() {
    let service = Service::with_runs(20);
    let (_folder, out) = place("runs.jsonl");
    let follow = ["--follow", "--interval", "100ms"];
    let mut export = service.export_process(&out, &follow);
    let export = export.stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the list is written", || {
        committed(&checkpoint_of(&out)) == 20
    });
    let (ended, message) = end("TERM", export);
    assert_eq!(ended, Some(143), "{message}");
    service.change(|store| store.start_run("later"));
    service.export(&out, &[]).success();
    assert_exact(&service, &out);
}

#[test]
fn before_anything_was_asked_the_rows_of_earlier_starts_are_told() {
    let builder = Emulator::builder().runs(20);
    // Two requests: the page, and the count after it.
    let service = Service::start(builder.fault(3..=3, Fault::Hang));
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &[]).success();
    let export = hang(&service, &out, &[]);
    let (ended, message) = end("INT", export);
    assert_eq!(ended, Some(130));
    assert!(message.starts_with("interrupted: 20 runs in"), "{message}");
    assert!(message.contains("\n  0 new; "), "{message}");
    assert_goes_on(&service, &message);
    assert_exact(&service, &out);
}

#[test]
fn a_restart_that_has_not_begun_is_in_the_command_that_is_offered() {
    let builder = Emulator::builder().runs(20);
    let service = Service::start(builder.fault(3..=3, Fault::Hang));
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--desc"]).success();
    let export = hang(&service, &out, &["--restart"]);
    let (_, message) = end("INT", export);
    assert!(
        offered(&message).unwrap().contains("--restart"),
        "{message}"
    );
    assert_goes_on(&service, &message);
    assert_exact(&service, &out);
}

#[test]
fn a_restart_that_has_begun_is_not_made_again() {
    let service = hanging();
    let (_folder, out) = place("runs.jsonl");
    let export = hang(&service, &out, &["--restart"]);
    let (_, message) = end("INT", export);
    assert!(
        !offered(&message).unwrap().contains("--restart"),
        "{message}"
    );
    assert_goes_on(&service, &message);
    assert_exact(&service, &out);
}

#[test]
fn a_pipe_without_a_checkpoint_offers_nothing() {
    let service = hanging();
    let export = hang(&service, Path::new("-"), &[]);
    let (ended, message) = end("INT", export);
    assert_eq!(ended, Some(130));
    assert_eq!(offered(&message), None, "{message}");
}

#[test]
fn a_part_that_came_through_a_pipe_offers_nothing() {
    // The first request is for the split.
    let builder = Emulator::builder().runs(50);
    let service = Service::start(builder.fault(5..=5, Fault::Hang));
    let mut split = service.program(&["split", ACTOR, "--into", "1"]);
    let line = stdout(&split.assert().success());
    let (_folder, out) = place("part.jsonl");
    let mut export = service.process(&["export", "--split", "-", "--out"]);
    let export = export.arg(&out).args(SLOWLY).stdin(Stdio::piped());
    let mut export = export.stderr(Stdio::piped()).spawn().unwrap();
    let mut input = export.stdin.take().unwrap();
    input.write_all(line.as_bytes()).unwrap();
    drop(input);
    wait_until("it hangs", || service.requests().len() == 5);
    let (ended, message) = end("INT", export);
    assert_eq!(ended, Some(130), "{message}");
    assert!(message.starts_with("interrupted: "), "{message}");
    // By itself, the same command would wait for the part.
    assert_eq!(offered(&message), None, "{message}");

    let mut export = service.program(&["export", "--split", "-", "--out"]);
    let export = export.arg(&out).write_stdin(line);
    export.assert().success();
    assert_exact(&service, &out);
}

#[test]
fn a_second_signal_ends_it_at_once_and_loses_nothing_that_is_committed() {
    let service = Service::with_runs(3000);
    let (folder, _) = place("unused");
    let checkpoint = folder.path().join("checkpoint");
    let arguments = [
        "--checkpoint",
        checkpoint.to_str().unwrap(),
        "--page-size=50",
        "--rate=1000",
    ];
    let mut export = service.export_process(Path::new("-"), &arguments);
    let mut export = export.stdout(Stdio::piped()).spawn().unwrap();
    // Nobody reads on, so that it cannot come to a commit.
    wait_until("the pipe is full", || service.requests().len() >= 12);
    let mut ended = None;
    wait_until("it has ended", || {
        send("INT", &export);
        std::thread::sleep(Duration::from_millis(50));
        ended = export.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(130));

    let mut first = String::new();
    let mut pipe = export.stdout.take().unwrap();
    pipe.read_to_string(&mut first).unwrap();
    let committed = committed(&checkpoint) as usize;
    let complete: Vec<_> = first.split_inclusive('\n').take(committed).collect();
    assert_eq!(complete.len(), committed);
    let second = service.export(Path::new("-"), &arguments).success();
    let written = ids_of(&(complete.concat() + &stdout(&second)));
    assert_eq!(written, service.ids());
}
