//! The pace of readers, against a model of the service.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use proptest::prelude::*;

use super::*;

const A_SECOND: Duration = Duration::from_secs(1);

/// When requests are sent that are always ready.
fn sent(pace: &mut Pace, from: Instant, count: usize) -> Vec<Instant> {
    let (mut now, mut sent) = (from, Vec::new());
    while sent.len() < count {
        match pace.admit(now) {
            Ok(permit) => sent.push(permit.sent_at),
            Err(time) => {
                assert!(time > now, "no time to wait for");
                now = time;
            }
        }
    }
    sent
}

/// A response without a body, after 100 ms.
fn report(status: u16, rate_limit: Option<f64>) -> PaceReport {
    PaceReport {
        status: StatusCode::from_u16(status).unwrap(),
        rate_limit,
        latency: A_SECOND / 10,
        body_bytes: 0,
    }
}

#[test]
fn no_second_has_more_requests_than_the_rate() {
    for rate in [0.25, 1.0, 2.5, 30.0, 59.9, 60.0, 1000.0] {
        let mut pace = Pace::new(Rate::fixed(rate));
        let count = (rate * 10.0).ceil() as usize;
        let sent = sent(&mut pace, Instant::now(), count);
        let requests = rate.ceil() as usize;
        let window = Duration::from_secs_f64(requests as f64 / rate);
        for (first, over) in sent.iter().zip(&sent[requests..]) {
            assert!(*over - *first >= window, "{rate}");
        }
        // And not many less.
        let elapsed = (sent[count - 1] - sent[0]).as_secs_f64();
        assert!(count as f64 / elapsed > rate * 0.95, "{rate}: {elapsed} s");
    }
}

#[test]
fn a_lower_rate_of_the_service_counts_and_a_higher_one_does_not() {
    for (told, per_second) in [(5.0, 5), (500.0, 30)] {
        let mut pace = Pace::new(Rate::new(30.0));
        let start = Instant::now();
        let permit = pace.admit(start).unwrap();
        pace.take(permit, &report(200, Some(told)), start);
        let later = sent(&mut pace, start + A_SECOND, 100);
        for (first, over) in later.iter().zip(&later[per_second..]) {
            assert!(*over - *first >= A_SECOND, "{told}");
        }
    }
}

/// A timer fires late.
#[test]
fn a_request_that_is_a_little_late_delays_no_other() {
    let mut pace = Pace::new(Rate::fixed(60.0));
    let start = Instant::now();
    let (mut now, mut sent) = (start, Vec::new());
    while sent.len() < 600 {
        match pace.admit(now) {
            Ok(permit) => sent.push(permit.sent_at),
            Err(time) => now = time + Duration::from_micros(sent.len() as u64 % 10 * 900),
        }
    }
    for (first, over) in sent.iter().zip(&sent[60..]) {
        assert!(*over - *first >= A_SECOND);
    }
    assert!(sent[599] - start <= Duration::from_millis(10_250));
}

#[test]
fn without_a_rate_nothing_waits() {
    let mut pace = Pace::new(Rate::new(f64::INFINITY));
    let start = Instant::now();
    assert_eq!(sent(&mut pace, start, 10_000)[9_999], start);
}

#[test]
fn a_rate_that_is_not_used_does_not_grow() {
    let mut pace = Pace::new(Rate::new(60.0));
    let mut now = Instant::now();
    for _ in 0..100 {
        let permit = pace.admit(now).unwrap();
        now += A_SECOND / 2;
        pace.take(permit, &report(200, None), now);
    }
    assert_eq!(pace.rate.per_second(), 30.0);
}

/// A list whose service allows `limit` requests in any second, to all its readers together.
#[derive(Debug, Clone)]
struct Service {
    limit: u32,
    is_announced: bool,
    retry_after: Option<Duration>,
    /// The shortest and the longest time of a request.
    latency: (Duration, Duration),
}

/// What a reader has got, and what the service has let through.
#[derive(Debug, Default)]
struct Outcome {
    /// The good responses of each reader.
    good: Vec<u32>,
    refused: u32,
    /// When each reader sent its requests, since the start.
    sent: Vec<Vec<Duration>>,
    elapsed: Duration,
}

impl Outcome {
    fn all_good(&self) -> u32 {
        self.good.iter().sum()
    }

    /// Good responses a second, over those that the service allows.
    fn used(&self, limit: u32) -> f64 {
        f64::from(self.all_good()) / self.elapsed.as_secs_f64() / f64::from(limit)
    }

    /// The part of all requests that were refused.
    fn refused(&self) -> f64 {
        f64::from(self.refused) / f64::from(self.refused + self.all_good())
    }
}

/// Numbers between 0 and 1, the same ones for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1_u64 << 31) as f64
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A reader tries to send.
    Send,
    /// A response arrives: when it was sent, whether the rate was used, and its status.
    Receive(Instant, bool, u16),
}

