//! How often memory is asked for: a row with IDs of 17 characters takes none of its own.
//!
//! Counted, not timed. Fails if a row ever costs an allocation.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "not an API; a benchmark may panic"
)]

mod server;

use std::alloc::System;

use apify_runs::ListPage;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use server::{Server, forms, runtime};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RUNS: u64 = 100_000;
const PAGE: u64 = 1000;

fn main() {
    for (name, emulator) in forms(RUNS) {
        check(name, &Server::start(emulator));
    }
}

fn check(form: &str, server: &Server) {
    let body = server.body(PAGE);
    let of_page = count(|| {
        let page = ListPage::from_json(&body).unwrap();
        page.items.len() as u64
    });
    println!("{form} run_page: {of_page:.4} allocations a row");
    assert!(of_page < 0.01, "a row of a page takes memory of its own");

    let (client, runtime) = (server.client(), runtime());
    let walk = || runtime.block_on(server::count(client.runs("a").stream()));
    // Let the server render its pages.
    walk();
    let of_stream = count(walk);
    println!("{form} run_stream: {of_stream:.4} allocations a row, the server's included");
    assert!(of_stream < 0.5, "a row of a stream takes memory of its own");
}

/// Allocations for each of the rows that `read` returns the number of.
fn count(read: impl FnOnce() -> u64) -> f64 {
    let region = Region::new(ALLOCATOR);
    let rows = read();
    let change = region.change();
    (change.allocations + change.reallocations) as f64 / rows as f64
}
