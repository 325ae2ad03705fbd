//! `split`, and `export --split`: many processes read one list.

use super::*;

/// The lines that `split` prints for the Actor of tests, with these arguments.
fn split(service: &Service, arguments: &[&str]) -> Vec<String> {
    let mut split = service.program(&["split"]);
    let split = split.args(arguments).assert().success();
    stdout(&split).lines().map(String::from).collect()
}

fn export_splits(service: &Service, lines: &str) -> Command {
    let mut export = service.program(&["export", "--split", "-", "--out", "-"]);
    export.write_stdin(lines.to_owned());
    export
}

#[test]
fn the_parts_are_exported_by_processes_of_their_own() {
    let service = Service::with_runs(3000);
    let lines = split(&service, &[ACTOR, "--into", "4"]);
    assert_eq!(lines.len(), 4);
    let exports: Vec<_> = lines
        .iter()
        .map(|line| {
            let export = export_splits(&service, line).assert().success();
            ids_of(&stdout(&export))
        })
        .collect();
    assert!(exports.iter().all(|ids| ids.len() > 500));
    assert_eq!(exports.concat(), service.ids());
}

#[test]
fn several_parts_follow_each_other_into_a_pipe() {
    let service = Service::with_runs(500);
    let lines = split(&service, &[ACTOR, "--into", "5"]).join("\n\n");
    let export = export_splits(&service, &lines).assert().success();
    assert_eq!(ids_of(&stdout(&export)), service.ids());
    assert_eq!(stderr(&export).matches("complete: ").count(), 5);

    let export = export_splits(&service, "\n").assert().success();
    assert_eq!((stdout(&export), stderr(&export)), ("".into(), "".into()));
}

#[test]
fn a_part_in_a_file_goes_on_where_it_stopped() {
    let service = Service::with_runs(400);
    let (folder, out) = place("part.jsonl");
    let file = folder.path().join("split.json");
    let lines = split(&service, &[ACTOR, "--into", "2"]);
    // The last part has no end, and so also the runs that have started since.
    std::fs::write(&file, &lines[1]).unwrap();
    let arguments = ["export", "--split", file.to_str().unwrap(), "--out"];
    let export = || {
        let mut export = service.program(&arguments);
        let export = export.arg(&out).assert().success();
        assert_whole(&out);
        export
    };
    export();
    let before = ids(&out).len();
    assert_eq!(ids(&out), service.ids()[400 - before..]);
    service.change(|store| store.start_run("new"));
    export();
    assert_eq!(ids(&out), service.ids()[400 - before..]);

    // The other part is another export.
    std::fs::write(&file, &lines[0]).unwrap();
    let mut export = service.program(&arguments);
    let refused = export.arg(&out).assert().code(3);
    assert!(stderr(&refused).contains("started_before"), "{refused}");
}