/// Reads with this many readers, each with its own pace and as many pages in flight as it wants.
/// A refused request is repeated after a delay, and meanwhile no other takes its place.
fn read(service: &Service, paces: &mut [Pace], elapsed: Duration, seed: u64) -> Outcome {
    let last_sent = paces.iter().filter_map(|pace| pace.last_sent).max();
    let start = last_sent.unwrap_or_else(Instant::now);
    let mut dice = Dice(seed);
    let mut arrivals: VecDeque<Instant> = VecDeque::new();
    let mut outcome = Outcome {
        good: vec![0; paces.len()],
        sent: vec![Vec::new(); paces.len()],
        elapsed,
        ..Outcome::default()
    };
    let mut busy = vec![0; paces.len()];
    let mut wakes = vec![start; paces.len()];
    let mut events = BinaryHeap::new();
    // Readers start within a second.
    for reader in 0..paces.len() {
        let at = start + A_SECOND.mul_f64(dice.roll() * (paces.len() - 1).min(1) as f64);
        events.push(Reverse((at, Event::Send, reader)));
    }
    while let Some(Reverse((now, event, reader))) = events.pop() {
        if now > start + elapsed {
            break;
        }
        let pace = &mut paces[reader];
        match event {
            Event::Send => {}
            Event::Receive(sent_at, uses_rate, status) => {
                let mut report = report(
                    status,
                    service.is_announced.then(|| f64::from(service.limit)),
                );
                report.latency = now - sent_at;
                pace.take(Permit { sent_at, uses_rate }, &report, now);
                if status == 200 {
                    outcome.good[reader] += 1;
                    busy[reader] -= 1;
                } else {
                    outcome.refused += 1;
                    if let Some(wait) = service.retry_after {
                        pace.paused_until = pace.paused_until.max(Some(now + wait));
                    }
                    let delay = Duration::from_millis(500).mul_f64(1.0 + dice.roll());
                    let delay = delay.max(service.retry_after.unwrap_or_default());
                    // It is the turn of this request again.
                    busy[reader] -= 1;
                    events.push(Reverse((now + delay, Event::Send, reader)));
                }
            }
        }
        let wanted = pace
            .averages
            .pages_in_flight(pace.rate.per_second(), usize::MAX)
            .wanted;
        // The first page comes alone.
        let wanted = if outcome.good[reader] == 0 { 1 } else { wanted };
        while busy[reader] < wanted {
            let permit = match pace.admit(now) {
                Ok(permit) => permit,
                Err(time) => {
                    if wakes[reader] < time {
                        wakes[reader] = time;
                        events.push(Reverse((time, Event::Send, reader)));
                    }
                    break;
                }
            };
            busy[reader] += 1;
            outcome.sent[reader].push(now - start);
            let (shortest, longest) = service.latency;
            let latency = shortest + (longest - shortest).mul_f64(dice.roll());
            // Half of the time is the way there.
            let arrival = now + shortest / 2;
            while arrivals
                .front()
                .is_some_and(|first| *first + A_SECOND <= arrival)
            {
                arrivals.pop_front();
            }
            let limit = service.limit as usize;
            let status = if arrivals.len() < limit { 200 } else { 429 };
            if status == 200 {
                arrivals.push_back(arrival);
            }
            let response = Event::Receive(now, permit.uses_rate, status);
            events.push(Reverse((now + latency, response, reader)));
        }
    }
    outcome
}

impl Service {
    fn of(limit: u32, latency: u64) -> Self {
        let latency = Duration::from_millis(latency);
        Self {
            limit,
            is_announced: true,
            retry_after: None,
            latency: (latency, latency),
        }
    }

    fn hidden(self) -> Self {
        Self {
            is_announced: false,
            ..self
        }
    }
}

/// Paces as a client has them by default.
fn paces(readers: usize) -> Vec<Pace> {
    let pace = |_| Pace::new(Rate::new(60.0));
    (0..readers).map(pace).collect()
}

/// Whether no reader sent more than `limit` requests in a second, but for the first pages, which
/// are sent before the limit is known.
fn keeps_to(limit: u32, outcome: &Outcome) -> bool {
    let keeps = |sent: &Vec<Duration>| {
        let sent = &sent[1.min(sent.len())..];
        let over = sent.iter().skip(limit as usize);
        sent.iter()
            .zip(over)
            .all(|(first, over)| *over - *first >= A_SECOND)
    };
    outcome.sent.iter().all(keeps)
}

/// A million runs at the service's limit.
#[test]
fn one_reader_gets_what_the_service_announces() {
    for (latency, used) in [(50, 0.95), (300, 0.92), (1000, 0.8)] {
        let service = Service::of(60, latency);
        let outcome = read(&service, &mut paces(1), 17 * A_SECOND, 1);
        assert!(
            outcome.used(60) >= used,
            "{latency} ms: {}",
            outcome.used(60)
        );
        assert_eq!(outcome.refused, 0, "{latency} ms");
    }
}

#[test]
fn a_limit_that_nobody_announces_is_found() {
    for (limit, latency, used, refused) in [
        (20, 50, 0.9, 0.05),
        (20, 300, 0.9, 0.07),
        (5, 100, 0.85, 0.25),
        (60, 100, 0.95, 0.0),
    ] {
        let service = Service::of(limit, latency).hidden();
        let outcome = read(&service, &mut paces(1), 60 * A_SECOND, 1);
        let (now_used, now_refused) = (outcome.used(limit), outcome.refused());
        assert!(now_used >= used, "{limit}, {latency} ms: {now_used}");
        assert!(
            now_refused <= refused,
            "{limit}, {latency} ms: {now_refused}"
        );
    }
}

