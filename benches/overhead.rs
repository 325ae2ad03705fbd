//! What a stream with one page in flight takes, as a ratio to what it is made of: the bytes
//! over the socket, and pages decoded again and again. Measured in turns; first for indented
//! JSON, then for compact JSON.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod server;
mod turns;

use std::hint::black_box;

use apify_runs::ListPage;

use server::{Server, count, forms, runtime};
use turns::{in_turns, is_test, median};

const PAGE: u64 = 1000;
const PAGES: u64 = 200;
const TURNS: usize = 41;

fn main() {
    let turns = if is_test() { 1 } else { TURNS };
    for (name, emulator) in forms(PAGES * PAGE) {
        measure(name, &Server::start(emulator), turns);
    }
}

fn measure(form: &str, server: &Server, turns: usize) {
    let (client, runtime) = (server.client(), runtime());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = server.body(PAGE);

    let raw_bytes = || {
        let offsets = (0..PAGES * PAGE).step_by(PAGE as usize);
        runtime.block_on(server.read_bytes(&http, offsets));
    };
    let decode = || {
        for _ in 0..PAGES {
            black_box(ListPage::from_json(black_box(&body)).unwrap());
        }
    };
    let stream = || {
        let runs = client.runs("a").concurrency(1).stream();
        assert_eq!(runtime.block_on(count(runs)), PAGES * PAGE);
    };

    let times = in_turns(turns, [&raw_bytes, &decode, &stream]);
    let ratios = (0..turns).map(|turn| {
        let [raw_bytes, decode, stream] = times.each_ref().map(|seconds| seconds[turn]);
        stream / (raw_bytes + decode)
    });
    let ratio = median(ratios);
    let [raw_bytes, decode, stream] = times.map(|seconds| 1e6 * median(seconds) / PAGES as f64);
    println!(
        "{form}, a page: raw bytes {raw_bytes:.0} µs, decode {decode:.0} µs, stream {stream:.0} µs"
    );
    println!("{form}, stream / (raw bytes + decode): {ratio:.2}");
}
