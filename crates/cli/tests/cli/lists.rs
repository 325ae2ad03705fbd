//! Exports of several Actors.

use std::fs;
use std::path::Path;

use apify_runs::emulator::{Emulator, Fault};

use crate::{Service, ids, stderr};

/// The lines of the table at the end, without the spaces between its columns.
fn table(message: &str) -> Vec<String> {
    let lines = message
        .lines()
        .skip_while(|line| !line.contains("what happened"));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    lines
        .skip(1)
        .take_while(|line| line.starts_with("  ") && !line.contains("had not finished"))
        .map(words)
        .collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn each_actor_has_a_file_of_its_own() {
    let service = Service::with_runs(250);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/{actor}.jsonl");
    let arguments = ["export", "user/one", "two", "user~one", "--out", text(&out)];
    let export = service.program(&arguments).assert().success();
    let message = stderr(&export);
    assert!(
        message.contains("complete: 500 runs of 2 lists"),
        "{message}"
    );
    let expected = [
        "user/one 250 complete, 250 new",
        "two 250 complete, 250 new",
    ];
    assert_eq!(table(&message), expected);
    for name in ["new/user~one.jsonl", "new/two.jsonl"] {
        assert_eq!(ids(&folder.path().join(name)), service.ids());
    }

    // Each resumes on its own.
    service.change(|store| store.start_run("new"));
    fs::remove_file(folder.path().join("new/two.jsonl")).unwrap();
    fs::remove_file(folder.path().join("new/two.jsonl.checkpoint")).unwrap();
    let export = service.program(&arguments).assert().success();
    let expected = ["user/one 251 complete, 1 new", "two 251 complete, 251 new"];
    assert_eq!(table(&stderr(&export)), expected);
}

#[test]
fn one_actor_may_be_part_of_the_name_too() {
    let service = Service::with_runs(25);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("{actor}.jsonl");
    let mut export = service.program(&["export", "user/one", "--out", text(&out)]);
    let export = export.assert().success();
    assert_eq!(table(&stderr(&export)), ["user/one 25 complete, 25 new"]);
    assert_eq!(ids(&folder.path().join("user~one.jsonl")), service.ids());
}

#[test]
fn each_actor_of_a_file_has_a_folder_of_its_own() {
    let service = Service::with_runs(250);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("runs");
    for format in ["parquet", "jsonl.gz"] {
        let arguments = [
            "export",
            "--actors-file",
            "-",
            "--out",
            text(&out),
            "--format",
            format,
        ];
        fs::create_dir_all(&out).unwrap();
        let mut export = service.program(&arguments);
        export
            .write_stdin("# mine\nuser/one\n\ntwo\nuser~one\n")
            .assert()
            .success();
        for actor in ["user~one", "two"] {
            assert!(out.join(actor).join("_manifest.json").exists());
        }
        assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
        fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn a_list_that_fails_is_a_line_in_the_table_and_the_others_are_whole() {
    let service = Service::start(Emulator::builder().runs(250).actor("user/one"));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("{actor}.jsonl");
    let arguments = ["export", "user/one", "missing", "--out", text(&out)];
    let export = service.program(&arguments).assert().code(7);
    let message = stderr(&export);
    assert!(
        message.contains("incomplete: 250 runs of 2 lists"),
        "{message}"
    );
    assert!(message.contains("1 of 2 lists failed"), "{message}");
    assert!(message.contains("to resume: "), "{message}");
    let table = table(&message);
    assert_eq!(table[0], "user/one 250 complete, 250 new");
    assert!(table[1].starts_with("missing 0 failed: "), "{}", table[1]);
    assert!(table[1].contains("404"), "{}", table[1]);
    assert_eq!(ids(&folder.path().join("user~one.jsonl")), service.ids());

    let mut split = service.program(&["split", "user/one", "missing", "--into", "2"]);
    let split = split.assert().code(7);
    let message = stderr(&split);
    assert!(
        message.contains("1 of 2 lists could not be split"),
        "{message}"
    );
    assert!(message.contains("404"), "{message}");
    assert_eq!(
        String::from_utf8_lossy(&split.get_output().stdout)
            .lines()
            .count(),
        2
    );
}

#[test]
fn a_bad_token_is_tried_on_a_few_lists_only() {
    let builder = Emulator::builder().runs(10).fault(.., Fault::status(401));
    let service = Service::start(builder);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("{actor}.jsonl");
    let actors: String = (0..500).map(|number| format!("actor{number}\n")).collect();
    let arguments = [
        "export",
        "--actors-file",
        "-",
        "--parallel",
        "4",
        "--out",
        text(&out),
    ];
    let mut export = service.program(&arguments);
    let export = export.write_stdin(actors).assert().code(4);
    assert!(
        service.requests().len() <= 8,
        "{}",
        service.requests().len()
    );
    assert!(stderr(&export).contains("not started"));
}

#[test]
fn what_several_actors_cannot_do_is_refused() {
    let service = Service::with_runs(10);
    for (arguments, expected) in [
        ("export a b --out -", "standard output"),
        ("export a b --out runs.jsonl", "{actor}"),
        (
            "export a b --out {actor}.jsonl --checkpoint c",
            "--checkpoint c",
        ),
        ("export a ../b --out {actor}.jsonl", "invalid ACTOR ../b"),
        ("export a b --out {actor}.jsonl --parallel 0", "from 1 on"),
        ("count a b", "unexpected argument 'b'"),
    ] {
        let arguments: Vec<_> = arguments.split(' ').collect();
        let refused = service.program(&arguments).assert().code(2);
        assert!(stderr(&refused).contains(expected), "{refused}");
    }
    assert_eq!(service.requests().len(), 0);
}

#[test]
fn a_program_reads_the_table_as_json() {
    let service = Service::start(Emulator::builder().runs(250).actor("user/one"));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("{actor}.csv");
    let arguments = ["export", "user/one", "missing", "--out", text(&out)];
    let mut export = service.program(&arguments);
    let export = export.args(["--log-format", "json"]).assert().code(7);
    let message = stderr(&export);
    let lines = message
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let result = lines
        .into_iter()
        .find(|line| line.get("lists").is_some())
        .unwrap();
    assert_eq!(result["failed"], 1);
    let states: Vec<_> = result["lists"]
        .as_array()
        .unwrap()
        .iter()
        .map(|list| &list["state"])
        .collect();
    assert_eq!(states, ["complete", "failed"]);
}
