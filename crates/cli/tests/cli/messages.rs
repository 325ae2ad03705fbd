//! What is said on standard error, how much of it, and in which form.

use apify_runs::emulator::{Emulator, Fault};
use serde_json::Value;

use super::*;

/// The lines of standard error, each a JSON object.
#[track_caller]
fn objects(text: &str) -> Vec<Value> {
    let object = |line: &str| -> Value {
        let value: Value = serde_json::from_str(line).expect(line);
        assert!(value.is_object(), "{line}");
        value
    };
    text.lines().map(object).collect()
}

#[test]
fn quiet_says_nothing_but_errors() {
    let fault = Fault::status(503);
    let service = Service::start(Emulator::builder().runs(9).fault(4.., fault));
    let (_folder, out) = place("runs.jsonl");
    let complete = service.export(&out, &["-q"]).success();
    assert_eq!(stderr(&complete), "");
    let gave_up = service
        .export(&out, &["--quiet", "--max-retries=0"])
        .code(5);
    let message = stderr(&gave_up);
    assert!(message.starts_with("error: "), "{message}");
    assert_eq!(message.lines().count(), 2, "{message}");
}

#[test]
fn verbose_says_each_page() {
    let service = Service::with_runs(100);
    let (_folder, out) = place("runs.jsonl");
    let plain = service.export(&out, &["--page-size", "10"]).success();
    let verbose = ["--page-size", "10", "-v", "--restart"];
    let verbose = service.export(&out, &verbose).success();
    let pages = |text: &str| text.matches("DEBUG").count();
    assert_eq!(pages(&stderr(&plain)), 0, "{plain}");
    assert!(pages(&stderr(&verbose)) >= 10, "{verbose}");
    let more = ["--page-size", "10", "-v", "-v", "--restart"];
    service.export(&out, &more).success();
    // They belong to nobody who reads the data.
    assert_eq!(stdout(&verbose), "");
}

#[test]
fn a_retry_is_said() {
    let fault = Fault::status_retry_after(503, 0);
    let service = Service::start(Emulator::builder().runs(9).fault(1..=1, fault));
    let (_folder, out) = place("runs.jsonl");
    let complete = service.export(&out, &[]).success();
    let message = stderr(&complete);
    let retry = message.lines().next().unwrap();
    assert!(retry.starts_with("retry 1/8 in "), "{message}");
    assert!(retry.contains(" s: 503 Service Unavailable"), "{message}");
    assert!(message.ends_with("\n  1 retry\n"), "{message}");
    assert_exact(&service, &out);
}

#[test]
fn every_line_is_json_if_asked_for() {
    let builder = Emulator::builder().runs(300);
    let service = Service::start(builder.fault(3..=3, Fault::status_retry_after(503, 0)));
    let (_folder, out) = place("runs.jsonl");
    let arguments = ["--log-format=json", "--page-size=10", "-v"];
    let complete = service.export(&out, &arguments).success();
    let lines = objects(&stderr(&complete));
    let levels: HashSet<_> = lines
        .iter()
        .map(|line| line["level"].as_str().unwrap())
        .collect();
    assert!(
        levels.contains("DEBUG") && levels.contains("INFO"),
        "{levels:?}"
    );
    for line in &lines {
        assert!(line["timestamp"].is_string(), "{line}");
        let message = line["message"].as_str().unwrap();
        assert!(!message.contains('\n'), "{message}");
    }
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["rows"], &last["output_rows"]),
        (&300.into(), &300.into())
    );
    assert_eq!(
        (&last["retries"], &last["interrupted"]),
        (&1.into(), &false.into())
    );
    assert_eq!(last["total_after"], 300);
    assert!(last["bytes_written"].as_u64() > Some(0));

    let service = Service::start(Emulator::builder().fault(.., Fault::status(500)));
    let arguments = ["--log-format=json", "--max-retries=0"];
    let gave_up = service.export(&out, &arguments).code(5);
    let lines = objects(&stderr(&gave_up));
    let error = lines.last().unwrap();
    assert_eq!(error["level"], "ERROR");
    assert!(
        error["resume_command"]
            .as_str()
            .unwrap()
            .contains(" export "),
        "{error}"
    );
}

#[test]
fn other_commands_speak_json_too() {
    let service = Service::with_runs(30);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &[]).success();
    std::fs::write(&out, "").unwrap();
    let mut verify = program();
    let verify = verify.args(["verify", "--log-format", "json"]).arg(&out);
    let damaged = objects(&stderr(&verify.assert().code(6)));
    assert_eq!((damaged.len(), &damaged[0]["level"]), (1, &"ERROR".into()));
}

#[test]
fn colours_can_be_had_where_there_is_no_terminal() {
    let service = Service::with_runs(9);
    let (_folder, out) = place("runs.jsonl");
    let complete = service.export(&out, &["--color", "always"]).success();
    assert!(stderr(&complete).starts_with("\u{1b}["), "{complete}");
    for arguments in [&["--color", "never"][..], &["--color", "auto"], &[]] {
        let complete = service.export(&out, arguments).success();
        assert!(!stderr(&complete).contains('\u{1b}'), "{complete}");
    }
    // Also where the arguments are not understood, and in the help.
    for flag in ["--color=always", "--color=never"] {
        let wrong = program().args(["count", flag]).assert().code(2);
        let is_colored = flag.ends_with("always");
        assert_eq!(stderr(&wrong).contains('\u{1b}'), is_colored, "{flag}");
        let help = program().args(["count", "--help", flag]).assert().success();
        assert_eq!(stdout(&help).contains('\u{1b}'), is_colored, "{flag}");
    }
}

#[test]
fn a_color_that_was_asked_for_comes_before_no_color() {
    let service = Service::with_runs(9);
    let (_folder, out) = place("runs.jsonl");
    let mut export = service.program(&["export", ACTOR, "--color=always", "--out"]);
    let complete = export.arg(&out).env("NO_COLOR", "1").assert().success();
    assert!(stderr(&complete).starts_with("\u{1b}["), "{complete}");
}
