//! `--since` and `--until`.

use chrono::{DateTime, TimeDelta, Utc};

use super::*;

/// A list of which three runs have started today, and the others months ago.
fn service() -> Service {
    let service = Service::with_runs(100);
    service.change(|store| {
        for id in ["today1", "today2", "today3"] {
            store.start_run(id);
        }
    });
    service
}

fn time_in(service: &Service, name: &str) -> DateTime<Utc> {
    let sent = service.parameters(name)[0].clone().unwrap();
    sent.parse().unwrap()
}

/// What the checkpoint says is the first start that counts.
fn since_in(path: &Path) -> String {
    let text = std::fs::read_to_string(checkpoint_of(path)).unwrap();
    let checkpoint: serde_json::Value = serde_json::from_str(&text).unwrap();
    let since = &checkpoint["job"]["query"]["started_after"];
    since.as_str().unwrap().to_owned()
}

#[test]
fn dates_and_times_are_taken_in_utc() {
    for (text, since, until) in [
        (
            "2025-01-01",
            "2025-01-01T00:00:00.000Z",
            "2025-01-01T23:59:59.999Z",
        ),
        (
            "2025-01-01T00:05:00Z",
            "2025-01-01T00:05:00.000Z",
            "2025-01-01T00:04:59.999Z",
        ),
        (
            "2025-01-01T00:05",
            "2025-01-01T00:05:00.000Z",
            "2025-01-01T00:04:59.999Z",
        ),
        (
            "2025-01-01T02:05:00.25+02:00",
            "2025-01-01T00:05:00.250Z",
            "2025-01-01T00:05:00.249Z",
        ),
    ] {
        for (flag, parameter, sent) in [
            ("--since", "startedAfter", since),
            ("--until", "startedBefore", until),
        ] {
            let service = service();
            let count = service.program(&["count", ACTOR, flag, text]).assert();
            assert_eq!(stderr(&count.success()), "");
            let first = service.parameters(parameter)[0].clone();
            assert_eq!(first.as_deref(), Some(sent), "{flag} {text}");
        }
    }
}

#[test]
fn windows_that_meet_neither_overlap_nor_leave_a_gap() {
    let service = Service::with_runs(100);
    let start = |place| {
        let run = service.run(place).unwrap();
        run["startedAt"].as_str().unwrap().to_owned()
    };
    let count = |arguments: &[&str]| -> u64 {
        let mut count = service.program(&["count", ACTOR]);
        let count = count.args(arguments).assert().success();
        stdout(&count).trim().parse().unwrap()
    };
    let (folder, out) = place("runs.jsonl");
    let arguments = ["--since", &start(10), "--until", &start(19)];
    service.export(&out, &arguments).success();
    assert_eq!(ids(&out), service.ids()[10..19]);
    assert_eq!(count(&["--until", &start(10)]), 10);
    assert_eq!(count(&["--since", &start(19)]), 81);

    // All have started on one day.
    let out = folder.path().join("day.jsonl");
    let day = ["--since", "2025-01-01", "--until", "2025-01-01"];
    service.export(&out, &day).success();
    assert_exact(&service, &out);
    assert_eq!(
        count(&["--until", "2024-12-31"]) + count(&["--since", "2025-01-02"]),
        0
    );
}

#[test]
fn a_relative_time_is_said_as_the_instant_that_it_means() {
    let service = service();
    let (_folder, out) = place("runs.jsonl");
    let first = service.export(&out, &["--since", "30d"]).success();
    let line = stderr(&first).lines().next().unwrap().to_owned();
    let instant = line.strip_prefix("--since 30d is ").expect(&line);
    let ago = Utc::now() - instant.parse::<DateTime<Utc>>().unwrap();
    assert!(
        ago >= TimeDelta::days(30) && ago < TimeDelta::days(31),
        "{line}"
    );
    // It does not move.
    let second = service.export(&out, &["--since", "30d"]).success();
    assert_eq!(stderr(&second).lines().next(), Some(&*line));
}

