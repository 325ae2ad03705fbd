//! Several pages in flight.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use apify_runs::emulator::{Emulator, Fault};
use apify_runs::{ErrorKind, RetryPolicy, RunQuery};
use futures::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use crate::{drain, emulator, start};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn pages_are_in_flight_together_but_not_more_than_asked_for() {
    for concurrency in [1, 2, 4, 8, 64] {
        let emulator = start(Emulator::builder().runs(409).latency(SECOND)).await;
        let query = RunQuery::actor("a").page_size(10);
        let runs = emulator.client().runs(query).concurrency(concurrency);
        let started = Instant::now();
        let (seen, end) = drain(runs.stream()).await;
        end.unwrap();
        assert_eq!(seen, emulator.ids());

        // The first page comes alone, and the others in rounds of a second.
        let rounds = 1 + 40_usize.div_ceil(concurrency) as u32;
        let elapsed = started.elapsed();
        let expected = rounds * SECOND..rounds * (SECOND + SECOND / 5) + SECOND;
        assert!(expected.contains(&elapsed), "{concurrency}: {elapsed:?}");
        let arrivals: Vec<_> = emulator.requests().iter().map(|it| it.at).collect();
        assert_eq!(arrivals.len(), 41, "none is asked for behind the end");
        for (first, over) in arrivals.iter().zip(&arrivals[concurrency.min(40)..]) {
            assert!(*over - *first >= SECOND, "{concurrency} were in flight");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_in_flight_take_no_more_memory_than_they_may() {
    let emulator = start(Emulator::builder().runs(400).latency(SECOND)).await;
    let query = RunQuery::actor("a").page_size(10);
    let page = emulator.client().page(&query, 0).await.unwrap();
    assert_eq!(page.items.len(), 10);
    let builder = emulator.client_builder().max_requests_per_second(60.0);
    let client = builder.build().unwrap();
    for (max_bytes, most) in [(1 << 10, 1..=1), (30_000, 3..=3), (64 << 20, 25..=64)] {
        let before = emulator.requests().len();
        let runs = client.runs(&query).max_buffered_bytes(max_bytes);
        let (seen, end) = drain(runs.stream()).await;
        end.unwrap();
        assert_eq!(seen, emulator.ids());
        let arrivals: Vec<_> = emulator.requests().iter().map(|it| it.at).collect();
        let arrivals = &arrivals[before..];
        let in_flight = arrivals.iter().map(|at| {
            let is_in_flight = |other: &&Duration| (*at..*at + SECOND).contains(*other);
            arrivals.iter().filter(is_in_flight).count()
        });
        let in_flight = in_flight.max().unwrap();
        assert!(most.contains(&in_flight), "{max_bytes} bytes: {in_flight}");
    }
}

/// By default as many pages are in flight as the rate needs, and none without a consumer.
#[tokio::test(start_paused = true)]
async fn a_consumer_that_stays_away_stops_the_requests_by_default_too() {
    let emulator = start(Emulator::builder().runs(1000).latency(SECOND / 10)).await;
    let query = RunQuery::actor("a").page_size(10);
    let builder = emulator.client_builder().max_requests_per_second(60.0);
    let mut runs = builder.build().unwrap().runs(query).stream();
    for row in 0..300 {
        runs.next().await.unwrap().unwrap();
        sleep(SECOND).await;
        let ahead = emulator.requests().len() - 1 - row / 10;
        assert!((1..=9).contains(&ahead), "{ahead} at row {row}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_stays_away_stops_the_requests() {
    for concurrency in [1, 2, 8] {
        let emulator = emulator(1000).await;
        let query = RunQuery::actor("a").page_size(10);
        let runs = emulator.client().runs(query).concurrency(concurrency);
        let mut runs = runs.stream();
        let ahead = if concurrency == 1 { 0 } else { concurrency };
        for row in 0..50 {
            runs.next().await.unwrap().unwrap();
            sleep(SECOND).await;
            assert_eq!(emulator.requests().len(), 1 + row / 10 + ahead);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_aborts_all_requests() {
    for fault in [Fault::Hang, Fault::Stall] {
        let emulator = start(Emulator::builder().runs(1000).fault(2.., fault)).await;
        let query = RunQuery::actor("a").page_size(10);
        let mut runs = emulator.client().runs(query).concurrency(8).stream();
        for _ in 0..10 {
            runs.next().await.unwrap().unwrap();
        }
        assert!(timeout(5 * SECOND, runs.next()).await.is_err());
        assert_eq!(emulator.in_flight(), 8);

        drop(runs);
        sleep(SECOND).await;
        assert_eq!(emulator.in_flight(), 0);
        assert_eq!(emulator.requests().len(), 9);
    }
}

/// Pages behind one that fails for a while are there before it.
#[tokio::test(start_paused = true)]
async fn rows_come_in_order_though_pages_do_not() {
    let builder = Emulator::builder().runs(205).fault(3..=4, Fault::Reset);
    let emulator = start(builder.fault(7..=7, Fault::status(503))).await;
    let query = RunQuery::actor("a").page_size(10);
    let mut runs = emulator.client().runs(query).concurrency(8).stream();
    for id in emulator.ids() {
        assert_eq!(runs.next().await.unwrap().unwrap().id, id.as_str());
    }
    assert!(runs.next().await.is_none());
    let stats = runs.stats();
    assert_eq!((stats.requests, stats.retries, stats.drifts), (24, 3, 0));
}

#[tokio::test(start_paused = true)]
async fn an_error_comes_when_its_page_is_due() {
    let builder = Emulator::builder()
        .runs(100)
        .fault(4..=4, Fault::status(404));
    let emulator = start(builder).await;
    let query = RunQuery::actor("a").page_size(10);
    let mut runs = emulator.client().runs(query).concurrency(8).stream();
    let mut seen = 0;
    let error = loop {
        match runs.next().await.unwrap() {
            Ok(_) => seen += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // Which of the requests in flight is the fourth is the network's choice.
    let pages = seen / 10;
    assert!(pages >= 1 && seen % 10 == 0, "{seen}");
    assert_eq!(error.cursor().unwrap().rows(), seen);
    assert!(runs.next().await.is_none());
    sleep(60 * SECOND).await;
    let requests = emulator.requests().len() as u64;
    assert!(requests <= pages + 8, "nothing is asked after it");

    let cursor = error.cursor().unwrap().clone();
    let rest = emulator.client().runs(RunQuery::actor("a").page_size(10));
    let (rest, end) = drain(rest.resume(cursor).stream()).await;
    end.unwrap();
    assert_eq!(rest, emulator.ids()[seen as usize..]);
}

#[tokio::test(start_paused = true)]
async fn an_error_ends_what_is_in_flight_behind_it() {
    let builder = Emulator::builder()
        .runs(100)
        .fault(2..=2, Fault::status(404))
        .fault(3..=3, Fault::Hang);
    let emulator = start(builder).await;
    let query = RunQuery::actor("a").page_size(10);
    let mut runs = emulator.client().runs(query).concurrency(2).stream();
    let error = loop {
        if let Err(error) = runs.next().await.unwrap() {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    sleep(SECOND).await;
    assert_eq!(emulator.in_flight(), 0);
    let before = emulator.requests().len();
    sleep(20 * SECOND).await;
    assert_eq!(emulator.requests().len(), before);
    assert!(runs.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_page_surfaces() {
    for concurrency in [1, 8] {
        let builder = Emulator::builder().runs(100).fault(3.., Fault::Reset);
        let emulator = start(builder).await;
        let policy = RetryPolicy::default().on_retry(|_| panic!("the callback fails"));
        let client = emulator.client_builder().retry(policy).build().unwrap();
        let query = RunQuery::actor("a").page_size(10);
        let runs = client.runs(query).concurrency(concurrency).stream();
        let walk = tokio::spawn(drain(runs)).await;
        let panic = walk.unwrap_err().into_panic();
        let message = panic.downcast_ref::<&str>();
        assert_eq!(message, Some(&"the callback fails"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_of_pages_that_cannot_be_is_named() {
    for concurrency in [0, 65, usize::MAX] {
        let emulator = emulator(10).await;
        let runs = emulator.client().runs("a").concurrency(concurrency);
        let (_, end) = drain(runs.stream()).await;
        let expected = format!("invalid concurrency {concurrency}: it must be from 1 to 64");
        assert_eq!(end.unwrap_err().to_string(), expected);
        assert!(emulator.requests().is_empty());
    }
}

/// On a runtime with several threads, pages are processed by those, and not by the one that
/// wants the rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_dealt_with_off_the_thread_of_the_consumer() {
    let builder = Emulator::builder().runs(500).fault(2..=9, Fault::Reset);
    let emulator = builder.start().await.unwrap();
    let threads = Arc::new(Mutex::new(Vec::new()));
    let policy = RetryPolicy::default()
        .initial_delay(Duration::from_millis(1))
        .max_retries(20)
        .on_retry({
            let threads = Arc::clone(&threads);
            move |_| threads.lock().unwrap().push(thread::current().id())
        });
    let client = emulator.client_builder().retry(policy).build().unwrap();
    let query = RunQuery::actor("a").page_size(10);
    let (seen, end) = drain(client.runs(query).concurrency(8).stream()).await;
    end.unwrap();
    assert_eq!(seen, emulator.ids());
    let threads = threads.lock().unwrap();
    assert_eq!(threads.len(), 8);
    assert!(!threads.contains(&thread::current().id()));
}
