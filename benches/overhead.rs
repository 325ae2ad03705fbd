//! What a stream with one page in flight takes, as a ratio to what it is made of: the bytes
//! over the socket, and pages decoded again and again. Measured in turns, so that a machine
//! that is slower for a while is slower for all three.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod server;

use std::hint::black_box;
use std::time::Duration;

use apify_runs::RunPage;

use server::{Server, count, runtime, time};

const PAGE: u64 = 1000;
const PAGES: u64 = 200;
const TURNS: usize = 41;

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let turns = if is_test { 1 } else { TURNS };
    let server = Server::start(PAGES * PAGE, Duration::ZERO);
    let (client, runtime) = (server.client(), runtime());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = server.body(PAGE);

    let offsets = || (0..PAGES * PAGE).step_by(PAGE as usize);
    let raw_bytes = async || server.read_bytes(&http, offsets()).await;
    let decode = || {
        for _ in 0..PAGES {
            black_box(RunPage::from_json(black_box(&body)).unwrap());
        }
    };
    let stream = async || {
        let runs = client.runs("a").concurrency(1).stream();
        assert_eq!(count(runs).await, PAGES * PAGE);
    };

    // The server renders its pages.
    runtime.block_on(raw_bytes());
    runtime.block_on(stream());
    let mut ratios = Vec::new();
    let mut sums = [Duration::ZERO; 3];
    for _ in 0..turns {
        let times = [
            time(|| runtime.block_on(raw_bytes())),
            time(decode),
            time(|| runtime.block_on(stream())),
        ];
        for (sum, time) in sums.iter_mut().zip(times) {
            *sum += time;
        }
        let [raw_bytes, decode, stream] = times.map(|time| time.as_secs_f64());
        ratios.push(stream / (raw_bytes + decode));
    }
    ratios.sort_by(f64::total_cmp);
    let pages = turns as u128 * u128::from(PAGES);
    let [raw_bytes, decode, stream] = sums.map(|sum| sum.as_micros() / pages);
    println!("a page: raw bytes {raw_bytes} µs, decode {decode} µs, stream {stream} µs");
    println!("stream / (raw bytes + decode): {:.2}", ratios[turns / 2]);
}
