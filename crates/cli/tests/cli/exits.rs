//! What the exit code says, and what helps then.

use apify_runs::emulator::{Emulator, Fault};

use super::*;

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        "",
        "export",
        "export a",
        "export --out runs.jsonl",
        "export a --account --out runs.jsonl",
        "export a --task b --out runs.jsonl",
        "export --task b --account --out runs.jsonl",
        "export a --out runs.jsonl --desc --follow",
        "export a --out runs.jsonl --interval 1s",
        "export a --out runs.jsonl --format xml",
        "export a --out runs.jsonl --emit sometimes",
        "export a --out runs.jsonl --quiet --verbose",
        "export a --out runs.jsonl --progress loud",
        "export --demo --token-file t --out runs.jsonl",
        "export --demo --base-url http://127.0.0.1:9 --out runs.jsonl",
        "export --demo=5 --account --out runs.jsonl",
        "export --demo=5 --task a --out runs.jsonl",
        "export a --demo=5 --out runs.jsonl",
        "count a --demo",
        "split a --demo --into 2",
        "split --actors-file - --demo --into 2",
        "frobnicate",
        "count",
        "verify",
        "status",
        "completions csh",
        "emulate --fault 503",
        "emulate --delete-every 0",
    ] {
        let wrong = program().args(arguments.split_whitespace()).assert();
        let wrong = wrong.code(2);
        assert_eq!(stdout(&wrong), "", "{arguments}");
        assert_ne!(stderr(&wrong), "", "{arguments}");
    }
}

#[test]
fn a_name_that_does_not_tell_the_format_is_2() {
    let service = Service::with_runs(1);
    let (_folder, out) = place("runs.txt");
    let wrong = service.export(&out, &[]).code(2);
    let expected = format!(
        "error: cannot infer a format from '{}': use .jsonl, .csv or .parquet, or pass --format\n",
        out.display()
    );
    assert_eq!(stderr(&wrong), expected);
    service.export(&out, &["--format", "jsonl"]).success();
    assert_exact(&service, &out);
}

#[test]
fn a_token_is_not_sent_where_others_could_read_it() {
    let (_folder, out) = place("runs.jsonl");
    let mut export = program();
    let export = export.args(["export", ACTOR, "--out"]).arg(&out);
    let export = export.args(["--base-url", "http://10.0.0.1"]);
    let refused = export.env("APIFY_TOKEN", "secret").assert().code(2);
    let expected = "error: invalid --base-url \"http://10.0.0.1\": plain http would show the \
                    token to others; use https\n";
    assert_eq!(stderr(&refused), expected);
}

#[test]
fn the_address_of_object_storage_with_a_password_in_it_is_refused_unseen() {
    for (out, variable) in [
        ("s3://bucket/runs.parquet", "AWS_ENDPOINT_URL"),
        ("gs://bucket/runs.parquet", "GOOGLE_BASE_URL"),
        ("az://container/runs.parquet", "AZURE_STORAGE_ENDPOINT"),
    ] {
        let mut export = program();
        let export = export.args(["export", "--demo", "5", "--out", out]);
        let export = export.env(variable, "http://user:hidden@127.0.0.1:9");
        let refused = export.assert().code(2);
        let message = stderr(&refused);
        assert!(message.contains(variable), "{message}");
        assert!(!message.contains("hidden"), "{message}");
    }
}

#[test]
fn parts_have_no_checkpoint_elsewhere() {
    let service = Service::with_runs(1);
    let (folder, out) = place("runs");
    std::fs::create_dir(&out).unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let checkpoint = checkpoint.to_str().unwrap();
    let arguments = ["--format", "jsonl", "--checkpoint", checkpoint];
    let wrong = service.export(&out, &arguments).code(2);
    assert!(stderr(&wrong).contains("manifest"), "{wrong}");
}

