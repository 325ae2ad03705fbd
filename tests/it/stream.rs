//! How the streams behave as streams.

use std::time::Duration;

use apify_runs::emulator::{Emulator, Fault};
use apify_runs::{
    Client, Cursor, Error, ErrorKind, RetryPolicy, RunPage, RunPages, RunQuery, RunStream,
    RunSummary,
};
use futures::stream::FusedStream;
use futures::{Stream, StreamExt};
use tokio::time::{sleep, timeout};

use crate::{emulator, start};

#[test]
fn streams_can_be_sent_stored_and_moved() {
    fn check<T: FusedStream + Unpin + Send + 'static>() {}
    check::<RunStream>();
    check::<RunPages>();
    fn share<T: Clone + Send + Sync + 'static>() {}
    share::<Client>();
    share::<RunQuery>();
    share::<Cursor>();
    share::<RetryPolicy>();
    fn cross<T: Send + Sync + 'static>() {}
    cross::<Error>();
    cross::<RunSummary>();
    cross::<RunPage>();
}

/// Asserted when this is compiled: nothing is sent.
#[tokio::test]
async fn what_is_awaited_can_go_to_another_thread() {
    fn check(_: impl Send) {}
    let client = emulator(0).await.client();
    let query = RunQuery::actor("a");
    check(client.count("a"));
    check(client.page(&query, 0));
    check(client.split(&query, 2));
    check(client.split_all(std::slice::from_ref(&query), 2));
    check(client.runs(query.clone()).stream().next());
    check(client.runs(query).pages().next());
    check(Emulator::builder().start());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_before_the_first_poll() {
    let emulator = emulator(10).await;
    let runs = emulator.client().runs("a").stream();
    let pages = emulator.client().runs("a").pages();
    sleep(Duration::from_secs(60)).await;
    assert!(emulator.requests().is_empty());
    drop((runs, pages));
}

#[tokio::test(start_paused = true)]
async fn with_one_in_flight_the_next_page_is_asked_for_when_the_one_before_is_used_up() {
    let emulator = emulator(25).await;
    let query = RunQuery::actor("a").page_size(10);
    let mut runs = emulator.client().runs(query).concurrency(1).stream();
    for row in 1..=25 {
        runs.next().await.unwrap().unwrap();
        sleep(Duration::from_secs(1)).await;
        let expected: usize = match row {
            1..=10 => 1,
            11..=20 => 2,
            _ => 3,
        };
        assert_eq!(emulator.requests().len(), expected, "after row {row}");
    }
    assert!(runs.next().await.is_none());
    assert_eq!(
        emulator.requests().len(),
        3,
        "the last page is known to be the last"
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_not_terminated_while_rows_are_buffered() {
    let emulator = emulator(3).await;
    let mut runs = emulator.client().runs("a").stream();
    let mut seen = 0;
    while !runs.is_terminated() {
        if runs.next().await.is_some() {
            seen += 1;
        }
    }
    assert_eq!(seen, 3);
    assert!(runs.next().await.is_none(), "polling on is allowed");
    assert!(runs.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_size_hint_holds_at_every_row() {
    let emulator = emulator(25).await;
    for (query, bounded) in [
        (RunQuery::actor("a").page_size(10), false),
        (RunQuery::actor("a").page_size(10).limit(17), true),
        (RunQuery::actor("a").page_size(10).limit(100), true),
    ] {
        let mut hints = Vec::new();
        let mut runs = emulator.client().runs(query).stream();
        loop {
            hints.push(runs.size_hint());
            if runs.next().await.is_none() {
                break;
            }
        }
        let rows = hints.len() - 1;
        assert_eq!(runs.size_hint(), (0, Some(0)));
        for (seen, (lower, upper)) in hints.into_iter().enumerate() {
            let left = rows - seen;
            assert!(lower <= left && upper.is_none_or(|upper| upper >= left));
            assert!(upper.is_some() || !bounded || left == 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn buffered_rows_are_in_the_size_hint() {
    let emulator = emulator(25).await;
    let query = RunQuery::actor("a").page_size(10);
    let mut runs = emulator.client().runs(query).stream();
    assert_eq!(runs.size_hint(), (0, None));
    runs.next().await;
    assert_eq!(runs.size_hint(), (9, None));
}

#[tokio::test(start_paused = true)]
async fn next_may_be_dropped_at_any_await() {
    let builder = Emulator::builder()
        .runs(95)
        .latency(Duration::from_millis(70));
    let emulator = start(builder).await;
    let query = RunQuery::actor("a").page_size(10);
    for (concurrency, least) in [(1, 10), (2, 5), (8, 3)] {
        let before = emulator.requests().len();
        let runs = emulator.client().runs(&query).concurrency(concurrency);
        let (mut seen, mut interrupted) = (Vec::new(), 0);
        let mut runs = runs.stream();
        loop {
            tokio::select! {
                biased;
                run = runs.next() => match run {
                    Some(run) => seen.push(run.unwrap().id.to_string()),
                    None => break,
                },
                () = sleep(Duration::from_millis(20)) => interrupted += 1,
            }
        }
        assert_eq!(seen, emulator.ids());
        assert!(interrupted >= least, "{interrupted}");
        let requests = emulator.requests().len() - before;
        assert_eq!(requests, 10, "no request is sent twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_delay_survives_a_dropped_next() {
    let emulator = start(Emulator::builder().runs(5).fault(1..=2, Fault::status(503))).await;
    let mut runs = emulator.client().runs("a").stream();
    let mut seen = 0;
    for _ in 0..1000 {
        match timeout(Duration::from_millis(50), runs.next()).await {
            Ok(Some(run)) => {
                run.unwrap();
                seen += 1;
            }
            Ok(None) => break,
            Err(_) => {}
        }
    }
    assert_eq!(seen, 5);
    assert_eq!(emulator.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_aborts_the_request() {
    for fault in [Fault::Hang, Fault::Stall] {
        let emulator = start(Emulator::builder().runs(100).fault(.., fault)).await;
        let mut runs = emulator.client().runs("a").stream();
        assert!(timeout(Duration::from_secs(5), runs.next()).await.is_err());
        assert_eq!(emulator.in_flight(), 1);

        drop(runs);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(emulator.in_flight(), 0);
        assert_eq!(emulator.requests().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn rows_before_an_error_come_before_it_and_nothing_after() {
    let emulator = start(Emulator::builder().runs(100).fault(3.., Fault::status(404))).await;
    let query = RunQuery::actor("a").page_size(10);
    let runs = emulator.client().runs(query).concurrency(1);
    let mut runs = runs.stream();
    for expected in &emulator.ids()[..20] {
        assert_eq!(runs.next().await.unwrap().unwrap().id, expected.as_str());
    }
    assert!(!runs.is_terminated());
    let error = runs.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(runs.is_terminated());
    for _ in 0..3 {
        assert!(runs.next().await.is_none());
    }
    assert_eq!(
        emulator.requests().len(),
        3,
        "nothing is asked after the error"
    );
    assert_eq!(runs.stats().rows, 20);
}

#[tokio::test(start_paused = true)]
async fn pages_end_like_rows_do() {
    let emulator = start(Emulator::builder().runs(25).fault(4.., Fault::status(404))).await;
    let query = RunQuery::actor("a").page_size(10);
    let mut pages = emulator.client().runs(query.clone()).pages();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert_eq!((page.total, page.desc), (Some(25), false));
        sizes.push((page.offset, page.items.len()));
    }
    assert_eq!(sizes, [(0, 10), (10, 10), (20, 5)]);
    assert_eq!(pages.stats().rows, 25);
    assert!(pages.is_terminated());
    assert_eq!(pages.size_hint(), (0, Some(0)));

    let mut pages = emulator.client().runs(query).pages();
    assert_eq!(
        pages.next().await.unwrap().unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(pages.is_terminated() && pages.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn stats_count_rows_as_they_are_handed_out() {
    let emulator = emulator(25).await;
    let query = RunQuery::actor("a").page_size(10);
    let mut runs = emulator.client().runs(query).stream();
    assert_eq!(runs.stats().total, None);
    for row in 1..=25 {
        runs.next().await.unwrap().unwrap();
        assert_eq!(runs.stats().rows, row);
    }
    let stats = runs.stats();
    assert_eq!(
        (stats.requests, stats.retries, stats.total),
        (3, 0, Some(25))
    );
    assert!((15_000..30_000).contains(&stats.bytes), "{}", stats.bytes);
}

#[tokio::test(start_paused = true)]
async fn a_bad_query_is_the_first_item_and_sends_nothing() {
    let emulator = emulator(10).await;
    for query in [
        RunQuery::actor(""),
        RunQuery::actor("a").page_size(0),
        RunQuery::actor("a").limit(0),
    ] {
        let mut runs = emulator.client().runs(query.clone()).stream();
        let (lower, upper) = runs.size_hint();
        assert!(lower == 0 && upper.is_none_or(|upper| upper >= 1));
        let error = runs.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(runs.next().await.is_none());

        let pages: Vec<_> = emulator.client().runs(query).pages().collect().await;
        assert_eq!(pages.len(), 1);
    }
    assert!(emulator.requests().is_empty());
}

/// Everything works on a runtime with several threads too, on a clock that runs.
#[tokio::test(flavor = "multi_thread")]
async fn many_walks_share_a_client() {
    let emulator = Emulator::builder().runs(300).start().await.unwrap();
    let client = emulator
        .client_builder()
        .retry(RetryPolicy::none())
        .build()
        .unwrap();
    let walks = (0..8).map(|_| {
        let query = RunQuery::actor("a").page_size(20);
        let runs = client.runs(query).stream();
        tokio::spawn(runs.map(|run| run.unwrap()).count())
    });
    for count in futures::future::join_all(walks).await {
        assert_eq!(count.unwrap(), 300);
    }
}