#[test]
fn readers_of_one_list_get_equal_parts_of_the_limit() {
    for (limit, latency) in [(60, 50), (60, 100), (60, 300)] {
        let service = Service::of(limit, latency);
        for (readers, least, seed) in [(2, 0.7, 1), (2, 0.7, 2), (5, 0.4, 3)] {
            let outcome = read(&service, &mut paces(readers), 60 * A_SECOND, seed);
            let (used, good) = (outcome.used(limit), &outcome.good);
            assert!(used >= 0.9, "{readers} at {latency} ms: {used}");
            let equal = f64::from(outcome.all_good()) / readers as f64;
            let smallest = f64::from(*good.iter().min().unwrap());
            assert!(
                smallest >= least * equal,
                "{readers} at {latency} ms: {good:?}"
            );
        }
    }
}

/// A fleet that reads the splits of one list.
#[test]
fn however_many_readers_there_are_few_requests_are_refused() {
    let mut paces = paces(40);
    let service = Service::of(60, 100);
    read(&service, &mut paces, 120 * A_SECOND, 1);
    let outcome = read(&service, &mut paces, 60 * A_SECOND, 2);
    assert!(outcome.used(60) >= 0.9, "{}", outcome.used(60));
    assert!(outcome.refused() <= 0.2, "{}", outcome.refused());
}

/// A reader that comes later gets its part, and one that stays gets all of it again.
#[test]
fn the_limit_is_shared_anew_when_readers_come_and_go() {
    let service = Service::of(60, 100);
    let mut both = paces(2);
    read(&service, &mut both[..1], 20 * A_SECOND, 1);
    let outcome = read(&service, &mut both, 60 * A_SECOND, 2);
    assert!(
        outcome.good[1] >= outcome.all_good() * 35 / 100,
        "{:?}",
        outcome.good
    );
    read(&service, &mut both[..1], 30 * A_SECOND, 3);
    let outcome = read(&service, &mut both[..1], 20 * A_SECOND, 4);
    assert!(outcome.used(60) >= 0.9, "{}", outcome.used(60));
}

#[test]
fn a_lower_limit_is_found_and_a_higher_one_too() {
    for (limit, later) in [(60, 20), (10, 50)] {
        let mut service = Service::of(limit, 100).hidden();
        let mut paces = paces(1);
        read(&service, &mut paces, 30 * A_SECOND, 1);
        service.limit = later;
        read(&service, &mut paces, 60 * A_SECOND, 2);
        let outcome = read(&service, &mut paces, 30 * A_SECOND, 3);
        assert!(
            outcome.used(later) >= 0.85,
            "{limit}, {later}: {}",
            outcome.used(later)
        );
    }
}

#[test]
fn refusals_that_are_for_ever_slow_down_to_the_smallest_rate() {
    let service = Service::of(0, 10).hidden();
    let mut paces = paces(1);
    let outcome = read(&service, &mut paces, 600 * A_SECOND, 1);
    assert_eq!(paces[0].rate.per_second(), 0.5);
    let last_minute = |at: &&Duration| **at >= 540 * A_SECOND;
    let requests = outcome.sent[0].iter().filter(last_minute).count();
    assert!((25..=31).contains(&requests), "{requests}");
}

fn services() -> impl Strategy<Value = Service> {
    let retry_after = prop::option::of((1_u64..3).prop_map(Duration::from_secs));
    let latency = (10_u64..1000, 0_u64..300).prop_map(|(shortest, more)| {
        (
            Duration::from_millis(shortest),
            Duration::from_millis(shortest + more),
        )
    });
    (5_u32..150, any::<bool>(), retry_after, latency).prop_map(
        |(limit, is_announced, retry_after, latency)| Service {
            limit,
            is_announced,
            retry_after,
            latency,
        },
    )
}

proptest! {
    /// Any service and readers: what is announced is kept to, and what is allowed is used.
    #[test]
    fn the_limit_is_kept_and_used(service in services(), readers in 1_usize..6, seed: u64) {
        let mut paces = paces(readers);
        let max = 60.min(service.limit);
        // They learn the limit, and then keep to it.
        read(&service, &mut paces, 60 * A_SECOND, seed);
        let outcome = read(&service, &mut paces, 60 * A_SECOND, seed + 1);
        if service.is_announced {
            prop_assert!(keeps_to(max, &outcome));
        }
        let allowed = service.limit.min(60 * readers as u32);
        // While all wait as told, nobody sends.
        let used = if service.retry_after.is_some() { 0.2 } else { 0.75 };
        prop_assert!(outcome.used(allowed) >= used, "{}", outcome.used(allowed));
        if readers == 1 && service.is_announced {
            prop_assert!(outcome.refused() <= 0.01, "{}", outcome.refused());
        }
    }
}
