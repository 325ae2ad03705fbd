//! A running emulator.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::log::RequestRecord;
use super::shared::Shared;
use super::store::Store;
use crate::client::{Client, ClientBuilder};

/// A running emulator. Stops, with all its connections, when dropped.
///
/// # Panics
///
/// When dropped, if a function that it was given has panicked, such as an assertion in
/// [`EmulatorBuilder::before_each`](super::EmulatorBuilder::before_each). The client only saw a
/// broken connection.
pub struct Emulator {
    pub(super) address: SocketAddr,
    pub(super) client: Client,
    pub(super) shared: Arc<Shared>,
    pub(super) tasks: Vec<JoinHandle<()>>,
}

impl Emulator {
    /// Where the emulator is, as a client's base URL: `http://127.0.0.1:<port>`.
    pub fn base_url(&self) -> String {
        base_url(self.address)
    }

    /// The token it accepts.
    pub fn token(&self) -> &str {
        &self.shared.settings.token
    }

    /// A client of this emulator, with default settings, but without a limit of its own on
    /// requests a second.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Settings for a client of this emulator: its base URL and token are set, and it has no
    /// limit of its own on requests a second.
    pub fn client_builder(&self) -> ClientBuilder {
        client_builder(self.address, self.token())
    }

    /// The time of the service's clock:
    /// [`EmulatorBuilder::clock`](super::EmulatorBuilder::clock).
    pub fn now(&self) -> DateTime<Utc> {
        self.shared.clock.now()
    }

    /// How many runs are on the list.
    pub fn len(&self) -> u64 {
        self.shared.store().len()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The run at `index` of the whole list in ascending order, as the JSON object that is
    /// served. `None` past the end.
    pub fn run(&self, index: u64) -> Option<Value> {
        self.shared.store().run(index)
    }

    /// The IDs of all runs, in ascending order of their starts.
    pub fn ids(&self) -> Vec<String> {
        self.shared.store().ids()
    }

    /// Changes the list, as the service does while a client reads it.
    ///
    /// The list is locked while `change` runs: a method of this emulator that reads the list,
    /// such as [`len`](Self::len), would never return there. [`Store`] has the same methods.
    ///
    /// ```
    /// # use apify_runs::emulator::Emulator;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> apify_runs::Result<()> {
    /// let emulator = Emulator::builder().runs(1000).start().await?;
    /// emulator.change(|store| store.delete(..137)); // the oldest
    /// assert_eq!(emulator.client().count("any-actor").await?, 863);
    /// # Ok(())
    /// # }
    /// ```
    pub fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        self.shared.change(change)
    }

    /// Every request so far, in the order of arrival, except those that were
    /// [taken](Self::take_requests).
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.log().requests.clone()
    }

    /// Removes and returns every request since the last call, in the order of arrival. A program
    /// that runs for long needs no more and more memory for them.
    pub fn take_requests(&self) -> Vec<RequestRecord> {
        std::mem::take(&mut self.shared.log().requests)
    }

    /// How many requests have arrived whose response has not been sent to its last byte.
    pub fn in_flight(&self) -> usize {
        self.shared.log().in_flight
    }

    /// How many requests so far exceeded
    /// [`EmulatorBuilder::rate_limit`](super::EmulatorBuilder::rate_limit).
    pub fn refused(&self) -> u64 {
        self.shared.log().refused
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if self.shared.log().has_panicked && !std::thread::panicking() {
            let message = "a function that the emulator was given has panicked, see above";
            std::panic::resume_unwind(Box::new(message));
        }
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("base_url", &self.base_url())
            .field("runs", &self.len())
            .finish_non_exhaustive()
    }
}

fn base_url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// Settings for a client of the emulator at this address.
pub(super) fn client_builder(address: SocketAddr, token: &str) -> ClientBuilder {
    Client::builder()
        .base_url(base_url(address))
        .token(token)
        .max_requests_per_second(f64::INFINITY)
        .max_total_requests_per_second(f64::INFINITY)
}
