//! Exports into files and streams.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apify_runs::emulator::{Emulator, EmulatorBuilder, Fault};
use apify_runs::export::{Export, Output, verify};
use apify_runs::{Error, ErrorKind, RunQuery, RunStatus};
use serde_json::json;
use tokio::time::{sleep, timeout};

async fn start(builder: EmulatorBuilder) -> Emulator {
    builder.start().await.unwrap()
}

fn export(emulator: &Emulator, output: Output) -> Export {
    Export::new(emulator.client().runs("a"), output)
}

fn kind<T>(result: Result<T, Error>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[tokio::test]
async fn a_stream_does_not_go_on_with_the_checkpoint_of_a_file() {
    let emulator = start(Emulator::builder().runs(1500)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.jsonl");
    export(&emulator, Output::file(&path)).run().await.unwrap();
    emulator.change(|store| store.start_run("new"));

    let checkpoint = folder.path().join("runs.jsonl.checkpoint");
    let stream = Output::writer(io::sink()).checkpoint(checkpoint).unwrap();
    let result = export(&emulator, stream).run().await;
    assert_eq!(kind(result), Some(ErrorKind::Damaged));

    let summary = export(&emulator, Output::file(&path)).run().await.unwrap();
    assert_eq!((summary.rows, summary.output_rows), (1, 1501));
}

#[tokio::test]
async fn a_checkpoint_belongs_to_one_export_at_a_time() {
    let emulator = start(Emulator::builder().runs(10)).await;
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let stream = || Output::writer(io::sink()).checkpoint(&checkpoint).unwrap();
    let follow = Duration::from_millis(100);
    let runs = emulator.client().runs("a").follow(follow);
    let first = tokio::spawn(Export::new(runs, stream()).run());
    while !checkpoint.exists() {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        kind(export(&emulator, stream()).run().await),
        Some(ErrorKind::Locked)
    );
    let file = Output::file(folder.path().join("runs.jsonl"));
    let file = file.checkpoint(&checkpoint).unwrap();
    assert_eq!(
        kind(export(&emulator, file).run().await),
        Some(ErrorKind::Locked)
    );
    first.abort();

    let path = folder.path().join("runs.jsonl");
    let itself = Output::file(&path).checkpoint(&path);
    assert_eq!(kind(itself), Some(ErrorKind::Config));
    let itself = Output::file("runs.jsonl").checkpoint("./runs.jsonl");
    assert_eq!(kind(itself), Some(ErrorKind::Config));
}

#[tokio::test]
async fn a_restart_replaces_no_file_that_is_no_checkpoint() {
    let emulator = start(Emulator::builder().runs(10)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.jsonl");
    export(&emulator, Output::file(&path)).run().await.unwrap();
    let before = fs::read(&path).unwrap();

    let stream = Output::writer(io::sink()).checkpoint(&path).unwrap();
    let file = Output::file(folder.path().join("others.jsonl"));
    for output in [stream, file.checkpoint(&path).unwrap()] {
        let result = export(&emulator, output).restart(true).run().await;
        assert_eq!(kind(result), Some(ErrorKind::Damaged));
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    // The same place is free for a checkpoint when nothing is there.
    fs::write(&path, "").unwrap();
    let stream = Output::writer(io::sink()).checkpoint(&path).unwrap();
    let restarted = export(&emulator, stream).restart(true).run().await;
    assert_eq!(restarted.unwrap().rows, 10);
}

#[tokio::test]
async fn what_somebody_else_appends_is_not_written_over() {
    let emulator = start(Emulator::builder().runs(10)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.jsonl");
    let follow = Duration::from_millis(100);
    let runs = emulator.client().runs("a").follow(follow);
    let export = tokio::spawn(Export::new(runs, Output::file(&path)).run());
    let committed = async || {
        let checkpoint = Output::file(&path).read_checkpoint().await.unwrap();
        checkpoint.map_or(0, |checkpoint| checkpoint.rows())
    };
    while committed().await < 10 {
        sleep(Duration::from_millis(5)).await;
    }
    let text = fs::read_to_string(&path).unwrap() + "mine\n";
    fs::write(&path, &text).unwrap();
    emulator.change(|store| store.start_run("new"));
    let result = timeout(Duration::from_secs(60), export).await.unwrap();
    assert_eq!(kind(result.unwrap()), Some(ErrorKind::Damaged));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn rows_that_cannot_be_read_count_where_they_are_written() {
    let (a, b) = (json!({"id": "a"}), json!({"id": "b", "startedAt": "never"}));
    let rows = [a, b, json!({"id": 3}), json!({"id": 4})];
    for (name, expected) in [("a.jsonl", 4), ("a.csv", 1)] {
        let emulator = start(Emulator::builder().rows(rows.to_vec())).await;
        let folder = tempfile::tempdir().unwrap();
        let output = Output::file(folder.path().join(name));
        let most = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&most);
        let export = export(&emulator, output).on_progress(move |progress| {
            assert!(progress.committed_rows <= progress.rows, "{progress:?}");
            seen.store(progress.rows, Ordering::Relaxed);
        });
        let summary = export.run().await.unwrap();
        assert_eq!(most.load(Ordering::Relaxed), expected, "{name}");
        assert_eq!((summary.rows, summary.skipped), (expected, 4 - expected));
        assert_eq!(summary.distinct_ids, Some(expected));
    }
}

#[tokio::test]
async fn who_keeps_an_export_from_a_file_may_be_verify() {
    let emulator = start(Emulator::builder().runs(10)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.jsonl");
    export(&emulator, Output::file(&path)).run().await.unwrap();
    let read = fs::File::open(&path).unwrap();
    fs4::FileExt::try_lock_shared(&read).unwrap();
    let error = export(&emulator, Output::file(&path)).run().await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(
        error.to_string().ends_with(", or verify reads it"),
        "{error}"
    );
}

#[tokio::test]
async fn a_list_without_runs_becomes_a_file_that_can_be_read() {
    let emulator = start(Emulator::builder().runs(20)).await;
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.csv", "a.csv.gz"] {
        let none = RunQuery::actor("a").status(RunStatus::TimedOut);
        let path = folder.path().join(name);
        for _ in 0..2 {
            let runs = emulator.client().runs(none.clone());
            Export::new(runs, Output::file(&path)).run().await.unwrap();
        }
        let found = verify(&Output::file(&path)).await.unwrap();
        assert_eq!((found.rows, found.problems), (0, vec![]), "{name}");
        assert_eq!(fs::metadata(&path).unwrap().len() == 0, name == "a.jsonl");
    }
    let header = fs::read_to_string(folder.path().join("a.csv")).unwrap();
    assert!(
        header.starts_with("id,actId,") && header.lines().count() == 1,
        "{header}"
    );
}

#[tokio::test]
async fn an_export_that_cannot_commit_ends_also_where_nothing_comes_any_more() {
    let emulator = start(Emulator::builder().runs(10)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.jsonl");
    let runs = emulator
        .client()
        .runs("a")
        .follow(Duration::from_millis(100));
    let export = tokio::spawn(Export::new(runs, Output::file(&path)).run());
    while fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    fs::remove_file(&path).unwrap();
    emulator.change(|store| store.start_run("new"));
    let result = timeout(Duration::from_secs(60), export).await.unwrap();
    assert_eq!(kind(result.unwrap()), Some(ErrorKind::Damaged));
}

#[tokio::test]
async fn a_complete_export_does_not_wait_for_the_last_count_when_it_is_to_stop() {
    let emulator = start(Emulator::builder().runs(10).fault(2.., Fault::Hang)).await;
    let folder = tempfile::tempdir().unwrap();
    let output = Output::file(folder.path().join("runs.jsonl"));
    let stop = async {
        while emulator.requests().len() < 2 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let summary = export(&emulator, output).run_until(stop).await.unwrap();
    assert!(!summary.interrupted);
    assert_eq!((summary.output_rows, summary.total_after), (10, None));
}

/// Asserted when this is compiled: nothing is written.
#[tokio::test]
async fn what_is_awaited_can_go_to_another_thread() {
    fn check(_: impl Send) {}
    let emulator = start(Emulator::builder()).await;
    let output = || Output::writer(io::sink());
    check(export(&emulator, output()).run());
    check(export(&emulator, output()).run_until(std::future::pending()));
    check(output().read_checkpoint());
    check(verify(&output()));
}

#[tokio::test]
async fn a_checkpoint_with_a_number_that_no_export_has_written_is_damaged() {
    let emulator = start(Emulator::builder().runs(10)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.jsonl");
    let output = || Output::file(&path);
    export(&emulator, output()).run().await.unwrap();
    let checkpoint = folder.path().join("runs.jsonl.checkpoint");
    let text = fs::read_to_string(&checkpoint).unwrap();
    for (number, absurd) in [
        (r#""rows":10"#, r#""rows":18446744073709551615"#),
        (r#""left_out":0"#, r#""left_out":18446744073709551615"#),
    ] {
        assert!(text.contains(number), "{text}");
        fs::write(&checkpoint, text.replacen(number, absurd, 1)).unwrap();
        let result = export(&emulator, output()).run().await;
        assert_eq!(kind(result), Some(ErrorKind::Damaged), "{absurd}");
    }
}

/// Rows as an indented service sends them, and what is written of each.
const INDENTED: [(&str, &str); 5] = [
    (
        r#"{
        "id": "HG7ML7M8z78YcAPEB",
        "startedAt": "2025-01-01T00:00:00.000Z",
        "status": "SUCCEEDED",
        "meta": {
          "origin": "API",
          "userAgent": "Mozilla/5.0 (X11; \"Linux\": x86_64) {like, Gecko}  \\"
        },
        "usageTotalUsd": 0.10
      }"#,
        r#"{"id":"HG7ML7M8z78YcAPEB","startedAt":"2025-01-01T00:00:00.000Z","status":"SUCCEEDED","meta":{"origin":"API","userAgent":"Mozilla/5.0 (X11; \"Linux\": x86_64) {like, Gecko}  \\"},"usageTotalUsd":0.10}"#,
    ),
    (
        r#"{
        "status": "RUNNING",
        "id": "f\u0069eldsThatAreNew0",
        "startedAt": "2025-01-01T00:00:01.000Z",
        "new": {
          ": ": [
            1e400,
            -0.0,
            {},
            []
          ],
          "": null,
          "": " "
        }
      }"#,
        r#"{"status":"RUNNING","id":"f\u0069eldsThatAreNew0","startedAt":"2025-01-01T00:00:01.000Z","new":{": ":[1e400,-0.0,{},[]],"":null,"":" "}}"#,
    ),
    // No row that can be read.
    (
        r#"{
        "id": "idThatComesTwice0",
        "id": "idThatComesTwice1",
        "startedAt": [
          "2025, 1, 1"
        ]
      }"#,
        r#"{"id":"idThatComesTwice0","id":"idThatComesTwice1","startedAt":["2025, 1, 1"]}"#,
    ),
    ("[\r\n\t1 , \"a b\"\r\n]", r#"[1,"a b"]"#),
    (r#"" no object ""#, r#"" no object ""#),
];

#[tokio::test]
async fn json_lines_do_not_depend_on_the_whitespace_of_the_service() {
    let compact = INDENTED.map(|(_, row)| row);
    let indented = INDENTED.map(|(row, _)| row);
    let counts = r#""total": 5, "offset": 0, "limit": 1000, "desc": false, "count": 5"#;
    let indented_counts = counts.replace(", ", ",\n    ");
    let bodies = [
        format!(
            r#"{{"data":{{{},"items":[{}]}}}}"#,
            counts.replace(' ', ""),
            compact.join(",")
        ),
        format!(
            "{{\n  \"data\": {{\n    {indented_counts},\n    \"items\": [\n      {}\n    ]\n  }}\n}}",
            indented.join(",\n      ")
        ),
    ];
    let chosen = [
        r#"{"meta":{"userAgent":"Mozilla/5.0 (X11; \"Linux\": x86_64) {like, Gecko}  \\"},"id":"HG7ML7M8z78YcAPEB"}"#,
        r#"{"new":{": ":[1e400,-0.0,{},[]],"":null,"":" "},"id":"f\u0069eldsThatAreNew0"}"#,
        r#"{"id":"idThatComesTwice1"}"#,
        compact[3],
        compact[4],
    ];
    for (fields, expected) in [
        (&[][..], compact),
        (&["meta.userAgent", "new", "id"][..], chosen),
    ] {
        for body in &bodies {
            let builder = Emulator::builder().fault(.., Fault::body(body));
            let emulator = start(builder).await;
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("runs.jsonl");
            let export = export(&emulator, Output::file(&path));
            let summary = export.fields(fields.to_vec()).run().await.unwrap();
            assert_eq!(summary.output_rows, 5);
            let written = fs::read_to_string(&path).unwrap();
            assert_eq!(written, expected.join("\n") + "\n");
            let verification = verify(&Output::file(&path)).await.unwrap();
            assert_eq!(verification.rows, 5);
            assert_eq!(verification.problems, Vec::<String>::new());
        }
    }
}
