//! What each fault of a service comes to: complete rows, or the right error in time.

use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apify_runs::emulator::{Emulator, Fault};
use apify_runs::{Error, ErrorKind, RetryPolicy, RunQuery};
use tokio::time::Instant;

use crate::{drain, start};

const SECOND: Duration = Duration::from_secs(1);

/// Every fault that passes with time.
fn passing_faults() -> Vec<Fault> {
    let mut faults: Vec<_> = [408, 429, 500, 502, 503, 504, 599]
        .map(Fault::status)
        .into();
    faults.extend([
        Fault::Hang,
        Fault::Stall,
        Fault::Reset,
        Fault::Truncate,
        Fault::Html { status: 200 },
        Fault::Html { status: 502 },
        Fault::BrokenJson,
        Fault::Empty,
        Fault::ErrorInOk,
    ]);
    faults
}

/// Walks a list whose requests all fail this way, under this policy.
async fn give_up(fault: Fault, policy: RetryPolicy) -> (Error, Duration, usize) {
    let emulator = start(Emulator::builder().runs(5).fault(.., fault)).await;
    let client = emulator.client_builder().retry(policy).build().unwrap();
    let started = Instant::now();
    let (seen, end) = drain(client.runs("a").stream()).await;
    assert!(seen.is_empty());
    (
        end.unwrap_err(),
        started.elapsed(),
        emulator.requests().len(),
    )
}