#[test]
fn an_actor_that_does_not_exist_is_1() {
    let service = Service::start(Emulator::builder().runs(9).actor("janedoe~other"));
    let (_folder, out) = place("runs.jsonl");
    let failed = service.export(&out, &[]).code(1);
    let message = stderr(&failed);
    assert!(message.starts_with("error: GET /v2/acts/"), "{message}");
    // It would fail again.
    assert_eq!(offered(&message), None, "{message}");
    assert!(message.contains("404"), "{message}");
    assert!(
        message.contains("the token is of the owner if it is private"),
        "{message}"
    );
    assert!(!out.exists());
}

#[test]
fn a_request_that_the_service_does_not_understand_is_1() {
    let service = Service::start(Emulator::builder().runs(9).fault(.., Fault::status(400)));
    let (_folder, out) = place("runs.jsonl");
    let failed = service.export(&out, &[]).code(1);
    assert_eq!(offered(&stderr(&failed)), None, "{failed}");
    assert_eq!(service.requests().len(), 1);
}

/// Each second page begins with another row.
fn never_the_same(request: u64) -> Option<Fault> {
    let id = |n: u64| serde_json::json!({"id": format!("run{n}")});
    let items: Vec<_> = match request {
        _ if request.is_multiple_of(2) => vec![id(99)],
        _ => (0..10).map(id).collect(),
    };
    let data = serde_json::json!({"total": 19, "limit": 10, "items": items});
    Some(Fault::body(serde_json::json!({"data": data}).to_string()))
}

#[test]
fn a_list_that_moves_too_often_is_5() {
    let service = Service::start(Emulator::builder().runs(20).faults(never_the_same));
    let (_folder, out) = place("runs.jsonl");
    let flags = ["--concurrency=1", "--rate=1000", "--page-size=10"];
    let failed = service.export(&out, &flags).code(5);
    let message = stderr(&failed);
    assert!(message.contains("\nerror: the list moved "), "{message}");
    assert!(offered(&message).is_some(), "{message}");
    assert_eq!(ids(&out).len(), 10);
    assert!(service.requests().len() < 250);
}

#[test]
fn rows_that_csv_cannot_hold_are_1() {
    let good = serde_json::json!({
        "id": "good", "status": "READY", "startedAt": "2025-03-01T00:00:00.000Z",
    });
    let bad = serde_json::json!({"id": 7, "startedAt": "2025-03-01T00:01:00.000Z"});
    let service = Service::start(Emulator::builder().rows([good, bad]));
    let (folder, out) = place("runs.csv");
    let failed = service.export(&out, &[]).code(1);
    let message = stderr(&failed);
    assert!(message.contains("warning:"), "{message}");
    assert!(
        message.contains("only jsonl can hold such rows"),
        "{message}"
    );
    assert_eq!(offered(&message), None, "{message}");
    assert_whole(&out);

    let out = folder.path().join("runs.jsonl");
    let complete = service.export(&out, &[]).success();
    assert!(stderr(&complete).contains("warning:"), "{complete}");
    assert_eq!(std::fs::read_to_string(&out).unwrap().lines().count(), 2);
    assert_whole(&out);
}

#[test]
fn the_checkpoint_of_another_export_is_3() {
    let service = Service::with_runs(20);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &[]).success();
    let before = std::fs::read(checkpoint_of(&out)).unwrap();
    for (arguments, difference) in [
        (vec!["--format", "csv"], "format jsonl (now csv)"),
        (vec!["--fields", "id"], "fields none (now id)"),
        (vec!["--emit", "changes"], "emit snapshot (now changes)"),
        (vec!["--desc"], "descending false (now true)"),
        (vec!["--status", "FAILED"], "statuses any (now FAILED)"),
        (vec!["--since", "30d"], "since none (now 30d)"),
    ] {
        let other = service.export(&out, &arguments).code(3);
        let message = stderr(&other);
        assert!(message.contains("belongs to another export"), "{message}");
        assert!(message.contains(difference), "{message}");
        assert!(message.contains("--restart"), "{message}");
        assert_eq!(offered(&message), None, "{message}");
    }
    let name = out.to_str().unwrap();
    let mut other = service.program(&["export", "joe/other", "--out", name]);
    other.assert().code(3);
    assert_eq!(std::fs::read(checkpoint_of(&out)).unwrap(), before);
    assert_exact(&service, &out);
}

