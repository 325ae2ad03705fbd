//! How fast requests are sent.

use std::time::Duration;

use apify_runs::emulator::{Emulator, Fault};
use apify_runs::{Client, ErrorKind, RetryPolicy, RunQuery};
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout};

use crate::{client_by_default, drain, start};

const SECOND: Duration = Duration::from_secs(1);

/// No second has more requests than this.
fn assert_pace(emulator: &Emulator, per_second: usize) {
    let arrivals: Vec<_> = emulator.requests().iter().map(|it| it.at).collect();
    assert!(arrivals.len() > per_second, "too few to tell");
    for (first, over) in arrivals.iter().zip(&arrivals[per_second..]) {
        assert!(*over - *first >= SECOND, "{first:?} to {over:?}");
    }
}

/// A client that sends so many requests a second for each list.
fn paced(emulator: &Emulator, per_second: f64) -> Client {
    let builder = emulator.client_builder();
    builder.max_requests_per_second(per_second).build().unwrap()
}

fn query() -> RunQuery {
    RunQuery::actor("a").page_size(10)
}

#[tokio::test(start_paused = true)]
async fn a_client_sends_thirty_requests_a_second_at_first_and_sixty_soon() {
    let builder = Emulator::builder().runs(4000).latency(SECOND / 10);
    let emulator = start(builder).await;
    let started = Instant::now();
    let runs = client_by_default(&emulator).runs(query());
    let (seen, end) = drain(runs.stream()).await;
    end.unwrap();
    assert_eq!(seen, emulator.ids());
    assert_pace(&emulator, 60);
    let arrivals: Vec<_> = emulator.requests().iter().map(|it| it.at).collect();
    let in_half_a_second = arrivals.iter().filter(|at| **at < SECOND / 2).count();
    assert!(in_half_a_second <= 35, "{in_half_a_second}");
    assert!(started.elapsed() < 8 * SECOND, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn clones_share_their_pace() {
    let emulator = start(Emulator::builder().runs(295)).await;
    let client = paced(&emulator, 10.0);
    let started = Instant::now();
    let walks = [(); 3].map(|()| drain(client.clone().runs(query()).stream()));
    let count = client.count("a");
    let (walks, count) = tokio::join!(futures::future::join_all(walks), count);
    assert_eq!(count.unwrap(), 295);
    for (seen, end) in walks {
        end.unwrap();
        assert_eq!(seen, emulator.ids());
    }
    assert_eq!(emulator.requests().len(), 91);
    assert_pace(&emulator, 10);
    assert!(started.elapsed() < 10 * SECOND, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn each_list_has_a_pace_of_its_own() {
    let emulator = start(Emulator::builder().runs(395)).await;
    let client = paced(&emulator, 10.0);
    let started = Instant::now();
    let lists = [
        RunQuery::actor("a"),
        RunQuery::actor("b"),
        RunQuery::task("a"),
    ];
    let walks = lists.map(|list| drain(client.runs(list.page_size(10)).stream()));
    for (seen, end) in futures::future::join_all(walks).await {
        end.unwrap();
        assert_eq!(seen, emulator.ids());
    }
    let elapsed = started.elapsed();
    assert!((3 * SECOND..6 * SECOND).contains(&elapsed), "{elapsed:?}");
    assert_pace(&emulator, 30);
}

#[tokio::test(start_paused = true)]
async fn all_lists_together_keep_to_the_total_rate() {
    let emulator = start(Emulator::builder().runs(395)).await;
    let builder = emulator.client_builder().max_requests_per_second(10.0);
    let client = builder.max_total_requests_per_second(20.0).build().unwrap();
    let started = Instant::now();
    let walks = ["a", "b", "c"].map(|actor| {
        let query = RunQuery::actor(actor).page_size(10);
        drain(client.runs(query).stream())
    });
    for (seen, end) in futures::future::join_all(walks).await {
        end.unwrap();
        assert_eq!(seen, emulator.ids());
    }
    assert_pace(&emulator, 20);
    assert!(started.elapsed() < 9 * SECOND, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_one_list_does_not_slow_another() {
    let refusal = Fault::status_retry_after(429, 30);
    let builder = Emulator::builder().runs(400).fault(1..=1, refusal);
    let emulator = start(builder.latency(SECOND / 10)).await;
    let client = emulator.client();
    let mut refused = Box::pin(drain(client.runs(query()).stream()));
    assert!(timeout(SECOND / 2, &mut refused).await.is_err());

    let started = Instant::now();
    let other = RunQuery::actor("b").page_size(10);
    let (seen, end) = drain(client.runs(other).stream()).await;
    end.unwrap();
    assert_eq!(seen, emulator.ids());
    assert!(started.elapsed() < 5 * SECOND, "{:?}", started.elapsed());

    let (seen, end) = refused.await;
    end.unwrap();
    assert_eq!(seen, emulator.ids());
    assert!(started.elapsed() >= 29 * SECOND, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_list_keeps_its_pace_from_one_reader_to_the_next() {
    let emulator = start(Emulator::builder().runs(5)).await;
    let client = paced(&emulator, 10.0);
    for _ in 0..40 {
        assert_eq!(client.count("a").await.unwrap(), 5);
    }
    assert_pace(&emulator, 10);
}

#[tokio::test(start_paused = true)]
async fn to_wait_for_a_turn_costs_nothing_of_the_time_for_a_page() {
    let emulator = start(Emulator::builder().runs(100)).await;
    let policy = RetryPolicy::default().max_elapsed(2 * SECOND);
    let builder = emulator.client_builder().retry(policy);
    let client = builder.max_requests_per_second(0.2).build().unwrap();
    let started = Instant::now();
    let (seen, end) = drain(client.runs(query()).stream()).await;
    end.unwrap();
    assert_eq!(seen, emulator.ids());
    assert!(started.elapsed() >= 45 * SECOND, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_nobody_asks_until_the_time_it_names() {
    let refusal = Fault::status_retry_after(429, 7);
    let builder = Emulator::builder().runs(400).fault(5..=6, refusal);
    let emulator = start(builder.latency(SECOND / 10)).await;
    let client = emulator.client();
    let (one, other) = tokio::join!(
        drain(client.runs(query()).stream()),
        drain(client.runs(query()).stream()),
    );
    for (seen, end) in [one, other] {
        end.unwrap();
        assert_eq!(seen, emulator.ids());
    }
    let refused = emulator.requests()[4].at + SECOND / 10;
    let arrivals = emulator.requests().into_iter().map(|it| it.at);
    let early: Vec<_> = arrivals
        .filter(|at| (refused + SECOND / 10..refused + 7 * SECOND).contains(at))
        .collect();
    assert!(early.is_empty(), "{early:?}, refused at {refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_walk_that_nobody_polls_keeps_nobody_waiting() {
    for concurrency in [1, 8] {
        let emulator = start(Emulator::builder().runs(100)).await;
        let client = paced(&emulator, 0.1);
        client.count("a").await.unwrap();
        // It waits for its turn, and is left alone there: a branch of `select!` does that.
        let mut runs = client.runs(query()).concurrency(concurrency).stream();
        assert!(runs.next().now_or_never().is_none());
        let mut count = Box::pin(client.count("a"));
        assert!((&mut count).now_or_never().is_none());

        let others = timeout(60 * SECOND, client.count("a")).await;
        assert_eq!(others.unwrap().unwrap(), 100);
        assert_eq!(count.await.unwrap(), 100);
        assert!(runs.next().await.unwrap().is_ok());
    }
}

/// Reads for a minute, and says how many requests were let through and refused.
async fn read_for_a_minute(emulator: &Emulator, client: &Client) -> (u64, u64) {
    let mut runs = client.runs(query()).stream();
    let started = Instant::now();
    while started.elapsed() < 60 * SECOND {
        runs.next().await.unwrap().unwrap();
    }
    let refused = emulator.refused();
    (emulator.requests().len() as u64 - refused, refused)
}

#[tokio::test(start_paused = true)]
async fn what_the_service_allows_is_used_and_seldom_exceeded() {
    let builder = || {
        let builder = Emulator::builder().runs(40_000);
        builder.latency(SECOND / 10)
    };
    // Told by the service, or by the user.
    for (builder, rate) in [
        (builder().rate_limit(60), f64::INFINITY),
        (builder().hidden_rate_limit(60), 60.0),
    ] {
        let emulator = start(builder).await;
        let builder = emulator.client_builder().max_requests_per_second(rate);
        let client = builder.build().unwrap();
        let (allowed, refused) = read_for_a_minute(&emulator, &client).await;
        assert!(allowed >= 60 * 60 * 95 / 100, "{allowed} in a minute");
        assert!(refused * 100 < allowed, "{refused} of {allowed} refused");
    }
}

/// Nobody says how fast is too fast: refusals do.
#[tokio::test(start_paused = true)]
async fn a_limit_that_nobody_tells_is_found() {
    let builder = Emulator::builder().runs(12_000).hidden_rate_limit(20);
    let emulator = start(builder.latency(SECOND / 10)).await;
    let started = Instant::now();
    let runs = client_by_default(&emulator).runs(query());
    let (seen, end) = drain(runs.stream()).await;
    end.unwrap();
    assert_eq!(seen, emulator.ids());
    let (requests, refused) = (emulator.requests().len() as u64, emulator.refused());
    let good = (requests - refused) as f64 / started.elapsed().as_secs_f64();
    assert!(good >= 20.0 * 0.9, "{good} a second");
    assert!(refused * 20 < requests, "{refused} of {requests} refused");
}

/// A million runs at 60 pages a second take 17 s, whatever the latency.
#[tokio::test(start_paused = true)]
async fn there_is_nothing_to_set_for_speed() {
    for (latency, pages_a_second) in [(50, 57.0), (300, 55.0), (1000, 45.0)] {
        let builder = Emulator::builder().runs(10_000).rate_limit(60);
        let builder = builder.latency(Duration::from_millis(latency));
        let emulator = start(builder).await;
        let started = Instant::now();
        let runs = client_by_default(&emulator).runs(query());
        let (seen, end) = drain(runs.stream()).await;
        end.unwrap();
        assert_eq!(seen, emulator.ids());
        let rate = 1000.0 / started.elapsed().as_secs_f64();
        assert!(
            rate >= pages_a_second,
            "{latency} ms: {rate} pages a second"
        );
        assert_eq!(emulator.refused(), 0, "{latency} ms");
        assert_pace(&emulator, 60);
    }
}

/// For hours, every request of up to 64 pages fails.
#[tokio::test(start_paused = true)]
async fn an_outage_is_met_with_few_retries() {
    let outage = Fault::status(503);
    let builder = Emulator::builder().runs(10_000).fault(20.., outage);
    let emulator = start(builder.latency(SECOND)).await;
    let policy = RetryPolicy::default().max_retries(1000);
    let builder = emulator.client_builder().retry(policy);
    let client = builder.max_requests_per_second(60.0).build().unwrap();
    let (_, end) = drain(client.runs(query()).concurrency(64).stream()).await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::Api);
    let arrivals: Vec<_> = emulator.requests().iter().map(|it| it.at).collect();
    let first = arrivals[19];
    let early = |at: &&Duration| **at > first && **at < first + 10 * SECOND;
    let count = arrivals.iter().filter(early).count();
    // The pages in flight, what is saved up, and five retries a second.
    assert!(count <= 64 + 20 + 10 * 5, "{count} requests in ten seconds");
}