#[test]
fn parts_go_into_no_other_output_together() {
    let service = Service::with_runs(400);
    let (folder, _) = place("");
    let file = folder.path().join("splits.jsonl");
    let lines = split(&service, &[ACTOR, "--into", "2"]);
    std::fs::write(&file, lines.join("\n")).unwrap();
    let out = folder.path().join("out");
    let out = |ending: &str| format!("{}{ending}", out.to_str().unwrap());
    let checkpoint = out(".checkpoint");
    for arguments in [
        &["--out", &out(".jsonl")][..],
        &["--out", &out(".parquet")],
        &["--out", "-", "--format", "csv"],
        &["--out", "-", "--checkpoint", &checkpoint],
    ] {
        let mut export = service.program(&["export", "--split", file.to_str().unwrap()]);
        let refused = export.args(arguments).assert().code(2);
        assert!(stderr(&refused).contains("2 splits"), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    std::fs::write(&file, "").unwrap();
    let mut export = service.program(&["export", "--split", file.to_str().unwrap()]);
    let refused = export.args(["--out", &out(".jsonl")]).assert().code(2);
    assert!(stderr(&refused).contains("0 splits"), "{refused}");
}

#[test]
fn what_is_no_split_is_named_with_its_line() {
    let service = Service::with_runs(40);
    let good = &split(&service, &[ACTOR, "--into", "1"])[0];
    let lines = format!("{good}\n{{\"version\":1}}\n");
    let refused = export_splits(&service, &lines).assert().code(2);
    let message = stderr(&refused);
    assert!(message.contains("-, line 2: invalid split"), "{message}");
    assert_eq!(stdout(&refused), "", "nothing is exported before");

    let mut export = service.program(&["export", "--split", "not/there", "--out", "-"]);
    let refused = export.assert().code(2);
    assert!(
        stderr(&refused).contains("not/there cannot be read"),
        "{refused}"
    );
}

#[test]
fn a_part_is_the_query_and_takes_no_other() {
    let service = Service::with_runs(40);
    for arguments in [
        &["a"][..],
        &["--task", "a"],
        &["--account"],
        &["--since", "1d"],
        &["--until", "1d"],
        &["--status", "FAILED"],
        &["--desc"],
        &["--max-items", "5"],
        &["--follow"],
    ] {
        let mut export = export_splits(&service, "");
        let refused = export.args(arguments).assert().code(2);
        assert!(
            stderr(&refused).contains("cannot be used with"),
            "{refused}"
        );
    }
    let mut neither = service.program(&["export", "--out", "-"]);
    neither.assert().code(2);
    let mut neither = service.program(&["split", "--into", "2"]);
    neither.assert().code(2);
}

#[test]
fn filters_are_in_each_part_and_relative_times_are_absolute_there() {
    let service = Service::with_runs(1000);
    let arguments = [ACTOR, "--into", "3", "--status", "failed", "--until", "1h"];
    let lines = split(&service, &arguments);
    assert_eq!(lines.len(), 3);
    for line in &lines {
        let split: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(split["query"]["statuses"], serde_json::json!(["FAILED"]));
        assert!(split["query"]["started_before"].is_string());
    }
    let export = export_splits(&service, &lines.join("\n"))
        .assert()
        .success();
    let mut count = service.program(&["count", ACTOR, "--status", "failed"]);
    let count = stdout(&count.assert().success());
    assert_eq!(ids_of(&stdout(&export)).len().to_string(), count.trim());
}

#[test]
fn actors_of_a_file_share_the_parts() {
    let service = Service::with_runs(100);
    let actors = "# mine\n\nuser/one\n  two \nthree~four\n";
    let mut split = service.program(&["split", "--actors-file", "-", "--into", "6"]);
    let split = split.write_stdin(actors).assert().success();
    let lines = stdout(&split);
    let actor = |line: &str| {
        let split: serde_json::Value = serde_json::from_str(line).unwrap();
        split["query"]["scope"]["actor"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let named: Vec<_> = lines.lines().map(actor).collect();
    let expected = [
        "user/one",
        "user/one",
        "two",
        "two",
        "three~four",
        "three~four",
    ];
    assert_eq!(named, expected);
    let export = export_splits(&service, &lines).assert().success();
    assert_eq!(ids_of(&stdout(&export)).len(), 300);

    let mut split = service.program(&["split", "--actors-file", "-", "--into", "6"]);
    let refused = split.write_stdin("# none\n").assert().code(2);
    assert!(stderr(&refused).contains("names no Actor"), "{refused}");
}

#[test]
fn no_part_has_the_token() {
    let service = Service::with_runs(1000);
    for line in split(&service, &[ACTOR, "--into", "3"]) {
        assert!(!line.contains(service.token()));
    }
}

#[test]
fn it_says_what_it_has_made() {
    let service = Service::with_runs(1000);
    let mut split = service.program(&["split", ACTOR, "--into", "4"]);
    let message = stderr(&split.assert().success());
    assert!(message.starts_with("4 splits of 1,000 runs: "), "{message}");
    let mut split = service.program(&["split", ACTOR, "--into", "4", "--quiet"]);
    assert_eq!(stderr(&split.assert().success()), "");
    for into in ["0", "10001"] {
        let mut split = service.program(&["split", ACTOR, "--into", into]);
        let message = stderr(&split.assert().code(2));
        assert!(
            message.contains(&format!("invalid --into {into}")),
            "{message}"
        );
    }
}

#[test]
fn a_split_keeps_its_own_order_and_page_size() {
    let service = Service::with_runs(100);
    let line = &split(&service, &[ACTOR, "--into", "1"])[0];
    let line = line.replace("\"descending\":false", "\"descending\":true");
    let line = line.replace("\"page_size\":1000", "\"page_size\":30");
    let export = export_splits(&service, &line).assert().success();
    let mut expected = service.ids();
    expected.reverse();
    assert_eq!(ids_of(&stdout(&export)), expected);
    assert!(service.parameters("limit").contains(&Some("30".into())));

    let mut export = export_splits(&service, &line);
    export.args(["--page-size", "70"]).assert().success();
    assert!(service.parameters("limit").contains(&Some("70".into())));
}

#[test]
fn generated_runs_can_be_split_too() {
    let mut split = program();
    let split = split
        .args(["split", "--demo", "900", "--into", "3"])
        .assert();
    let mut export = program();
    let arguments = ["export", "--split", "-", "--demo", "900", "--out", "-"];
    let export = export.args(arguments).write_stdin(stdout(&split.success()));
    assert_eq!(ids_of(&stdout(&export.assert().success())).len(), 900);
}

#[cfg(unix)]
#[test]
fn where_nobody_reads_on_the_other_parts_are_left() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;

    let service = Service::with_runs(20_000);
    let lines = split(&service, &[ACTOR, "--into", "8"]).join("\n");
    let before = service.requests().len();
    let mut export = service.process(&["export", "--split", "-", "--out", "-", "--rate", "1000"]);
    let export = export.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut export = export.stderr(Stdio::null()).spawn().unwrap();
    export
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let mut first = String::new();
    let mut output = BufReader::new(export.stdout.take().unwrap());
    output.read_line(&mut first).unwrap();
    drop(output);
    assert!(export.wait().unwrap().success());
    assert!(service.requests().len() - before < 8, "only the first part");
}
