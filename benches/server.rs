//! The server that benchmarks read from.

#![allow(dead_code, reason = "not every benchmark needs all of it")]

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use apify_runs::Client;
use apify_runs::emulator::Emulator;
use tokio::runtime::Runtime;
use tokio::sync::oneshot::{self, error::TryRecvError};

/// A runtime of one thread: for the server, and for a client that cannot outdo another by
/// using more of them.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// An emulator on a thread of its own, with its pages rendered beforehand.
pub(crate) struct Server {
    pub(crate) base_url: String,
    pub(crate) token: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(runs: u64, latency: Duration) -> Self {
        let (told, address) = mpsc::channel();
        let (stop, mut stopped) = oneshot::channel();
        let builder = thread::Builder::new().name("emulator".into());
        let thread = builder.spawn(move || {
            runtime().block_on(async {
                let builder = Emulator::builder().runs(runs).latency(latency).keep_pages();
                let emulator = builder.start().await.unwrap();
                let token = emulator.token().to_owned();
                told.send((emulator.base_url(), token)).unwrap();
                // A server that sleeps between two requests must be woken up, which takes longer
                // than its work and would be measured too: stay awake until told to stop.
                while stopped.try_recv() == Err(TryRecvError::Empty) {
                    tokio::task::yield_now().await;
                }
            });
        });
        let (base_url, token) = address.recv().unwrap();
        Self {
            base_url,
            token,
            stop: Some(stop),
            thread: Some(thread.unwrap()),
        }
    }

    /// The body of the page of 1000 rows from this offset on.
    pub(crate) fn body(&self, offset: u64) -> Vec<u8> {
        let url = format!(
            "{}/v2/acts/a/runs?offset={offset}&limit=1000",
            self.base_url
        );
        runtime().block_on(async {
            let request = reqwest::Client::new().get(url).bearer_auth(&self.token);
            let answer = request.send().await.unwrap().error_for_status().unwrap();
            answer.bytes().await.unwrap().to_vec()
        })
    }

    /// A client that may send as many requests as it likes.
    pub(crate) fn client(&self) -> Client {
        let builder = Client::builder()
            .base_url(&self.base_url)
            .token(&self.token)
            .max_requests_per_second(f64::INFINITY);
        builder.build().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
