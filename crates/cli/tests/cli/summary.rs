//! What an export says at its end.

use apify_runs::emulator::Emulator;

use super::*;

#[test]
fn a_usual_export_is_three_lines() {
    let service = Service::with_runs(1505);
    // They have not finished.
    service.change(|store| store.delete(1500..));
    let (_folder, out) = place("runs.jsonl");
    let complete = service.export(&out, &[]).success();
    let message = stderr(&complete);
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines.len(), 3, "{message}");
    assert_eq!(
        lines[0],
        format!("complete: 1,500 runs in {}", out.display())
    );
    assert!(
        lines[1].contains("started from 2025-01-01T00:0"),
        "{message}"
    );
    assert!(lines[2].contains("/s, by 2 requests"), "{message}");
    assert_eq!(offered(&message), None);
    assert_eq!(stdout(&complete), "");

    // Nothing new.
    let again = service.export(&out, &[]).success();
    assert!(stderr(&again).contains("\n  0 new; "), "{again}");
    // All of it.
    let verbose = service.export(&out, &["-v"]).success();
    let message = stderr(&verbose);
    for words in [
        "1,500 before, 1,500 after",
        "the list moved 0 times",
        "0 distinct IDs",
        "0 retries",
    ] {
        assert!(message.contains(words), "{words}\n{message}");
    }
}

/// A list whose last two runs have not finished.
fn with_unfinished() -> Service {
    let service = Service::start(Emulator::builder().runs(50));
    service.change(|store| {
        store.delete(45..);
        store.start_run("running1");
        store.start_run("running2");
    });
    service
}

#[test]
fn runs_that_will_not_be_updated_are_said_and_the_flag_that_does_it() {
    let service = with_unfinished();
    let (folder, out) = place("runs.jsonl");
    let complete = service.export(&out, &["--json"]).success();
    let message = stderr(&complete);
    let expected = "2 runs had not finished and will not be updated: --emit changes";
    assert!(message.contains(expected), "{message}");
    assert!(
        stdout(&complete).contains("\"frozen_rows\":2"),
        "{complete}"
    );

    for (emit, words) in [
        (
            "changes",
            "2 runs will be read again until they have finished",
        ),
        ("finished", "2 runs will be read again"),
    ] {
        let out = folder.path().join(format!("{emit}.jsonl"));
        let complete = service.export(&out, &["--emit", emit]).success();
        let message = stderr(&complete);
        assert!(message.contains(words), "{message}");
        assert!(!message.contains("will not be updated"), "{message}");
    }

    let out = folder.path().join("{actor}.jsonl");
    let arguments = ["export", "a", "b", "--out", out.to_str().unwrap()];
    let complete = service.program(&arguments).assert().success();
    let expected = "4 runs had not finished and will not be updated";
    assert!(stderr(&complete).contains(expected), "{complete}");
}

#[test]
fn a_mistyped_field_is_refused_unless_any_is_taken() {
    let service = Service::with_runs(10);
    let (_folder, out) = place("runs.jsonl");
    let wrong = service.export(&out, &["--fields", "id,finishdAt"]).code(2);
    let expected = "error: invalid --fields \"finishdAt\": the API reference has no such field of a \
                    run; did you mean finishedAt? --any-field takes it all the same\n";
    assert_eq!(stderr(&wrong), expected);
    assert!(service.requests().is_empty() && !out.exists());
    service
        .export(&out, &["--fields", "id,meta,usageTotalUsd"])
        .success();
    let arguments = ["--fields", "id,stats", "--any-field", "--restart"];
    service.export(&out, &arguments).success();
    assert_eq!(ids(&out).len(), 10);
}
