//! What an earlier release has stored: `tests/fixtures/v1` is as version 1 wrote it, and
//! `tests/fixtures/v2` is a folder whose manifest has segments, of two parts each.

use std::fs;
use std::path::Path;

use apify_runs::emulator::Emulator;
use apify_runs::export::{Export, Format, Output, verify};
use apify_runs::{Emit, ErrorKind, Split};
use serde_json::{Value, json};

const RUNS: &str = include_str!("../fixtures/v1/runs.jsonl");
const CHECKPOINT: &str = include_str!("../fixtures/v1/runs.jsonl.checkpoint");
/// The same runs, of a service that indents JSON: version 1 removed line breaks only.
const INDENTED_RUNS: &str = include_str!("../fixtures/v1/indented.jsonl");
const INDENTED_CHECKPOINT: &str = include_str!("../fixtures/v1/indented.jsonl.checkpoint");
const MANIFEST: &str = include_str!("../fixtures/v1/_manifest.json");
const SPLIT: &str = include_str!("../fixtures/v1/split.json");

/// The list of the fixtures of version 1, and one run that has started since.
async fn emulator() -> Emulator {
    list(&[RUNS], "2025-01-02T00:00:00.000Z").await
}

/// These rows, and one run that has started since.
async fn list(files: &[&str], new: &str) -> Emulator {
    let lines = files.iter().flat_map(|file| file.lines());
    let mut rows: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    rows.push(json!({"id": "new", "status": "READY", "startedAt": new}));
    Emulator::builder().rows(rows).start().await.unwrap()
}

/// A folder with a manifest that has segments.
fn segmented() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v2");
    for file in fs::read_dir(fixture).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    folder
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
    assert_eq!(checkpoint.format(), Format::default());
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
    assert!(split.query().started_after.is_some());
    // It is written without its part of the request rate, which it no longer has.
    let written = split.to_string();
    assert!(!written.contains("share"), "{written}");
    assert_eq!(written.parse::<Split>().unwrap(), split);
}

#[tokio::test]
async fn an_export_goes_on_from_a_manifest_with_segments() {
    let folder = segmented();
    let path = folder.path();
    let checkpoint = Output::directory(path).read_checkpoint().await.unwrap();
    let checkpoint = checkpoint.unwrap();
    assert_eq!((checkpoint.rows(), checkpoint.bytes()), (5, 1464));
    let text = checkpoint.to_string();
    assert!(text.contains("bytes       1464 in 5 parts"), "{text}");
    let before = verify(&Output::directory(path)).await.unwrap();
    assert_eq!(
        (before.rows, before.distinct_ids, before.parts),
        (5, Some(5), 5)
    );
    assert_eq!(before.problems, Vec::<String>::new());

    let names = |path: &Path| {
        let files = fs::read_dir(path).unwrap().map(|file| file.unwrap());
        let mut names: Vec<_> = files
            .map(|file| file.file_name().into_string().unwrap())
            .collect();
        names.retain(|name| name != ".lock");
        names.sort_unstable();
        names
    };
    let old = names(path);
    let parts = old.iter().filter(|name| name.starts_with("part-"));
    let rows: Vec<_> = parts
        .map(|name| fs::read_to_string(path.join(name)).unwrap())
        .collect();
    let rows: Vec<_> = rows.iter().map(String::as_str).collect();
    let emulator = list(&rows, "2025-01-06T00:00:00.000Z").await;
    let export = Export::new(emulator.client().runs("demo"), Output::directory(path));
    let summary = export.run().await.unwrap();
    assert_eq!((summary.rows, summary.output_rows), (1, 6));
    let new = names(path);
    assert!(old.iter().all(|name| new.contains(name)), "{old:?} {new:?}");
    assert_eq!(new.len(), old.len() + 1);
    let after = verify(&Output::directory(path)).await.unwrap();
    assert_eq!(
        (after.rows, after.distinct_ids, after.parts),
        (6, Some(6), 6)
    );
    assert_eq!(after.problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_segment_that_is_missing_or_damaged_is_named_by_all_that_need_it() {
    let emulator = emulator().await;
    for (segment, parts) in [
        ("_segment-000000-75da41ba.json", 2),
        ("_segment-000002-b2a5d472.json", 4),
    ] {
        for (damage, expected) in [
            (None, "is missing"),
            (Some(""), "was changed by something else"),
            (Some("crc32"), "was changed by something else"),
        ] {
            let folder = segmented();
            let path = folder.path().join(segment);
            match damage {
                None => fs::remove_file(&path).unwrap(),
                Some(text) => {
                    let changed = fs::read_to_string(&path).unwrap().replace(text, "CRC32");
                    fs::write(&path, changed).unwrap();
                }
            }
            let expected = format!("{expected}: the oldest {parts} parts are known from it");
            let output = || Output::directory(folder.path());
            let found = verify(&output()).await.unwrap();
            assert_eq!(found.problems[0], format!("{segment} {expected}"));
            assert_eq!((found.parts, found.rows), (5 - parts, 5 - parts));

            let expected = format!("{} {expected}", path.display());
            let error = output().read_checkpoint().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged);
            assert_eq!(error.to_string(), expected);
            let export = Export::new(emulator.client().runs("demo"), output());
            let error = export.run().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged);
            assert_eq!(error.to_string(), expected);
            // It has removed nothing.
            assert_eq!(verify(&output()).await.unwrap(), found);

            let export = Export::new(emulator.client().runs("demo"), output());
            let summary = export.restart(true).run().await.unwrap();
            assert_eq!((summary.rows, summary.output_rows), (4, 4));
            let found = verify(&output()).await.unwrap();
            assert_eq!((found.parts, found.problems), (1, vec![]));
            assert!(!path.exists());
        }
    }
}
