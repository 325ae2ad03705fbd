//! What a user of the crate sees, on real HTTP: one file for each kind of behaviour.
//!
//! Time is paused: what takes minutes for the crate takes milliseconds here. It runs only in
//! `hostile`, whose servers are no emulators, and where a test has a runtime of several threads.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod cancel;
mod client;
mod compression;
mod concurrency;
mod emulator;
mod faults;
mod follow;
mod histories;
mod hostile;
mod lists;
mod moving;
mod pace;
mod resume;
mod rows;
mod split;
mod stream;
#[cfg(feature = "tracing")]
mod trace;
mod unfinished;
mod walk;

use apify_runs::emulator::{Emulator, EmulatorBuilder};
use apify_runs::{Client, Result, RunStream};
use futures::StreamExt;

/// Starts an emulator for a test on paused time.
async fn start(builder: EmulatorBuilder) -> Emulator {
    builder.virtual_time().start().await.unwrap()
}

/// Settings for an HTTP client of an emulator.
fn http() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().no_proxy();
    // To read the certificates of the system takes longer than a test.
    #[cfg(feature = "rustls")]
    let builder = builder.tls_backend_rustls().tls_certs_only([]);
    builder
}

/// An emulator with this many generated runs.
async fn emulator(runs: u64) -> Emulator {
    start(Emulator::builder().runs(runs)).await
}

/// A client as a program has it that sets nothing.
fn client_by_default(emulator: &Emulator) -> Client {
    let builder = Client::builder().base_url(emulator.base_url());
    builder.token(emulator.token()).build().unwrap()
}

/// What a stream hands out until it ends: IDs, and the error it ended with.
async fn drain(mut stream: RunStream) -> (Vec<String>, Result<()>) {
    let mut ids = Vec::new();
    while let Some(run) = stream.next().await {
        match run {
            Ok(run) => ids.push(run.id.to_string()),
            Err(error) => return (ids, Err(error)),
        }
    }
    (ids, Ok(()))
}
