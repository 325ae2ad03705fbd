//! Two exports that start at the same time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use apify_runs::ErrorKind;
use apify_runs::emulator::Emulator;
use apify_runs::export::{Export, Output, verify};
use tokio::sync::oneshot;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

fn export(emulator: &Emulator, output: Output) -> Export {
    Export::new(emulator.client().runs("a"), output)
}

/// A checkpoint whose reader waits until the test lets it go on.
struct SlowCheckpoint {
    path: PathBuf,
    text: Vec<u8>,
}

impl SlowCheckpoint {
    /// Puts a named pipe in the place of a checkpoint.
    fn new(path: &Path) -> Self {
        let text = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        Self {
            path: path.into(),
            text,
        }
    }

    /// Waits for a reader, which gets nothing yet. To all others, the checkpoint is as before.
    async fn read(&self) -> File {
        let (path, (opened, is_open)) = (self.path.clone(), oneshot::channel());
        // It can be opened once somebody reads it. The thread must not keep a test that fails.
        std::thread::spawn(move || opened.send(OpenOptions::new().write(true).open(path)));
        let pipe = timeout(PATIENCE, is_open).await.unwrap().unwrap().unwrap();
        fs::remove_file(&self.path).unwrap();
        fs::write(&self.path, &self.text).unwrap();
        pipe
    }
}

/// A file can only be locked once it is open, and it must not be made where only its checkpoint
/// is: so the checkpoint is read before the lock, too.
#[tokio::test]
async fn an_export_that_ends_before_another_one_has_the_lock_is_gone_on_from() {
    let emulator = Emulator::builder().runs(10).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.jsonl");
    export(&emulator, Output::file(&path)).run().await.unwrap();

    let slow = SlowCheckpoint::new(&folder.path().join("runs.jsonl.checkpoint"));
    let late = tokio::spawn(export(&emulator, Output::file(&path)).run());
    let mut pipe = slow.read().await;
    emulator.change(|store| store.start_run("new"));
    let first = export(&emulator, Output::file(&path)).run().await.unwrap();
    assert_eq!((first.rows, first.output_rows), (1, 11));
    // Whoever goes on from the old checkpoint cannot write it again.
    emulator.change(|store| store.delete(10..11));
    let before = fs::read(&path).unwrap();

    pipe.write_all(&slow.text).unwrap();
    drop(pipe);
    let late = timeout(PATIENCE, late).await.unwrap().unwrap().unwrap();
    assert_eq!((late.rows, late.output_rows), (0, 11));
    assert_eq!(fs::read(&path).unwrap(), before);
    let verified = verify(&Output::file(&path)).await.unwrap();
    assert_eq!((verified.rows, verified.problems), (11, vec![]));
}

#[tokio::test]
async fn the_checkpoint_of_a_folder_or_a_stream_is_read_under_the_lock() {
    let emulator = Emulator::builder().runs(10).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let parts = folder.path().join("runs");
    let checkpoint = folder.path().join("checkpoint");
    let directory = || Output::directory(&parts);
    let stream = || Output::writer(io::sink()).checkpoint(&checkpoint).unwrap();
    let manifest = parts.join("_manifest.json");
    let outputs: [(&dyn Fn() -> Output, &Path); 2] =
        [(&directory, &manifest), (&stream, &checkpoint)];
    for (output, checkpoint) in outputs {
        export(&emulator, output()).run().await.unwrap();
        let slow = SlowCheckpoint::new(checkpoint);
        let first = tokio::spawn(export(&emulator, output()).run());
        let mut pipe = slow.read().await;
        let error = export(&emulator, output()).run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        pipe.write_all(&slow.text).unwrap();
        drop(pipe);
        let first = timeout(PATIENCE, first).await.unwrap().unwrap().unwrap();
        assert_eq!((first.rows, first.output_rows), (0, 10));
    }
}