#[test]
fn a_time_may_be_relative_to_now() {
    let service = service();
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--since", "36h"]).success();
    assert_eq!(ids(&out), ["today1", "today2", "today3"]);
    let ago = Utc::now() - time_in(&service, "startedAfter");
    // A day is more than any machine takes for this.
    assert!(ago >= TimeDelta::hours(36) && ago < TimeDelta::hours(60));

    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--until", "1d"]).success();
    assert_eq!(ids(&out), service.ids()[..100]);
}

#[test]
fn a_relative_time_keeps_its_first_meaning() {
    let service = service();
    let (_folder, out) = place("runs.jsonl");
    let arguments = ["--since", "30d", "--until", "0s"];
    service.export(&out, &arguments).success();
    let since = since_in(&out);
    service.change(|store| store.start_run("too-late"));
    service.export(&out, &arguments).success();
    assert_eq!(since_in(&out), since);
    assert_eq!(ids(&out), ["today1", "today2", "today3"]);
    // From its start on, it means something else.
    let anew = [arguments.as_slice(), &["--restart"]].concat();
    service.export(&out, &anew).success();
    assert_ne!(since_in(&out), since);
    assert_eq!(ids(&out).len(), 4);
}

#[test]
fn another_relative_time_is_another_export() {
    let service = service();
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--since", "30d"]).success();
    let before = std::fs::read(&out).unwrap();
    let other = service.export(&out, &["--since", "7d"]).code(3);
    assert!(stderr(&other).contains("since 30d (now 7d)"), "{other}");
    let none = service.export(&out, &[]).code(3);
    assert!(stderr(&none).contains("since 30d (now none)"), "{none}");
    let since = since_in(&out);
    service.export(&out, &["--since", &since]).code(3);
    assert_eq!(std::fs::read(&out).unwrap(), before);
    service.export(&out, &["--since", "30d"]).success();
}

#[test]
fn what_is_no_time_is_refused_with_examples() {
    let service = service();
    let (_folder, out) = place("runs.jsonl");
    for text in [
        "yesterday",
        "25-09-01",
        "2025-13-01",
        "01/09/2025",
        "-1h",
        "900000y",
    ] {
        let flag = format!("--since={text}");
        let wrong = service.export(&out, &[&flag]).code(2);
        let message = stderr(&wrong);
        assert!(message.contains("--since"), "{message}");
        assert!(message.contains("2025-09-01T10:00:00Z"), "{message}");
    }
    assert!(service.requests().is_empty());
}

#[test]
fn an_end_before_the_beginning_is_refused() {
    let service = service();
    let (_folder, out) = place("runs.jsonl");
    let arguments = ["--since", "2025-02-01", "--until", "2025-01-01"];
    let wrong = service.export(&out, &arguments).code(2);
    let expected = "error: invalid --since 2025-02-01T00:00:00.000Z: it must be before \
                    --until, 2025-01-02T00:00:00.000Z\n";
    assert_eq!(stderr(&wrong), expected);
}

#[test]
fn runs_from_now_on_leave_out_the_old_ones() {
    let service = Service::with_runs(100);
    let (_folder, out) = place("runs.jsonl");
    let first = service.export(&out, &["--since", "now"]).success();
    let message = stderr(&first);
    assert!(message.starts_with("--since now is 20"), "{message}");
    assert!(message.contains("complete: 0 runs"), "{message}");
    service.change(|store| store.start_run("later"));
    service.export(&out, &["--since", "now"]).success();
    assert_eq!(ids(&out), ["later"]);
}

#[test]
fn an_export_may_follow_the_list_from_now_on() {
    let service = Service::with_runs(100);
    let (_folder, out) = place("runs.jsonl");
    let arguments = ["--since", "now", "--follow", "--interval", "100ms"];
    let mut export = service.export_process(&out, &arguments).spawn().unwrap();
    wait_until("it has begun", || out.exists());
    service.change(|store| store.start_run("later"));
    wait_until("the run is committed", || {
        committed(&checkpoint_of(&out)) == 1
    });
    export.kill().unwrap();
    export.wait().unwrap();
    assert_eq!(ids(&out), ["later"]);
}
