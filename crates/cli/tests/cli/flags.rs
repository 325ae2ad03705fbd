//! What the flags of `export` make of the list and of the requests.

use std::time::Duration;

use apify_runs::emulator::{Emulator, Fault};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::*;

/// The paths of all requests, each once.
fn paths(service: &Service) -> Vec<String> {
    let mut paths: Vec<_> = service
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    paths.dedup();
    paths
}

/// Runs that started at these seconds.
fn runs_at(seconds: impl IntoIterator<Item = u32>) -> Vec<Value> {
    seconds.into_iter().map(run_at).collect()
}

fn run_at(second: u32) -> Value {
    let (minute, second) = (second / 60, second % 60);
    json!({
        "id": format!("at{minute:02}{second:02}"),
        "status": "SUCCEEDED",
        "startedAt": format!("2025-03-01T00:{minute:02}:{second:02}.000Z"),
    })
}

#[test]
fn an_actor_a_task_and_an_account_have_lists_of_their_own() {
    for (arguments, path) in [
        (vec!["janedoe/my-actor"], "/v2/acts/janedoe~my-actor/runs"),
        (vec!["janedoe~my-actor"], "/v2/acts/janedoe~my-actor/runs"),
        (vec!["HG7ML7M8z78YcAPEB"], "/v2/acts/HG7ML7M8z78YcAPEB/runs"),
        (
            vec!["--task", "janedoe/daily"],
            "/v2/actor-tasks/janedoe~daily/runs",
        ),
        (vec!["--account"], "/v2/actor-runs"),
    ] {
        let service = Service::with_runs(20);
        let (_folder, out) = place("runs.jsonl");
        let mut export = service.program(&["export"]);
        let export = export.args(&arguments).arg("--out").arg(&out);
        export.assert().success();
        assert_exact(&service, &out);
        assert_eq!(paths(&service), [path], "{arguments:?}");
    }
}

#[test]
fn a_demo_needs_no_account_and_no_network() {
    let (_folder, out) = place("runs.jsonl");
    let demo = |arguments: &[&str]| {
        let mut command = program();
        command.args(["export", "--demo"]).args(arguments);
        command.arg("--out").arg(&out).assert().success()
    };
    demo(&["2500"]);
    assert_eq!(ids(&out).len(), 2500);
    // The same list again: nothing is new.
    let again = demo(&["2500"]);
    assert!(stderr(&again).contains("complete: 2,500 runs"), "{again}");
    assert_eq!(ids(&out).len(), 2500);
}

#[test]
fn generated_runs_never_go_into_the_export_of_a_list() {
    let service = Service::with_runs(20);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--demo=5"]).code(2);
    assert!(!out.exists());
    service.export(&out, &[]).success();
    service.export(&out, &["--demo=5"]).code(2);
    assert_exact(&service, &out);
}

#[test]
fn generated_runs_come_whatever_address_is_in_the_environment() {
    let mut count = program();
    let count = count.env("APIFY_API_BASE_URL", "http://127.0.0.1:9");
    let counted = count.args(["count", "--demo=7"]).assert().success();
    assert_eq!(stdout(&counted), "7\n");
}

#[test]
fn a_demo_keeps_to_a_rate_that_is_given() {
    let wrong = program().args(["count", "--demo=7", "--rate=0"]).assert();
    let message = stderr(&wrong.code(2));
    assert!(message.contains("invalid --rate 0"), "{message}");
}

#[test]
fn a_demo_has_many_runs_if_nobody_says_how_many() {
    let count = program().args(["count", "--demo"]).assert().success();
    assert_eq!(stdout(&count), "100000\n");
}

