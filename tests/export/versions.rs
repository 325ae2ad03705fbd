//! What an earlier release has stored: `tests/fixtures/v1` is as version 1 wrote it.

use std::fs;
use std::path::Path;

use apify_runs::emulator::Emulator;
use apify_runs::export::{Export, Format, Output, verify};
use apify_runs::{Emit, Split};
use serde_json::{Value, json};

const RUNS: &str = include_str!("../fixtures/v1/runs.jsonl");
const CHECKPOINT: &str = include_str!("../fixtures/v1/runs.jsonl.checkpoint");
/// The same runs, of a service that indents JSON: version 1 removed line breaks only.
const INDENTED_RUNS: &str = include_str!("../fixtures/v1/indented.jsonl");
const INDENTED_CHECKPOINT: &str = include_str!("../fixtures/v1/indented.jsonl.checkpoint");
const MANIFEST: &str = include_str!("../fixtures/v1/_manifest.json");
const SPLIT: &str = include_str!("../fixtures/v1/split.json");

/// The list of the fixtures, and one run that has started since.
async fn emulator() -> Emulator {
    let mut rows: Vec<Value> = RUNS
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    rows.push(json!({"id": "new", "status": "READY", "startedAt": "2025-01-02T00:00:00.000Z"}));
    Emulator::builder().rows(rows).start().await.unwrap()
}

fn export(emulator: &Emulator, path: &Path) -> Export {
    let runs = emulator.client().runs("demo").emit(Emit::Changes);
    Export::new(runs, Output::file(path))
}

#[tokio::test]
async fn an_export_goes_on_from_a_checkpoint_of_version_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.jsonl");
    fs::write(&path, RUNS).unwrap();
    fs::write(folder.path().join("runs.jsonl.checkpoint"), CHECKPOINT).unwrap();

    let checkpoint = Output::file(&path).read_checkpoint().await.unwrap();
    let checkpoint = checkpoint.unwrap();
    assert_eq!(checkpoint.rows(), 3);
    assert_eq!(checkpoint.bytes(), RUNS.len() as u64);
    assert_eq!(checkpoint.format(), Format::JSONL);
    assert_eq!(checkpoint.emit(), Emit::Changes);
    assert_eq!(checkpoint.cursor().unfinished(), 3);

    let summary = export(&emulator().await, &path).run().await.unwrap();
    assert_eq!((summary.rows, summary.output_rows), (1, 4));
    let written = fs::read_to_string(&path).unwrap();
    assert!(
        written
            .strip_prefix(RUNS)
            .unwrap()
            .contains(r#""id":"new""#)
    );
}

#[tokio::test]
async fn an_export_goes_on_from_rows_with_whitespace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.jsonl");
    fs::write(&path, INDENTED_RUNS).unwrap();
    let checkpoint = folder.path().join("runs.jsonl.checkpoint");
    fs::write(checkpoint, INDENTED_CHECKPOINT).unwrap();
    let before = verify(&Output::file(&path)).await.unwrap();
    assert_eq!((before.rows, before.distinct_ids), (3, Some(3)));
    assert_eq!(before.problems, Vec::<String>::new());

    let summary = export(&emulator().await, &path).run().await.unwrap();
    assert_eq!((summary.rows, summary.output_rows), (1, 4));
    let written = fs::read_to_string(&path).unwrap();
    let added = written.strip_prefix(INDENTED_RUNS).unwrap();
    assert!(added.contains(r#""id":"new""#), "{added}");
    assert!(!added.contains(' '), "{added}");
    let after = verify(&Output::file(&path)).await.unwrap();
    assert_eq!((after.rows, after.distinct_ids), (4, Some(4)));
    assert_eq!(after.problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_manifest_of_version_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("_manifest.json"), MANIFEST).unwrap();
    let checkpoint = Output::directory(folder.path()).read_checkpoint().await;
    let checkpoint = checkpoint.unwrap().unwrap();
    assert_eq!((checkpoint.rows(), checkpoint.emit()), (3, Emit::Snapshot));
    assert_eq!(checkpoint.format(), "parquet".parse().unwrap());
}

#[test]
fn a_split_of_version_1_is_read() {
    let split: Split = SPLIT.parse().unwrap();
    assert_eq!(split.rows(), 332);
    assert_eq!(split.to_string(), SPLIT.trim());
}
