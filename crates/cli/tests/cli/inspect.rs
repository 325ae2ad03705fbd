//! `count`, `verify` and `status`: they look, and change nothing.

use super::*;

#[test]
fn count_asks_once_and_prints_a_number() {
    let service = Service::with_runs(1234);
    let count = service.program(&["count", ACTOR]).assert().success();
    assert_eq!(
        (stdout(&count), stderr(&count)),
        ("1234\n".into(), "".into())
    );
    assert_eq!(service.requests().len(), 1);
    assert_eq!(service.parameters("limit"), [Some("1".into())]);
}

#[test]
fn count_takes_the_filters_and_the_lists() {
    let service = Service::with_runs(1000);
    let count = |arguments: &str| -> u64 {
        let arguments: Vec<_> = arguments.split(' ').collect();
        let mut count = service.program(&["count"]);
        let count = count.args(arguments).assert().success();
        stdout(&count).trim().parse().unwrap()
    };
    assert_eq!(count("--task a"), 1000);
    assert_eq!(count("--account"), 1000);
    let failed = count("a --status failed");
    assert!(failed > 0 && failed < 200, "{failed}");
    let (earlier, later) = (
        count("a --until 2025-01-01T00:59:59.999Z"),
        count("a --since 2025-01-01T01:00:00Z"),
    );
    assert!(earlier > 0 && later > 0);
    assert_eq!(earlier + later, 1000);
    assert_eq!(count("a --since 1d"), 0);
    assert_eq!(count("--demo 77"), 77);
}

#[test]
fn count_fails_as_an_export_does() {
    let service = Service::with_runs(1);
    let mut count = service.program(&["count", ACTOR]);
    let refused = count.env("APIFY_TOKEN", "wrong").assert().code(4);
    assert_eq!(stdout(&refused), "");
    let arguments = ["count", ACTOR, "--base-url", "http://127.0.0.1:9"];
    let mut count = service.program(&arguments);
    let gave_up = count.args(["--max-retries", "0"]).assert().code(5);
    assert!(stderr(&gave_up).starts_with("error: "), "{gave_up}");
    let mut count = service.program(&["count", "a/b/c"]);
    let wrong = count.assert().code(2);
    assert!(
        stderr(&wrong).contains("invalid ACTOR \"a/b/c\""),
        "{wrong}"
    );
}

#[test]
fn verify_says_what_it_has_read() {
    let service = Service::with_runs(30);
    let (folder, out) = place("runs.jsonl");
    service.export(&out, &[]).success();
    let verify = program().arg("verify").arg(&out).assert().success();
    let bytes = std::fs::metadata(&out).unwrap().len();
    let expected = format!(
        "whole: {}: 30 rows, 30 distinct ids, {bytes} bytes\n",
        out.display()
    );
    assert_eq!((stdout(&verify), stderr(&verify)), (expected, "".into()));

    let moved = folder.path().join("moved");
    std::fs::rename(checkpoint_of(&out), &moved).unwrap();
    let mut verify = program();
    let verify = verify.arg("verify").arg(&out);
    verify.arg("--checkpoint").arg(&moved).assert().success();
}

#[test]
fn verify_finds_what_the_next_start_would_not_look_at() {
    let service = Service::with_runs(30);
    let (_folder, out) = place("runs.jsonl");
    let arguments = ["--max-items", "10"];
    service.export(&out, &arguments).success();
    service.export(&out, &[]).success();
    let mut text = std::fs::read(&out).unwrap();
    text[7] ^= 1;
    std::fs::write(&out, text).unwrap();
    let verify = program().arg("verify").arg(&out).assert().code(6);
    let message = stderr(&verify);
    assert!(message.contains("is damaged"), "{message}");
    assert!(message.contains("checksum"), "{message}");
}

#[test]
fn what_a_kill_left_is_not_damaged_and_can_be_resumed() {
    let service = Service::with_runs(30);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--max-items", "10"]).success();
    let mut file = std::fs::File::options().append(true).open(&out).unwrap();
    std::io::Write::write_all(&mut file, b"{\"id\":\"x").unwrap();
    let mut verify = program();
    let verify = verify.args(["verify", "--json"]).arg(&out).assert().code(5);
    let message = stderr(&verify);
    assert!(message.contains("behind them 8 bytes"), "{message}");
    assert!(message.contains("run the export again"), "{message}");
    assert!(
        stdout(&verify).contains("\"state\":\"uncommitted\""),
        "{verify}"
    );
    service.export(&out, &[]).success();
    assert_exact(&service, &out);
}