fn assert_within(elapsed: Duration, from: Duration, to: Duration) {
    // The paused clock goes on a little with every exchange over a socket.
    let to = to + SECOND / 2;
    assert!(
        (from..to).contains(&elapsed),
        "{elapsed:?} is not in {from:?}..{to:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_passes_costs_time_but_no_row() {
    for fault in passing_faults() {
        let slow = matches!(fault, Fault::Hang | Fault::Stall);
        let builder = Emulator::builder().runs(250).fault(2..=3, fault.clone());
        let emulator = start(builder).await;
        let client = emulator
            .client_builder()
            .timeout(30 * SECOND)
            .build()
            .unwrap();
        let query = RunQuery::actor("a").page_size(100);
        let started = Instant::now();
        let mut runs = client.runs(query).concurrency(1).stream();
        let mut seen = Vec::new();
        while let Some(run) = futures::StreamExt::next(&mut runs).await {
            seen.push(
                run.unwrap_or_else(|error| panic!("{fault:?}: {error}"))
                    .id
                    .to_string(),
            );
        }

        assert_eq!(seen, emulator.ids(), "{fault:?}");
        assert_eq!(emulator.requests().len(), 5, "{fault:?}");
        let stats = runs.stats();
        assert_eq!(
            (stats.requests, stats.retries, stats.rows),
            (5, 2, 250),
            "{fault:?}"
        );
        assert_eq!(stats.total, Some(250));
        // Two delays, of 500 ms to 1 s and of 1 s to 2 s, and two timeouts where it hangs.
        let waiting = if slow { 60 * SECOND } else { Duration::ZERO };
        assert_within(
            started.elapsed(),
            waiting + 3 * SECOND / 2,
            waiting + 3 * SECOND,
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_stays_is_an_error_of_its_kind() {
    let short = |error: &Error| (error.kind(), error.status());
    for (fault, expected, message) in [
        (
            Fault::status(408),
            (ErrorKind::Api, Some(408)),
            "408 Request Timeout (request-timeout)",
        ),
        (
            Fault::status(429),
            (ErrorKind::RateLimited, Some(429)),
            "(rate-limit-exceeded)",
        ),
        (
            Fault::status(500),
            (ErrorKind::Api, Some(500)),
            "(internal-server-error)",
        ),
        (
            Fault::status(503),
            (ErrorKind::Api, Some(503)),
            "(query-timeout)",
        ),
        (
            Fault::Hang,
            (ErrorKind::Timeout, None),
            "no complete response within 60s",
        ),
        (
            Fault::Stall,
            (ErrorKind::Timeout, None),
            "no complete response within 60s",
        ),
        (
            Fault::Reset,
            (ErrorKind::Transport, None),
            "the connection failed",
        ),
        (
            Fault::Truncate,
            (ErrorKind::Transport, None),
            "the response was cut off",
        ),
        (
            Fault::Html { status: 200 },
            (ErrorKind::Decode, Some(200)),
            "it begins \"<html>",
        ),
        (
            Fault::Html { status: 502 },
            (ErrorKind::Api, Some(502)),
            "502 Bad Gateway: \"<html>",
        ),
        (
            Fault::BrokenJson,
            (ErrorKind::Decode, Some(200)),
            "EOF while parsing",
        ),
        (
            Fault::Empty,
            (ErrorKind::Decode, Some(200)),
            "the response is empty",
        ),
        (
            Fault::ErrorInOk,
            (ErrorKind::Api, Some(200)),
            "(operation-canceled)",
        ),
    ] {
        let (error, _, requests) = give_up(fault.clone(), RetryPolicy::none()).await;
        assert_eq!(short(&error), expected, "{fault:?}");
        let text = error.to_string();
        assert!(
            text.starts_with("GET /v2/acts/a/runs?offset=0&limit=1000: "),
            "{text}"
        );
        assert!(text.contains(message), "{text}");
        assert!(error.is_transient(), "{fault:?}");
        assert_eq!((requests, error.attempts()), (1, 1), "{fault:?}");
        let has_cause = error.kind() == ErrorKind::Transport;
        assert_eq!(error.source().is_some(), has_cause, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_is_final_is_not_retried() {
    for (status, kind, api_type) in [
        (400, ErrorKind::Api, "invalid-value"),
        (401, ErrorKind::Auth, "user-or-token-not-found"),
        (403, ErrorKind::Auth, "insufficient-permissions"),
        (404, ErrorKind::NotFound, "record-not-found"),
    ] {
        let policy = RetryPolicy::default();
        let (error, elapsed, requests) = give_up(Fault::status(status), policy).await;
        assert_eq!((error.kind(), error.status()), (kind, Some(status)));
        assert_eq!(error.api_type(), Some(api_type));
        assert!(!error.is_transient());
        assert_eq!(requests, 1);
        assert_within(elapsed, Duration::ZERO, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_policy_sends_nine_times_within_its_budget() {
    let (error, elapsed, requests) = give_up(Fault::status(503), RetryPolicy::default()).await;
    assert_eq!((requests, error.attempts()), (9, 9));
    // 0.5 + 1 + 2 + 4 + 8 + 16 + 32 + 60, each up to twice as long.
    assert_within(elapsed, Duration::from_millis(123_500), 247 * SECOND);
    assert_within(error.elapsed(), elapsed - SECOND, elapsed);
    assert!(
        error.to_string().contains("(after 9 attempts in "),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_budget_counts_requests_too() {
    let policy = RetryPolicy::default()
        .jitter(false)
        .max_elapsed(130 * SECOND);
    let (error, elapsed, requests) = give_up(Fault::Hang, policy).await;
    // 60 s, a delay, 60 s, a delay, and an attempt cut off at the end of the budget.
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(requests, 3);
    assert_within(elapsed, 130 * SECOND, 130 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn no_delay_outlasts_the_budget() {
    let policy = RetryPolicy::default()
        .jitter(false)
        .max_elapsed(10 * SECOND);
    let (error, elapsed, requests) = give_up(Fault::status(500), policy).await;
    // After 0.5 + 1 + 2 + 4 s the next delay, of 8 s, would end too late.
    assert_eq!((requests, error.attempts()), (5, 5));
    assert_within(
        elapsed,
        Duration::from_millis(7500),
        Duration::from_millis(7500),
    );
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_a_floor() {
    for (retry_after, from, to) in [("7", 7000, 7000), ("0", 500, 1000)] {
        let fault = Fault::status_retry_after(429, retry_after);
        let emulator = start(Emulator::builder().runs(5).fault(1..=1, fault)).await;
        let started = Instant::now();
        let (seen, end) = drain(emulator.client().runs("a").stream()).await;
        end.unwrap();
        assert_eq!(seen.len(), 5);
        let [from, to] = [from, to].map(Duration::from_millis);
        assert_within(started.elapsed(), from, to);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_may_be_a_date() {
    let in_a_minute = chrono::Utc::now() + chrono::TimeDelta::seconds(60);
    let date = in_a_minute.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let fault = Fault::status_retry_after(503, date);
    let emulator = start(Emulator::builder().runs(5).fault(1..=1, fault)).await;
    let started = Instant::now();
    let (_, end) = drain(emulator.client().runs("a").stream()).await;
    end.unwrap();
    assert_within(started.elapsed(), 57 * SECOND, 61 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_the_budget_is_not_waited_for() {
    let fault = Fault::status_retry_after(429, 3600);
    let (error, elapsed, requests) = give_up(fault, RetryPolicy::default()).await;
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(3600 * SECOND));
    assert_eq!(requests, 1);
    assert_within(elapsed, Duration::ZERO, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn each_retry_is_announced() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let policy = RetryPolicy::default()
        .jitter(false)
        .max_retries(2)
        .on_retry({
            let events = Arc::clone(&events);
            move |event| {
                let text = format!(
                    "{} {:?} {:?}",
                    event.attempts,
                    event.delay,
                    event.error.kind()
                );
                events.lock().unwrap().push(text);
            }
        });
    give_up(Fault::BrokenJson, policy).await;
    assert_eq!(*events.lock().unwrap(), ["1 500ms Decode", "2 1s Decode"]);
}

#[tokio::test(start_paused = true)]
async fn a_total_that_is_nonsense_loses_no_row() {
    for total in [0, 1, 99, 100, 101, 250, 251, 1 << 53, u64::MAX] {
        let builder = Emulator::builder().runs(250).fault(.., Fault::Total(total));
        let emulator = start(builder).await;
        let query = RunQuery::actor("a").page_size(100);
        for concurrency in [1, 8] {
            let before = emulator.requests().len();
            let runs = emulator.client().runs(&query).concurrency(concurrency);
            let (seen, end) = drain(runs.stream()).await;
            end.unwrap();
            assert_eq!(seen, emulator.ids(), "total {total}");
            let requests = emulator.requests().len() - before;
            let in_vain = 2 * (concurrency - 1);
            assert!(requests <= 6 + in_vain, "{requests}, total {total}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_long_is_not_read_to_its_end() {
    let emulator = start(Emulator::builder().runs(1000)).await;
    let builder = emulator.client_builder().max_page_bytes(100_000);
    let (_, end) = drain(builder.build().unwrap().runs("a").stream()).await;
    let error = end.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let message = "the response is longer than max_page_bytes 100000";
    assert!(error.to_string().contains(message), "{error}");
    assert_eq!(emulator.requests().len(), 1, "a retry would be as long");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_repeats_the_token_does_not_show_it() {
    let token = "s3cret-token";
    for body in [
        format!("<p>no access for {token}</p>"),
        format!(r#"{{"error":{{"type":"{token}","message":"bad {token}"}}}}"#),
    ] {
        let builder = Emulator::builder()
            .token(token)
            .fault(.., Fault::body(body));
        let emulator = start(builder).await;
        let client = emulator.client_builder().retry(RetryPolicy::none());
        let (_, end) = drain(client.build().unwrap().runs("a").stream()).await;
        let error = end.unwrap_err();
        let shown = format!("{error} {error:?} {:?}", error.api_type());
        assert!(shown.contains("[token]"), "{shown}");
        assert!(!shown.contains(token), "{shown}");
    }
}