#[test]
fn only_runs_with_these_statuses_come() {
    let service = Service::with_runs(500);
    let (_folder, out) = place("runs.jsonl");
    service
        .export(&out, &["--status", "failed,Timed-Out"])
        .success();
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.lines().count() > 10);
    for line in text.lines() {
        let run: Value = serde_json::from_str(line).unwrap();
        let status = run["status"].as_str().unwrap();
        assert!(["FAILED", "TIMED-OUT"].contains(&status), "{status}");
    }
    let status = service.parameters("status")[0].clone().unwrap();
    assert!(status.starts_with("FAILED,TIMED-OUT"), "{status}");
    // The flag may also come twice.
    service
        .export(&out, &["--status", "TIMED-OUT", "--status", "FAILED"])
        .success();
    assert_eq!(std::fs::read_to_string(&out).unwrap(), text);
}

#[test]
fn fields_are_chosen_and_ordered_in_json_lines() {
    let service = Service::with_runs(7);
    let (_folder, out) = place("runs.jsonl");
    let fields = "status, id,meta.origin,unheardOf";
    service
        .export(&out, &["--fields", fields, "--any-field"])
        .success();
    let text = std::fs::read_to_string(&out).unwrap();
    let run = service.run(0).unwrap();
    let expected = format!(
        "{{\"status\":{},\"id\":{},\"meta\":{{\"origin\":{}}}}}",
        run["status"], run["id"], run["meta"]["origin"]
    );
    assert_eq!(text.lines().next(), Some(expected.as_str()));
    assert_eq!(ids(&out), service.ids());
}

#[test]
fn fields_are_columns_in_csv() {
    let service = Service::with_runs(7);
    let (_folder, out) = place("runs.csv");
    let fields = ["--fields", "status,id,meta.origin"];
    service.export(&out, &fields).success();
    let text = std::fs::read_to_string(&out).unwrap();
    let run = service.run(6).unwrap();
    let text_of = |value: &Value| value.as_str().unwrap().to_owned();
    let last = format!(
        "{},{},{}",
        text_of(&run["status"]),
        text_of(&run["id"]),
        text_of(&run["meta"]["origin"])
    );
    let lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(lines.len(), 9);
    assert_eq!(
        (lines[0], lines[7], lines[8]),
        ("status,id,meta.origin", last.as_str(), "")
    );
    assert_whole(&out);
}

#[test]
fn newest_first() {
    let service = Service::with_runs(50);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--desc"]).success();
    let mut expected = service.ids();
    expected.reverse();
    assert_eq!(ids(&out), expected);
    let asked = service.parameters("desc");
    assert!(
        asked.iter().all(|desc| desc.as_deref() == Some("1")),
        "{asked:?}"
    );
}

#[test]
fn so_many_at_most_over_all_starts() {
    let service = Service::with_runs(50);
    let (_folder, out) = place("runs.jsonl");
    let arguments = |most| ["--page-size", "10", "--max-items", most];
    service.export(&out, &arguments("15")).success();
    assert_eq!(ids(&out), service.ids()[..15]);
    service.export(&out, &arguments("15")).success();
    assert_eq!(ids(&out), service.ids()[..15]);
    service.export(&out, &arguments("35")).success();
    assert_eq!(ids(&out), service.ids()[..35]);
    service.export(&out, &["--page-size", "10"]).success();
    assert_exact(&service, &out);
}

#[test]
fn a_page_is_as_large_as_asked_for() {
    let service = Service::with_runs(35);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--page-size", "10"]).success();
    assert_exact(&service, &out);
    let mut limits = service.parameters("limit");
    limits.dedup();
    // Further pages begin with the last two rows of the one before. One request counts at the end.
    let limits: Vec<_> = limits.iter().flatten().map(String::as_str).collect();
    assert_eq!(limits, ["10", "12", "1"]);
}

#[test]
fn so_many_pages_are_in_flight() {
    // The first page tells how many there are; the others never come.
    let builder = Emulator::builder().runs(1000).fault(2.., Fault::Hang);
    let service = Service::start(builder);
    let (_folder, out) = place("runs.jsonl");
    let arguments = ["--page-size", "10", "--concurrency", "3"];
    let mut export = service.export_process(&out, &arguments).spawn().unwrap();
    wait_until("three pages are in flight", || service.in_flight() == 3);
    wait_until("a page is committed", || {
        committed(&checkpoint_of(&out)) == 10
    });
    assert_eq!(service.requests().len(), 1 + 3);
    export.kill().unwrap();
    export.wait().unwrap();
}