#[test]
fn verify_names_parts_that_are_missing_or_changed() {
    let service = Service::with_runs(30);
    let (_folder, out) = place("runs.jsonl/");
    let arguments = ["--part-rows", "10", "--page-size", "10"];
    service.export(&out, &arguments).success();
    assert_whole(&out);
    let parts = outputs::parts(&out);
    std::fs::remove_file(&parts[0]).unwrap();
    std::fs::write(&parts[1], "{}\n").unwrap();
    let verify = program().arg("verify").arg(&out).assert().code(6);
    let message = stderr(&verify);
    let name = |part: &Path| part.file_name().unwrap().to_str().unwrap().to_owned();
    let missing = format!("{} is missing", name(&parts[0]));
    let changed = format!("{} was changed", name(&parts[1]));
    assert!(message.contains(&missing), "{message}");
    assert!(message.contains(&changed), "{message}");
    // An export would not add to it either.
    service.export(&out, &arguments).code(6);
}

#[test]
fn verify_of_nothing_is_1_and_of_a_pipe_2() {
    let (folder, out) = place("runs.jsonl");
    let nothing = |out: &Path| {
        let verify = program().arg("verify").arg(out).assert().code(1);
        stderr(&verify)
    };
    let expected = format!(
        "error: {} does not exist: no export has written there\n",
        out.display()
    );
    assert_eq!(nothing(&out), expected);
    assert!(nothing(folder.path()).contains("has no manifest"));
    let verify = program().args(["verify", "-"]).assert().code(2);
    assert!(stderr(&verify).contains("cannot be read again"), "{verify}");
}

#[test]
fn status_says_in_words_what_a_checkpoint_holds() {
    let service = Service::with_runs(30);
    let (_folder, out) = place("runs.csv");
    let arguments = ["--fields", "id,status", "--since", "2025-01-01"];
    service.export(&out, &arguments).success();
    // Both by the name of the output and by that of the checkpoint.
    for path in [&out, &checkpoint_of(&out)] {
        let status = program().arg("status").arg(path).assert().success();
        assert_eq!(stderr(&status), "");
        let text = stdout(&status);
        for line in [
            "runs of     actor \"janedoe/my-actor\", from 2025-01-01T00:00:00.000Z",
            "written     snapshot",
            "as          csv",
            "fields      id,status",
            "rows        30",
            "unfinished  0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}

#[test]
fn status_knows_parts_and_a_checkpoint_elsewhere() {
    let service = Service::with_runs(30);
    let (folder, out) = place("runs.jsonl/");
    service
        .export(&out, &["--part-rows", "10", "--page-size", "10"])
        .success();
    let status = program().arg("status").arg(&out).assert().success();
    assert!(stdout(&status).contains(" in 3 parts"), "{status}");

    let (out, checkpoint) = (folder.path().join("a.jsonl"), folder.path().join("b"));
    let elsewhere = ["--checkpoint", checkpoint.to_str().unwrap()];
    service.export(&out, &elsewhere).success();
    let mut status = program();
    let status = status.arg("status").arg(&out).args(elsewhere);
    assert!(stdout(&status.assert().success()).contains("rows        30"));
}

#[test]
fn status_of_what_has_no_checkpoint_is_1() {
    let service = Service::with_runs(30);
    let (_folder, out) = place("runs.jsonl");
    let status = |code| program().arg("status").arg(&out).assert().code(code);
    assert!(stderr(&status(1)).contains("has no checkpoint"));
    service.export(&out, &[]).success();
    std::fs::remove_file(checkpoint_of(&out)).unwrap();
    let message = stderr(&status(1));
    assert!(message.contains("has no checkpoint"), "{message}");
    std::fs::write(checkpoint_of(&out), "garbage").unwrap();
    assert!(stderr(&status(6)).contains("is no checkpoint"));
}