#[test]
fn what_does_not_matter_may_be_other_next_time() {
    let service = Service::with_runs(40);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--max-items", "20"]).success();
    let arguments = "--page-size 7 --concurrency 2 --rate 100 --lookback 5s --timeout 30s -v";
    let arguments: Vec<_> = arguments.split(' ').collect();
    service.export(&out, &arguments).success();
    assert_exact(&service, &out);
}

#[test]
fn a_token_that_is_refused_is_4() {
    let service = Service::with_runs(20);
    let (_folder, out) = place("runs.jsonl");
    let mut export = service.program(&["export", ACTOR, "--out", out.to_str().unwrap()]);
    let refused = export
        .env("APIFY_TOKEN", "apify_api_wrong")
        .assert()
        .code(4);
    let message = stderr(&refused);
    assert!(message.contains("401"), "{message}");
    // Nothing has been done that could be gone on with.
    assert_eq!(offered(&message), None, "{message}");
    assert!(!out.exists());
}

#[test]
fn a_token_that_is_revoked_while_it_runs_is_4_and_another_one_goes_on() {
    let builder = Emulator::builder()
        .runs(50)
        .fault(4..=4, Fault::status(401));
    let service = Service::start(builder);
    let (_folder, out) = place("runs.jsonl");
    let arguments = ["--page-size", "10", "--concurrency", "1"];
    let refused = service.export(&out, &arguments).code(4);
    assert_ne!(committed(&checkpoint_of(&out)), 0);
    assert_goes_on(&service, &stderr(&refused));
    assert_exact(&service, &out);
}

#[test]
fn a_service_that_does_not_answer_is_5_and_the_command_it_offers_completes() {
    for fault in [
        Fault::status(503),
        Fault::status(429),
        Fault::Reset,
        Fault::Truncate,
        Fault::BrokenJson,
        Fault::Empty,
        Fault::ErrorInOk,
        Fault::Html { status: 502 },
    ] {
        let service = Service::start(Emulator::builder().runs(50).fault(4..=4, fault));
        let (_folder, out) = place("my runs.jsonl");
        let arguments = [
            "--page-size=10",
            "--concurrency=1",
            "--max-retries=0",
            "--fields=id,meta.origin",
            "--restart",
        ];
        let gave_up = service.export(&out, &arguments).code(5);
        let message = stderr(&gave_up);
        assert!(!offered(&message).unwrap().contains("--restart"));
        assert!(committed(&checkpoint_of(&out)) < 50, "{message}");
        assert_goes_on(&service, &message);
        assert_exact(&service, &out);
    }
}

#[test]
fn a_restart_that_has_not_begun_is_still_to_be_made() {
    let builder = Emulator::builder().runs(20);
    let service = Service::start(builder.fault(3..=3, Fault::status(503)));
    let (_folder, out) = place("runs.jsonl");
    // Two requests: the page, and the count after it.
    service.export(&out, &["--desc"]).success();
    let arguments = ["--restart", "--max-retries", "0"];
    let gave_up = service.export(&out, &arguments).code(5);
    assert_eq!(committed(&checkpoint_of(&out)), 20);
    assert_goes_on(&service, &stderr(&gave_up));
    assert_exact(&service, &out);
}

#[test]
fn a_pipe_without_a_checkpoint_cannot_go_on() {
    let service = Service::start(Emulator::builder().fault(.., Fault::status(503)));
    let arguments = ["export", ACTOR, "--out", "-", "--max-retries", "0"];
    let gave_up = service.program(&arguments).assert().code(5);
    assert_eq!(offered(&stderr(&gave_up)), None, "{gave_up}");
}

