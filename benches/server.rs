//! The server that benchmarks read from.

#![allow(dead_code, reason = "not every benchmark needs all of it")]

use std::fmt::Debug;
use std::sync::{Arc, mpsc};
use std::thread;

use apify_runs::emulator::{Emulator, EmulatorBuilder};
use apify_runs::{Client, ClientBuilder};
use futures::{Stream, StreamExt, pin_mut};
use reqwest::RequestBuilder;
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

/// The list that benchmarks read. All of its rows have the same fields, so that the loop by hand
/// and strict clients take them too. Its JSON is indented, as the service's is.
pub(crate) fn list(runs: u64) -> EmulatorBuilder {
    Emulator::builder().runs(runs).complete_rows()
}

/// The list in both forms, with what to call them: first as the service sends it.
pub(crate) fn forms(runs: u64) -> [(&'static str, EmulatorBuilder); 2] {
    [("indented", list(runs)), ("compact", list(runs).compact())]
}

/// An emulator on another thread, with its pages rendered beforehand.
pub(crate) struct Server {
    pub(crate) base_url: String,
    pub(crate) token: String,
    _thread: Arc<ServerThread>,
}

/// Ends when no server needs it any more.
struct ServerThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(emulator: EmulatorBuilder) -> Self {
        let [server] = Self::start_all([emulator]);
        server
    }

    /// Several that share a thread: a second thread that stays awake would take the client's core.
    pub(crate) fn start_all<const N: usize>(emulators: [EmulatorBuilder; N]) -> [Self; N] {
        Self::run(emulators, true)
    }

    /// One that sleeps between two requests, and leaves its core to others meanwhile.
    pub(crate) fn start_sleeping(emulator: EmulatorBuilder) -> Self {
        let [server] = Self::run([emulator], false);
        server
    }

    fn run<const N: usize>(emulators: [EmulatorBuilder; N], stays_awake: bool) -> [Self; N] {
        let (told, addresses) = mpsc::channel();
        let (stop, mut stopped) = oneshot::channel();
        let builder = thread::Builder::new().name("emulator".into());
        let thread = builder.spawn(move || {
            runtime().block_on(async {
                let mut running = Vec::new();
                for emulator in emulators {
                    let emulator = emulator.keep_pages().start().await.unwrap();
                    let token = emulator.token().to_owned();
                    told.send((emulator.base_url(), token)).unwrap();
                    running.push(emulator);
                }
                // A server that sleeps between two requests must be woken up, which takes longer
                // than its work and would be measured too: stay awake until told to stop.
                while stays_awake && stopped.try_recv() == Err(TryRecvError::Empty) {
                    tokio::task::yield_now().await;
                }
                if !stays_awake {
                    let _ = stopped.await;
                }
            });
        });
        let thread = Arc::new(ServerThread {
            stop: Some(stop),
            thread: Some(thread.unwrap()),
        });
        std::array::from_fn(|_| {
            let (base_url, token) = addresses.recv().unwrap();
            Self {
                base_url,
                token,
                _thread: Arc::clone(&thread),
            }
        })
    }

    /// The body of the page of 1000 rows from this offset on.
    pub(crate) fn body(&self, offset: u64) -> Vec<u8> {
        self.encoded_body("identity", offset)
    }

    /// How long the body of a page is that comes in this encoding.
    pub(crate) fn bytes_a_page(&self, encoding: &str) -> usize {
        self.encoded_body(encoding, 1000).len()
    }

    fn encoded_body(&self, encoding: &str, offset: u64) -> Vec<u8> {
        let http = reqwest::Client::builder().no_proxy();
        // As it comes, and not decoded on the way.
        let http = http.no_gzip().no_brotli().no_zstd().build().unwrap();
        runtime().block_on(async {
            let request = self.request(&http, offset);
            let body = bytes(request.header("Accept-Encoding", encoding)).await;
            body.as_ref().to_vec()
        })
    }

    /// Reads the pages at these offsets one after the other, and throws their bodies away.
    pub(crate) async fn read_bytes(
        &self,
        http: &reqwest::Client,
        offsets: impl Iterator<Item = u64>,
    ) {
        for offset in offsets {
            let body = bytes(self.request(http, offset)).await;
            assert!(!body.as_ref().is_empty());
        }
    }

    /// Asks for the page of 1000 rows from this offset on.
    fn request(&self, http: &reqwest::Client, offset: u64) -> RequestBuilder {
        let base_url = &self.base_url;
        let url = format!("{base_url}/v2/acts/a/runs?offset={offset}&limit=1000");
        http.get(url).bearer_auth(&self.token)
    }

    /// A client that may send as many requests as it likes.
    pub(crate) fn client(&self) -> Client {
        self.client_builder().build().unwrap()
    }

    pub(crate) fn client_builder(&self) -> ClientBuilder {
        Client::builder()
            .base_url(&self.base_url)
            .token(&self.token)
            .max_requests_per_second(f64::INFINITY)
    }
}

async fn bytes(request: RequestBuilder) -> impl AsRef<[u8]> {
    let response = request.send().await.unwrap().error_for_status().unwrap();
    response.bytes().await.unwrap()
}

/// How many items a walk has, each of them good.
pub(crate) async fn count<T, E: Debug>(runs: impl Stream<Item = Result<T, E>>) -> u64 {
    pin_mut!(runs);
    let mut count = 0;
    while let Some(run) = runs.next().await {
        run.unwrap();
        count += 1;
    }
    count
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
