//! `--status`.

use super::*;

fn count(service: &Service, arguments: &[&str]) -> u64 {
    let mut count = service.program(&["count", ACTOR]);
    let counted = count.args(arguments).assert().success();
    stdout(&counted).trim().parse().unwrap()
}

#[test]
fn a_status_is_taken_in_any_case_and_with_underscores() {
    let service = Service::with_runs(5000);
    let failed = count(&service, &["--status", "FAILED"]);
    let timed_out = count(&service, &["--status", "TIMED-OUT"]);
    assert!(failed > 0 && timed_out > 0);
    for list in ["failed,timed_out", "FAILED,TIMED-OUT", "Failed, Timed-Out"] {
        assert_eq!(
            count(&service, &["--status", list]),
            failed + timed_out,
            "{list}"
        );
    }
}

#[test]
fn a_mistyped_status_is_refused_with_a_suggestion() {
    let service = Service::with_runs(10);
    let (_folder, out) = place("runs.jsonl");
    for (list, suggestion) in [("FAILD", "FAILED"), ("FAILED,TIMEDOUT", "TIMED-OUT")] {
        let wrong = service.export(&out, &["--status", list]).code(2);
        let message = stderr(&wrong);
        assert!(message.contains(suggestion), "{message}");
        // All there are.
        assert!(
            message.contains("READY") && message.contains("ABORTING"),
            "{message}"
        );
    }
    assert!(service.requests().is_empty());
    let help = program().args(["count", "--help"]).assert().success();
    assert!(stdout(&help).contains("TIMING-OUT"), "{help}");
}

#[test]
fn a_status_that_is_not_known_yet_is_sent_as_it_is() {
    let service = Service::with_runs(10);
    let arguments = ["--status", "FAILED", "--other-status", "MIGRATED"];
    count(&service, &arguments);
    let sent = service.parameters("status")[0].clone();
    assert_eq!(sent.as_deref(), Some("FAILED,MIGRATED"));
}