/// Exports, spoils the output, and looks what the same command says then.
fn spoiled(spoil: impl FnOnce(&Path)) -> String {
    let service = Service::with_runs(20);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &[]).success();
    spoil(&out);
    let contents = |path: &Path| std::fs::read(path).ok();
    let before = (contents(&out), contents(&checkpoint_of(&out)));
    let damaged = service.export(&out, &[]).code(6);
    let after = (contents(&out), contents(&checkpoint_of(&out)));
    assert!(before == after, "it was touched");
    let message = stderr(&damaged);
    assert_eq!(message.lines().count(), 1, "{message}");
    let verified = program().arg("verify").arg(&out).assert().code(6);
    assert!(stderr(&verified).starts_with("error: "), "{verified}");
    message
}

#[test]
fn a_file_that_was_cut_is_6() {
    let message = spoiled(|out| {
        let file = std::fs::File::options().write(true).open(out).unwrap();
        file.set_len(100).unwrap();
    });
    assert!(message.contains("has 100 bytes"), "{message}");
    assert!(message.contains("something has cut it"), "{message}");
}

#[test]
fn a_file_whose_end_was_changed_is_6() {
    let message = spoiled(|out| {
        let mut text = std::fs::read(out).unwrap();
        let last = text.len() - 3;
        text[last] ^= 1;
        std::fs::write(out, text).unwrap();
    });
    assert!(message.contains("something has changed it"), "{message}");
}

#[test]
fn a_file_that_is_gone_is_6() {
    let message = spoiled(|out| std::fs::remove_file(out).unwrap());
    assert!(message.contains("is not there"), "{message}");
    assert!(message.contains("start again with --restart"), "{message}");
}

#[test]
fn a_file_that_is_not_ours_is_6() {
    let message = spoiled(|out| std::fs::remove_file(checkpoint_of(out)).unwrap());
    assert!(message.contains("no checkpoint"), "{message}");
    assert!(message.contains("with --restart"), "{message}");
}

#[test]
fn what_is_no_checkpoint_is_6() {
    for garbage in ["", "{", "null", "[]", "{\"version\":1}", "runs\u{0}"] {
        let message = spoiled(|out| std::fs::write(checkpoint_of(out), garbage).unwrap());
        assert!(message.contains("is no checkpoint"), "{message}");
    }
}

#[test]
fn a_checkpoint_of_the_future_is_6() {
    let message = spoiled(|out| {
        let text = std::fs::read_to_string(checkpoint_of(out)).unwrap();
        let text = text.replacen("\"version\":1", "\"version\":3,\"more\":{}", 1);
        std::fs::write(checkpoint_of(out), text).unwrap();
    });
    assert!(message.contains("has version 3"), "{message}");
}

#[test]
fn two_exports_at_once_are_6() {
    for name in ["runs.jsonl", "runs.jsonl/"] {
        let builder = Emulator::builder().runs(50).fault(4..=4, Fault::Hang);
        let service = Service::start(builder);
        let (_folder, out) = place(name);
        let arguments = ["--page-size=10", "--concurrency=1", "--part-interval=1s"];
        let mut first = service.export_process(&out, &arguments).spawn().unwrap();
        wait_until("it hangs", || service.requests().len() == 4);
        let second = service.export(&out, &arguments).code(6);
        let message = stderr(&second);
        assert!(message.contains("another export writes to"), "{message}");
        assert_eq!(offered(&message), None, "{message}");
        let verify = program().arg("verify").arg(&out).assert().code(6);
        assert!(stderr(&verify).contains("is writing to"), "{verify}");
        first.kill().unwrap();
        first.wait().unwrap();
        service.export(&out, &arguments).success();
        assert_whole(&out);
    }
}
