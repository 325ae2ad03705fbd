//! What a walk tells `tracing`, and what it keeps to itself.

use std::io;
use std::process::Command;
use std::sync::{Arc, Mutex};

use apify_runs::emulator::{Emulator, Fault};
use futures::StreamExt;
use tracing_subscriber::fmt::MakeWriter;

use crate::{drain, start};

/// Log lines, kept in memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What `tracing` remembers of a place in the code is shared by all threads, so other tests
/// would decide what is told here: start another process of this same program for the test
/// below alone.
#[test]
fn pages_retries_and_drifts_are_told_and_the_token_is_not() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["trace::in_a_process_of_its_own", "--exact", "--ignored"]);
    let output = command.output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{report}");
    assert!(report.contains("1 passed"), "{report}");
}

#[ignore = "run by the test above, in a process of its own"]
#[tokio::test(start_paused = true)]
async fn in_a_process_of_its_own() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let echo = r#"{"error":{"type":"x","message":"token s3cret-token is bad"}}"#;
    let moved = r#"{"data":{"total":30,"items":[{"id":"s3cret-token\\nforged"}]}}"#;
    let builder = Emulator::builder().runs(30).token("s3cret-token");
    let emulator = start(
        builder
            .fault(1..=1, Fault::body(echo))
            .fault(3..=3, Fault::Reset)
            .fault(4..=4, Fault::body(moved)),
    )
    .await;
    let query = apify_runs::RunQuery::actor("a").page_size(20);
    let (seen, end) = drain(emulator.client().runs(query).stream()).await;
    end.unwrap();
    assert_eq!(seen.len(), 30);

    let follow = emulator.client().runs("a").emit(apify_runs::Emit::Finished);
    let mut follow = follow.follow(std::time::Duration::from_secs(1)).stream();
    let quiet = std::time::Duration::from_secs(3);
    while let Ok(Some(run)) = tokio::time::timeout(quiet, follow.next()).await {
        run.unwrap();
    }
    emulator.change(|store| {
        // An unfinished run goes, and another one appears late.
        let last = store.len() - 1;
        let mut late = store.run(last - 3).unwrap();
        (late["id"], late["status"]) = ("late".into(), "FAILED".into());
        store.insert(&late);
        store.delete(last..=last);
    });
    // Minutes pass until it counts as gone.
    let quiet = std::time::Duration::from_secs(400);
    while let Ok(Some(run)) = tokio::time::timeout(quiet, follow.next()).await {
        run.unwrap();
    }

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let ours: Vec<_> = text
        .lines()
        .filter(|line| line.contains("apify_runs"))
        .collect();
    let told = |what: &str| ours.iter().filter(|line| line.contains(what)).count();
    assert_eq!(told("retry offset="), 2, "{text}");
    assert!(told("page offset=") > 3, "{text}");
    assert_eq!(
        told("the list moved: resuming from the watermark"),
        1,
        "{text}"
    );
    assert!(told("skipped rows that had been handed out") > 0, "{text}");
    assert_eq!(told("rows appeared late"), 1, "{text}");
    assert_eq!(told("unfinished runs are gone from the list"), 1, "{text}");
    assert!(text.contains("token [token] is bad"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}
