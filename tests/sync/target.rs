//! A target that is no database.

use std::sync::{Arc, Mutex};

use apify_runs::emulator::Emulator;
use apify_runs::sync::{
    Committed, SyncBatch, SyncJob, SyncList, SyncTarget, TargetError, TargetResult, Written,
};
use apify_runs::{Cursor, Emit, ErrorKind};
use futures::TryStreamExt;

/// Keeps what was committed, and nothing that was not.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    committed: Committed,
    /// The IDs of each commit.
    commits: Vec<Vec<String>>,
    /// Loads that are to fail.
    outage: usize,
}

impl SyncTarget for Memory {
    async fn load(&mut self, _: &SyncList) -> TargetResult<Committed> {
        let mut held = self.0.lock().unwrap();
        if held.outage > 0 {
            held.outage -= 1;
            return Err(TargetError::transient("the network is down"));
        }
        Ok(held.committed.clone())
    }

    async fn commit(&mut self, _: &SyncList, batch: &SyncBatch) -> TargetResult<Written> {
        let mut held = self.0.lock().unwrap();
        let ids = batch.runs().iter().map(|run| run.id.to_string());
        held.commits.push(ids.collect());
        held.committed = Committed::new(batch.cursor().clone(), batch.cursor().rows());
        Ok(Written::default())
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_lasts_as_long_as_five_minutes() {
    let builder = Emulator::builder().runs(100).virtual_time();
    let emulator = builder.start().await.unwrap();
    let memory = Memory::default();
    let sync = || SyncJob::new(emulator.client().runs("a"), memory.clone());
    memory.0.lock().unwrap().outage = 12;
    assert_eq!(sync().run().await.unwrap().rows, 100);

    memory.0.lock().unwrap().outage = 100;
    let begun = tokio::time::Instant::now();
    let error = sync().run().await.unwrap_err();
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    assert!((4.4..5.1).contains(&minutes), "{minutes}");
    assert_eq!(error.kind(), ErrorKind::Output);
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_cursor_of_another_walk_is_refused() {
    let emulator = Emulator::builder().runs(100).start().await.unwrap();
    let mut runs = emulator.client().runs("a").emit(Emit::Finished).stream();
    while runs.try_next().await.unwrap().is_some() {}
    let memory = Memory::default();
    memory.0.lock().unwrap().committed = Committed::new(runs.cursor().clone(), 100);
    let sync = || SyncJob::new(emulator.client().runs("a"), memory.clone());
    let error = sync().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CursorMismatch);
    let text = error.to_string();
    assert!(text.contains("emit Finished (now Changes)"), "{text}");
    assert!(text.contains("with restart"), "{text}");
    assert_eq!(sync().restart(true).run().await.unwrap().rows, 100);
}

#[tokio::test]
async fn a_cursor_of_a_walk_applies_to_a_new_list() {
    let emulator = Emulator::builder().runs(100).start().await.unwrap();
    let mut runs = emulator.client().runs("a").emit(Emit::Changes).stream();
    while runs.cursor().rows() < 40 {
        runs.try_next().await.unwrap();
    }
    let cursor: Cursor = runs.cursor().clone();
    let memory = Memory::default();
    let walk = emulator.client().runs("a").resume(cursor);
    let summary = SyncJob::new(walk, memory.clone()).run().await.unwrap();
    assert_eq!(summary.rows, 60);
    let error = SyncJob::new(emulator.client().runs("a"), memory)
        .reconcile(true)
        .run()
        .await;
    assert_eq!(error.unwrap_err().setting().unwrap().name(), "reconcile");
}

/// Another job that writes the same list, in a target without locks.
#[tokio::test]
async fn a_list_that_another_job_has_written_is_left() {
    struct Taken(Memory, Committed);
    impl SyncTarget for Taken {
        async fn load(&mut self, list: &SyncList) -> TargetResult<Committed> {
            self.0.load(list).await
        }
        async fn commit(&mut self, _: &SyncList, _: &SyncBatch) -> TargetResult<Written> {
            self.0.0.lock().unwrap().committed = self.1.clone();
            Err(TargetError::transient("the connection is lost"))
        }
    }
    let emulator = Emulator::builder().runs(100).start().await.unwrap();
    let mut other = emulator.client().runs("a").emit(Emit::Changes).stream();
    other.try_next().await.unwrap();
    let other = Committed::new(other.cursor().clone(), 1);
    let target = Taken(Memory::default(), other);
    let sync = SyncJob::new(emulator.client().runs("a"), target);
    assert_eq!(sync.run().await.unwrap_err().kind(), ErrorKind::Locked);
}

/// A follower commits what comes, and not more often than it is asked to.
#[tokio::test(start_paused = true)]
async fn a_follower_commits_seldom() {
    let builder = Emulator::builder().runs(10).virtual_time();
    let emulator = builder.start().await.unwrap();
    let memory = Memory::default();
    let walk = emulator.client().runs("a");
    let walk = walk.follow(std::time::Duration::from_secs(5));
    let sync = SyncJob::new(walk, memory.clone());
    let stop = tokio::time::sleep(std::time::Duration::from_secs(1800));
    let summary = sync.run_until(stop).await.unwrap();
    assert!(summary.interrupted);
    let held = memory.0.lock().unwrap();
    let with_rows = held.commits.iter().filter(|ids| !ids.is_empty()).count();
    assert!(with_rows <= 4, "{with_rows}");
    assert!(held.commits.len() <= 34, "{}", held.commits.len());
}
