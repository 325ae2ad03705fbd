//! How many times faster this crate is than a program without it, for JSON that is indented as
//! the service's is, and for compact JSON: from the server to the program, and from the bytes of
//! a page to its rows. Also how much of the first the white space takes.
//!
//! All of it is measured in turns. The server has a thread to itself, and so has the client.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod plain;
mod server;
mod turns;

use std::hint::black_box;

use apify_runs::ListPage;
use apify_runs::emulator::Emulator;

use server::{Server, count, forms, runtime};
use turns::{in_turns, is_test, median, ratio};

const RUNS: u64 = 200_000;
const PAGE: u64 = 1000;
/// How often a page is decoded in a turn.
const PAGES: u32 = 20;
const TURNS: usize = 41;

fn main() {
    let (turns, runs, pages) = match is_test() {
        true => (1, 5 * PAGE, 1),
        false => (TURNS, RUNS, PAGES),
    };
    loopback(turns, runs);
    decode(turns, pages);
}

/// Whole walks, with 8 pages in flight against the loop by hand.
fn loopback(turns: usize, runs: u64) {
    let servers = Server::start_all(forms(runs).map(|(_, emulator)| emulator));
    let runtime = runtime();
    let clients = servers.each_ref().map(Server::client);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let stream = |form: usize| {
        let walk = count(clients[form].runs("a").concurrency(8).stream());
        assert_eq!(runtime.block_on(walk), runs);
    };
    let by_hand = |form: usize| {
        let (base_url, token) = (servers[form].base_url.clone(), servers[form].token.clone());
        let walk = count(plain::runs(http.clone(), base_url, token));
        assert_eq!(runtime.block_on(walk), runs);
    };

    let [indented, indented_by_hand, compact, compact_by_hand] = in_turns(
        turns,
        [&|| stream(0), &|| by_hand(0), &|| stream(1), &|| by_hand(1)],
    );
    let rate = |seconds: &[f64]| runs as f64 / median(seconds.iter().copied());
    println!("{runs} runs over loopback, runs/s: run_stream_8, hand_written_loop; turns: {turns}");
    for (name, stream, by_hand) in [
        ("indented", &indented, &indented_by_hand),
        ("compact", &compact, &compact_by_hand),
    ] {
        let times = ratio(by_hand, stream);
        let (stream, by_hand) = (rate(stream), rate(by_hand));
        println!("{name:9} {stream:>9.0} {by_hand:>9.0}: {times:>5.2} times");
    }
    let share = 100.0 * ratio(&compact, &indented);
    println!("run_stream_8, indented: {share:.0} % of the runs/s of compact");
}

/// A page, from its bytes to its rows.
fn decode(turns: usize, pages: u32) {
    let [indented, compact] = forms(3 * PAGE);
    let untidy = ("untidy", Emulator::builder().runs(3 * PAGE));
    let bodies = [indented, compact, untidy].map(|(name, emulator)| {
        // A full page of an ordinary list.
        (name, Server::start(emulator).body(PAGE))
    });
    println!("a page of {PAGE} rows, ms: run_page, string_struct; turns: {turns}");
    for (name, body) in &bodies {
        let run_page = || {
            for _ in 0..pages {
                black_box(ListPage::from_json(black_box(body)).unwrap());
            }
        };
        let string_struct = || {
            for _ in 0..pages {
                black_box(serde_json::from_slice::<plain::ListResponse>(black_box(body)).unwrap());
            }
        };
        let [run_page, string_struct] = in_turns(turns, [&run_page, &string_struct]);
        let times = ratio(&string_struct, &run_page);
        let [run_page, string_struct] =
            [run_page, string_struct].map(|seconds| 1000.0 * median(seconds) / f64::from(pages));
        let bytes = body.len();
        println!(
            "{name:9} {run_page:>9.3} {string_struct:>9.3}: {times:>5.2} times, {bytes} bytes"
        );
    }
}
