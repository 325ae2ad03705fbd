//! Folders of parts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use apify_runs::emulator::Emulator;
use apify_runs::export::{Export, Format, Output, verify};
use apify_runs::{ErrorKind, RunQuery};

const RUNS: u64 = 1000;

async fn emulator() -> Emulator {
    Emulator::builder().runs(RUNS).start().await.unwrap()
}

/// Ten pages, and a part for each.
fn export(emulator: &Emulator, folder: &Path) -> Export {
    let query = RunQuery::actor("an-actor").page_size(100);
    let output = Output::directory(folder);
    Export::new(emulator.client().runs(query), output).part_rows(100)
}

async fn assert_is_whole(folder: &Path) {
    let verification = verify(&Output::directory(folder)).await.unwrap();
    assert_eq!(verification.problems, Vec::<String>::new());
    assert_eq!(
        (verification.rows, verification.distinct_ids),
        (RUNS, Some(RUNS))
    );
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// Somebody removes the folder, forgets the export that is running, and starts again.
#[tokio::test]
async fn a_folder_that_was_made_anew_is_left_to_the_export_that_has_made_it() {
    let emulator = emulator().await;
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("runs"), folder.path().join("new"));
    export(&emulator, &new).run().await.unwrap();
    let expected = names(&new);

    let path = old.clone();
    let forgotten = export(&emulator, &old).part_rows(u64::MAX);
    let forgotten = forgotten.on_progress(move |progress| {
        if progress.rows == 100 {
            fs::remove_dir_all(&path).unwrap();
            fs::rename(&new, &path).unwrap();
        }
    });
    let error = forgotten.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    assert_eq!(names(&old), expected);
    assert_is_whole(&old).await;
}

#[tokio::test]
async fn a_manifest_that_is_gone_is_no_other_export() {
    let emulator = emulator().await;
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("_manifest.json");
    let gone = manifest.clone();
    let export = export(&emulator, folder.path()).part_rows(u64::MAX);
    let export = export.on_progress(move |progress| {
        if progress.rows == 100 {
            fs::remove_file(&gone).unwrap();
        }
    });
    let error = export.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert_eq!(error.to_string(), format!("{} is gone", manifest.display()));
}

#[tokio::test]
async fn what_is_no_part_is_not_read() {
    let emulator = emulator().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    export(&emulator, path).run().await.unwrap();
    let manifest = fs::read_to_string(path.join("_manifest.json")).unwrap();
    let part = names(path)
        .into_iter()
        .find(|name| name.starts_with("part-"));
    let part = part.unwrap();

    let longer = fs::read(path.join(&part)).unwrap().repeat(2);
    let others = verify(&Output::directory(path)).await.unwrap().bytes - longer.len() as u64 / 2;
    fs::write(path.join(&part), &longer).unwrap();
    let found = verify(&Output::directory(path)).await.unwrap();
    let expected = format!("{part} was changed by something else");
    assert_eq!((&found.problems[0], found.bytes), (&expected, others));

    for name in ["/dev/zero", "../secret", "_manifest.json"] {
        let manifest = manifest.replacen(&part, name, 1);
        fs::write(path.join("_manifest.json"), manifest).unwrap();
        let error = verify(&Output::directory(path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert!(error.to_string().contains("no name of a part"), "{error}");
    }
}

/// A manifest lists up to 200 parts itself.
#[tokio::test]
async fn any_number_of_parts_is_listed() {
    let runs = 700;
    let emulator = Emulator::builder().runs(runs).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let client = emulator.client_builder().max_requests_per_second(1000.0);
    let client = client.build().unwrap();
    let export = || {
        let query = RunQuery::actor("an-actor").page_size(2);
        Export::new(client.runs(query), Output::directory(path)).part_rows(1)
    };
    let segments = || {
        names(path)
            .into_iter()
            .filter(|name| name.starts_with("_segment-"))
    };
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let stop = std::sync::Mutex::new(Some(stop));
    let stopping = export().on_progress(move |progress| {
        if progress.committed_rows >= runs - 50 {
            stop.lock().unwrap().take().map(|stop| stop.send(()));
        }
    });
    let first = stopping
        .run_until(async { stopped.await.unwrap() })
        .await
        .unwrap();
    assert!(first.interrupted && first.rows < runs, "{first:?}");

    let before = segments().count();
    for name in [
        "_segment-000200-0badc0de.json",
        "part-000220-0badc0de.jsonl",
    ] {
        fs::write(path.join(name), "{}").unwrap();
    }
    let summary = export().run().await.unwrap();
    assert_eq!(summary.output_rows, runs);
    let found = verify(&Output::directory(path)).await.unwrap();
    assert_eq!((found.rows, found.distinct_ids), (runs, Some(runs)));
    assert_eq!(found.problems, Vec::<String>::new());
    assert!(found.parts > 200, "{found:?}");
    assert_eq!(segments().count() as u64, (found.parts - 1) / 200);
    assert_eq!(segments().count(), before);
}

#[tokio::test]
async fn only_what_an_export_has_left_is_removed() {
    let emulator = emulator().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    export(&emulator, path).run().await.unwrap();
    let others = [
        "part-list.txt",
        "part-00000-c000.snappy.parquet",
        ".notes.unfinished",
    ];
    let left = [
        "part-000009-0badc0de.jsonl",
        ".part-000009-0badc0de.jsonl.unfinished",
        "._manifest.json.unfinished",
    ];
    for name in others.iter().chain(&left) {
        fs::write(path.join(name), "text").unwrap();
    }
    for restart in [false, true] {
        export(&emulator, path)
            .restart(restart)
            .run()
            .await
            .unwrap();
        let names = names(path);
        assert!(others.iter().all(|name| names.contains(*name)), "{names:?}");
        assert!(!left.iter().any(|name| names.contains(*name)), "{names:?}");
        assert_is_whole(path).await;
    }
}

#[tokio::test]
async fn parts_without_a_manifest_are_refused_and_not_touched() {
    let emulator = emulator().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    export(&emulator, path).run().await.unwrap();
    fs::remove_file(path.join("_manifest.json")).unwrap();
    fs::write(path.join(".part-000009-0badc0de.jsonl.unfinished"), "{").unwrap();
    let before = names(path);
    let error = export(&emulator, path).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert_eq!(names(path), before);
}

#[tokio::test]
async fn each_part_of_csv_has_a_header() {
    let emulator = emulator().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/with/the/folders/before/it");
    let csv: Format = "csv".parse().unwrap();
    export(&emulator, &path).format(csv).run().await.unwrap();
    let parts = names(&path).into_iter();
    let parts: Vec<_> = parts.filter(|name| name.starts_with("part-")).collect();
    assert!(parts.len() > 1, "{parts:?}");
    for part in &parts {
        assert!(
            fs::read_to_string(path.join(part))
                .unwrap()
                .starts_with("id,")
        );
    }
    assert_is_whole(&path).await;
}
