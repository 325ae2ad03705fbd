//! What users of other programs expect from every command.

use serde_json::Value;

use super::*;

fn object(text: &str) -> Value {
    serde_json::from_str(text.trim_end()).expect(text)
}

#[test]
fn results_are_json_on_standard_output_if_asked_for() {
    let service = Service::with_runs(30);
    let (_folder, out) = place("runs.jsonl");
    let export = service.export(&out, &["--json"]).success();
    let summary = object(&stdout(&export));
    assert_eq!(summary["output"], out.to_str().unwrap());
    assert_eq!(
        (&summary["rows"], &summary["interrupted"]),
        (&30.into(), &false.into())
    );
    assert!(stderr(&export).starts_with("complete:"), "{export}");

    let json = |arguments: &[&str]| {
        let mut command = service.program(arguments);
        let command = command.arg("--json").assert().success();
        assert_eq!(stderr(&command), "", "{arguments:?}");
        object(&stdout(&command))
    };
    assert_eq!(json(&["count", ACTOR])["runs"], 30);
    let path = out.to_str().unwrap();
    let verified = json(&["verify", path]);
    assert_eq!(
        (&verified["state"], &verified["rows"]),
        (&"whole".into(), &30.into())
    );
    let status = json(&["status", path]);
    assert_eq!(
        (&status["rows"], &status["format"]),
        (&30.into(), &"jsonl".into())
    );
    assert!(status["resumes_at"].is_string(), "{status}");

    // Rows and a summary cannot both have it.
    let arguments = ["export", ACTOR, "--out", "-", "--json"];
    service.program(&arguments).assert().code(2);
}

#[test]
fn every_flag_can_be_a_variable_and_flags_come_first() {
    let service = Service::with_runs(100);
    let sizes = |arguments: &[&str]| {
        let (_folder, out) = place("runs.jsonl");
        let before = service.requests().len();
        let mut export = service.program(&["export", ACTOR, "--out", out.to_str().unwrap()]);
        let export = export.args(arguments).env("APIFY_RUNS_PAGE_SIZE", "10");
        export
            .env("APIFY_RUNS_QUIET", "1")
            .env("APIFY_RUNS_RESTART", "1");
        assert_eq!(stderr(&export.assert().success()), "");
        service.parameters("limit")[before].clone().unwrap()
    };
    assert_eq!(sizes(&[]), "10");
    assert_eq!(sizes(&["--page-size", "20"]), "20");
    let mut count = service.program(&["count", ACTOR]);
    let wrong = count.env("APIFY_RUNS_STATUS", "FAILD").assert().code(2);
    assert!(stderr(&wrong).contains("FAILED"), "{wrong}");
}

#[test]
fn a_usage_error_is_json_if_messages_are() {
    let (_folder, out) = place("runs.jsonl");
    let out = out.to_str().unwrap();
    for arguments in [
        &["export", "--log-format=json"][..],
        &[
            "export",
            "a",
            "--out",
            out,
            "--log-format",
            "json",
            "--status",
            "FAILD",
        ],
        &[
            "export",
            "a",
            "--out",
            out,
            "--log-format",
            "json",
            "--fields",
            "idd",
        ],
    ] {
        let wrong = program()
            .args(arguments)
            .env("APIFY_TOKEN", "t")
            .assert()
            .code(2);
        let message = stderr(&wrong);
        assert_eq!(message.lines().count(), 1, "{message}");
        let line = object(&message);
        assert_eq!(line["level"], "ERROR", "{message}");
        assert!(
            !line["message"].as_str().unwrap().starts_with("error"),
            "{message}"
        );
    }
}

#[test]
fn the_version_names_the_commit_and_what_is_built_in() {
    let short = program().arg("-V").assert().success();
    assert_eq!(
        stdout(&short),
        format!("apify-runs {}\n", env!("CARGO_PKG_VERSION"))
    );
    let long = program().arg("--version").assert().success();
    let text = stdout(&long);
    let sqlite = format!("databases: SQLite {}, PostgreSQL", rusqlite::version());
    for words in ["commit: ", "parquet", &*sqlite] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn one_is_singular() {
    let service = Service::with_runs(1);
    let (_folder, out) = place("runs.jsonl");
    let complete = service.export(&out, &[]).success();
    assert!(
        stderr(&complete).starts_with("complete: 1 run in "),
        "{complete}"
    );
    let wrong = service.export(&out, &["--lookback", "25h"]).code(2);
    let expected = "invalid --lookback 25h: it must be from 0ns to 24h";
    assert!(stderr(&wrong).contains(expected), "{wrong}");
}