#[test]
fn requests_keep_to_the_rate() {
    let service = Service::with_runs(100);
    let (_folder, out) = place("runs.jsonl");
    let arguments = ["--page-size", "10", "--rate", "10"];
    service.export(&out, &arguments).success();
    assert_exact(&service, &out);
    let times: Vec<_> = service
        .requests()
        .iter()
        .map(|request| request.at)
        .collect();
    // Ten of them a second, measured at the other end of a connection.
    let span = times[11] - times[0];
    assert!(span > Duration::from_millis(500), "{span:?}");
}

#[test]
fn a_request_is_repeated_so_often() {
    let service = Service::start(Emulator::builder().runs(9).fault(.., Fault::status(503)));
    let (_folder, out) = place("runs.jsonl");
    let failed = service.export(&out, &["--max-retries", "1"]).code(5);
    assert_eq!(service.requests().len(), 2);
    assert!(stderr(&failed).contains("after 2 attempts"), "{failed}");
    service.export(&out, &["--max-retries", "0"]).code(5);
    assert_eq!(service.requests().len(), 3);
}

#[test]
fn a_request_takes_no_longer_than_it_may() {
    let service = Service::start(Emulator::builder().runs(9).fault(.., Fault::Hang));
    let (_folder, out) = place("runs.jsonl");
    let arguments = ["--timeout", "100ms", "--max-retries", "0"];
    let failed = service.export(&out, &arguments).code(5);
    assert!(stderr(&failed).contains("100ms"), "{failed}");
}

#[test]
fn the_address_on_the_command_line_comes_before_the_environment() {
    let service = Service::with_runs(9);
    let (_folder, out) = place("runs.jsonl");
    let mut export = service.program(&["export", ACTOR, "--out", out.to_str().unwrap()]);
    export.env("APIFY_API_BASE_URL", "http://127.0.0.1:9");
    let url = service.base_url();
    export.args(["--base-url", &url]).assert().success();
    assert_exact(&service, &out);
}

#[test]
fn a_blank_address_in_the_environment_is_none() {
    for blank in ["", " "] {
        let mut count = program();
        let count = count.env("APIFY_API_BASE_URL", blank);
        // Nothing is sent: another setting is wrong, which is looked at later.
        let count = count.args(["count", ACTOR, "--timeout=0s"]);
        let refused = count.env("APIFY_TOKEN", "secret").assert().code(2);
        let message = stderr(&refused);
        assert!(message.contains("invalid --timeout"), "{message}");
    }
    // One that was given is meant.
    let mut count = program();
    let count = count.args(["count", ACTOR, "--base-url", ""]);
    let refused = count.env("APIFY_TOKEN", "secret").assert().code(2);
    assert!(
        stderr(&refused).contains("invalid --base-url \"\""),
        "{refused}"
    );
}

#[test]
fn a_run_that_appears_late_is_found_within_the_lookback() {
    for (lookback, found) in [("60s", true), ("10s", false)] {
        let rows = runs_at((0..600).step_by(10));
        let service = Service::start(Emulator::builder().rows(rows));
        let (_folder, out) = place("runs.jsonl");
        service.export(&out, &["--lookback", lookback]).success();
        service.change(|store| store.insert(&run_at(565)));
        service.export(&out, &["--lookback", lookback]).success();
        let written = ids(&out);
        assert_eq!(written.len(), 60 + usize::from(found), "{lookback}");
        assert_eq!(written.contains(&"at0925".into()), found, "{lookback}");
    }
}

#[test]
fn a_run_is_written_once_as_it_is() {
    let service = Service::with_runs(20);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--emit", "snapshot"]).success();
    finish(&service, 16);
    service.export(&out, &["--emit", "snapshot"]).success();
    assert_exact(&service, &out);
}

