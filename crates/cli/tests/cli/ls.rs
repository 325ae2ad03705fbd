//! `ls`.

use serde_json::Value;

use super::*;

#[test]
fn the_newest_runs_come_first_by_one_request() {
    let service = Service::with_runs(100);
    let ls = service.program(&["ls", ACTOR]).assert().success();
    let table = stdout(&ls);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("STARTED"), "{table}");
    let newest: Vec<_> = service.ids().into_iter().rev().take(20).collect();
    let shown = lines[1..]
        .iter()
        .map(|line| line.split_whitespace().last().unwrap());
    assert!(shown.eq(newest.iter()), "{table}");
    assert!(
        table.contains("SUCCEEDED") && table.contains('$'),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'), "{table}");
    assert_eq!(stderr(&ls), "");
    assert_eq!(service.requests().len(), 1);
}

#[test]
fn it_takes_a_limit_and_filters_and_prints_json() {
    let service = Service::with_runs(3000);
    let json = |arguments: &[&str]| -> Vec<Value> {
        let mut ls = service.program(&["ls", ACTOR, "--json"]);
        let ls = ls.args(arguments).assert().success();
        let objects = stdout(&ls);
        objects
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let failed = json(&["--limit", "5", "--status", "failed"]);
    assert_eq!(failed.len(), 5);
    assert!(failed.iter().all(|run| run["status"] == "FAILED"));
    assert_eq!(json(&["-n", "2500"]).len(), 2500);
    assert_eq!(json(&["--since", "1d"]).len(), 0);
}

#[test]
fn statuses_are_coloured_and_lists_of_several_actors_name_them() {
    let service = Service::with_runs(30);
    let ls = service
        .program(&["ls", "--account", "--color", "always"])
        .assert()
        .success();
    let table = stdout(&ls);
    assert!(table.contains("\u{1b}[32mSUCCEEDED"), "{table}");
    assert!(table.lines().next().unwrap().ends_with("ACTOR"), "{table}");
}

#[test]
fn it_fails_as_the_others_do() {
    let service = Service::with_runs(30);
    for (arguments, code) in [(&["ls"][..], 2), (&["ls", ACTOR, "--limit", "0"], 2)] {
        service.program(arguments).assert().code(code);
    }
    let mut ls = service.program(&["ls", ACTOR]);
    ls.env("APIFY_TOKEN", "wrong").assert().code(4);
}

#[test]
fn a_row_that_cannot_be_read_is_a_warning_and_the_others_are_shown() {
    let row = |id: Value, minute: u32| {
        let started_at = format!("2025-03-01T00:0{minute}:00.000Z");
        serde_json::json!({"id": id, "status": "READY", "startedAt": started_at})
    };
    let rows = [row("old".into(), 1), row(7.into(), 2), row("new".into(), 3)];
    let service = Service::start(Emulator::builder().rows(rows));
    for flags in [&[][..], &["--json"]] {
        let mut ls = service.program(&["ls", ACTOR]);
        let ls = ls.args(flags).assert().code(1);
        let (shown, message) = (stdout(&ls), stderr(&ls));
        assert!(shown.contains("old") && shown.contains("new"), "{shown}");
        assert!(message.starts_with("warning: run "), "{message}");
        let expected = "error: left out: 1 row that could not be read";
        assert!(message.contains(expected), "{message}");
    }
}
