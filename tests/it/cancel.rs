//! A walk that is given up at any moment: whatever it was waiting for, nothing is lost, and
//! nothing goes on behind its back.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use apify_runs::emulator::{Emulator, EmulatorBuilder, Fault};
use apify_runs::{Cursor, Emit, RetryPolicy, RunQuery, RunStream};
use futures::{FutureExt, StreamExt};

use crate::start;

const RUNS: u64 = 24;

/// A list whose responses take time, and fail at times.
fn service() -> EmulatorBuilder {
    let builder = Emulator::builder().runs(RUNS);
    let builder = builder.latency(Duration::from_millis(50));
    builder
        .fault(3..=3, Fault::status(503))
        .fault(5..=5, Fault::Truncate)
        .fault(7..=7, Fault::status_retry_after(429, 2))
}

fn walk(emulator: &Emulator, concurrency: usize, cursor: Cursor) -> RunStream {
    let retry = RetryPolicy::default().jitter(false);
    let client = emulator.client_builder().retry(retry).build().unwrap();
    let query = RunQuery::actor("a").page_size(6);
    let runs = client.runs(query).emit(Emit::Changes);
    runs.concurrency(concurrency).resume(cursor).stream()
}

/// Polls a stream so many times. Returns the IDs that came, and whether it ended.
async fn poll_times(stream: &mut RunStream, times: usize) -> (Vec<String>, bool) {
    let (mut ids, mut polls) = (Vec::new(), 0);
    let ended = poll_fn(|cx| {
        loop {
            if polls == times {
                return Poll::Ready(false);
            }
            polls += 1;
            match stream.poll_next_unpin(cx) {
                Poll::Ready(Some(run)) => ids.push(run.unwrap().id.to_string()),
                Poll::Ready(None) => return Poll::Ready(true),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    (ids, ended)
}

#[tokio::test(start_paused = true)]
async fn a_stream_dropped_at_any_poll_is_gone_on_from_its_cursor() {
    for concurrency in [1, 4] {
        for times in 0.. {
            let emulator = start(service()).await;
            let mut stream = walk(&emulator, concurrency, Cursor::default());
            let (mut seen, ended) = poll_times(&mut stream, times).await;
            let cursor = stream.cursor().clone();
            drop(stream);
            if ended {
                assert_eq!(seen, emulator.ids());
                assert!(times > RUNS as usize, "there was nothing to wait for");
                break;
            }
            // Nothing goes on: no request comes any more, but for what is on its way.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let before = emulator.requests().len();
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(emulator.requests().len(), before, "after {times} polls");

            let (rest, ended) = poll_times(&mut walk(&emulator, 2, cursor), usize::MAX).await;
            assert!(ended);
            seen.extend(rest);
            assert_eq!(
                seen,
                emulator.ids(),
                "after {times} polls, {concurrency} in flight"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_next_dropped_at_any_poll_loses_nothing() {
    for concurrency in [1, 4] {
        let emulator = start(service()).await;
        let mut stream = walk(&emulator, concurrency, Cursor::default());
        let mut seen = Vec::new();
        loop {
            // Each call is polled once, and dropped if it is not ready.
            match stream.next().now_or_never() {
                Some(Some(run)) => seen.push(run.unwrap().id.to_string()),
                Some(None) => break,
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
        assert_eq!(seen, emulator.ids());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_may_move_from_thread_to_thread() {
    let emulator = Emulator::builder().runs(2000).start().await.unwrap();
    let mut stream = walk(&emulator, 4, Cursor::default());
    let mut seen = Vec::new();
    loop {
        let task = tokio::spawn(async move {
            let first = stream.next().await;
            (stream, first)
        });
        let (back, run) = task.await.unwrap();
        stream = back;
        match run {
            Some(run) => seen.push(run.unwrap().id.to_string()),
            None => break,
        }
    }
    assert_eq!(seen, emulator.ids());
}