#[test]
fn a_run_is_written_once_when_it_has_finished() {
    let service = Service::with_runs(20);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--emit", "finished"]).success();
    assert_eq!(ids(&out), service.ids()[..15]);
    finish(&service, 16);
    service.export(&out, &["--emit", "finished"]).success();
    let mut expected = service.ids()[..15].to_vec();
    expected.push(service.ids()[16].clone());
    assert_eq!(ids(&out), expected);
    assert_whole(&out);
}

#[test]
fn a_run_is_written_again_when_it_has_finished() {
    let service = Service::with_runs(20);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--emit", "changes"]).success();
    assert_eq!(ids(&out), service.ids());
    finish(&service, 16);
    service.export(&out, &["--emit", "changes"]).success();
    let mut expected = service.ids();
    expected.push(service.ids()[16].clone());
    assert_eq!(ids(&out), expected);
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.lines().last().unwrap().contains("\"SUCCEEDED\""));
    assert_whole(&out);
}

/// Lets the run at this place have finished an hour ago, so that its cost has settled too.
fn finish(service: &Service, place: u64) {
    let end = Utc::now() - TimeDelta::hours(1);
    let change = |run: &mut Value| {
        run["status"] = "SUCCEEDED".into();
        run["finishedAt"] = end.to_rfc3339().into();
    };
    assert!(service.change(|store| store.update(place, change)));
}

#[test]
fn a_checkpoint_may_be_elsewhere() {
    let service = Service::with_runs(20);
    let (folder, out) = place("runs.jsonl");
    let checkpoint = folder.path().join("mine");
    let arguments = ["--checkpoint", checkpoint.to_str().unwrap()];
    service.export(&out, &arguments).success();
    assert_eq!(committed(&checkpoint), 20);
    assert!(!checkpoint_of(&out).exists());
    service.change(|store| store.start_run("new"));
    service.export(&out, &arguments).success();
    assert_eq!(ids(&out), service.ids());
}

#[test]
fn a_restart_forgets_what_is_there() {
    let service = Service::with_runs(20);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &[]).success();
    service.change(|store| store.delete(..5));
    // Also what is another export, damaged, or nobody's.
    for spoil in ["", "{", "{\"version\":9}"] {
        std::fs::write(checkpoint_of(&out), spoil).unwrap();
        service.export(&out, &[]).code(6);
        service.export(&out, &["--restart"]).success();
        assert_exact(&service, &out);
    }
    std::fs::remove_file(checkpoint_of(&out)).unwrap();
    service.export(&out, &["--restart"]).success();
    assert_exact(&service, &out);
    service.export(&out, &["--desc", "--restart"]).success();
    assert_eq!(ids(&out).len(), 15);
}

#[test]
fn a_wrong_value_is_named_by_its_flag() {
    for (flag, value) in [
        ("--concurrency", "0"),
        ("--lookback", "25h"),
        ("--max-items", "0"),
        ("--page-size", "1001"),
        ("--part-interval", "0s"),
        ("--part-rows", "0"),
        ("--rate", "0"),
        ("--timeout", "0s"),
        ("--total-rate", "0"),
        ("--base-url", "ftp://example.org"),
        ("--fields", "id,,status"),
    ] {
        let service = Service::with_runs(1);
        let (_folder, out) = place("runs.jsonl");
        let wrong = service.export(&out, &[flag, value]).code(2);
        let message = stderr(&wrong);
        let expected = format!("error: invalid {flag} ");
        assert!(message.starts_with(&expected), "{flag}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(service.requests().is_empty());
        assert!(!out.exists() && !checkpoint_of(&out).exists());
    }
}

#[test]
fn a_column_that_does_not_exist_is_named_with_those_that_do() {
    let service = Service::with_runs(1);
    let (_folder, out) = place("runs.csv");
    let wrong = service.export(&out, &["--fields", "id,state"]).code(2);
    let message = stderr(&wrong);
    assert!(message.contains("--fields \"state\""), "{message}");
    assert!(message.contains("id, actId, userId"), "{message}");
}
