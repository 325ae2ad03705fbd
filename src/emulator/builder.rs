//! Settings for an emulator, and its start.

use std::fmt;
use std::net::Ipv4Addr;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::clock::Clock;
use super::faults::Fault;
use super::generated::{GeneratedRuns, Shape};
use super::handle::{Emulator, client_builder};
use super::server::serve;
use super::settings::Settings;
use super::shared::Shared;
use super::store::Store;
use crate::error::{Error, ErrorKind, Result};

/// Settings for an [`Emulator`], from [`Emulator::builder`].
#[must_use]
#[derive(Default)]
pub struct EmulatorBuilder {
    generated_runs: u64,
    /// The rows in place of generated ones.
    rows: Option<Vec<Value>>,
    seed: u64,
    shape: Shape,
    port: u16,
    settings: Settings,
    clock: Option<DateTime<Utc>>,
    virtual_time: bool,
}

impl Emulator {
    /// Settings for an emulator, to be changed one by one.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }
}

impl EmulatorBuilder {
    /// A list of this many generated runs, seconds apart, the last few unfinished. Default 0;
    /// at most 2³², which replaces any larger number.
    ///
    /// Each is generated when it is read, so that millions take no memory. Once a run is inserted
    /// or deleted, the list takes 8 bytes for each.
    pub fn runs(mut self, runs: u64) -> Self {
        (self.generated_runs, self.rows) = (runs.min(1 << 32), None);
        self
    }

    /// The seed of the generated runs: the same seed makes the same runs. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Gives every generated row the same fields: those that the API reference requires.
    ///
    /// By default, generated rows are as untidy as the service's. About one row in 20 has no
    /// `usageTotalUsd`, as runs of other people's pay-per-event Actors do. One in ten has no
    /// `userId`, and one in 50 has `null` as its `buildNumber`. `meta` has any `origin` of the
    /// reference, and the fields that go with it, such as `clientIp` or `scheduleId`. One row in
    /// four has up to three fields that the reference does not list, such as `exitCode`.
    ///
    /// Some clients refuse such a page. This method is for them, for benchmarks, and for tests
    /// that need a `usageTotalUsd` in each row. IDs, times and statuses are the same either way,
    /// and so is each `usageTotalUsd`, if there is one.
    ///
    /// ```
    /// # use apify_runs::emulator::Emulator;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> apify_runs::Result<()> {
    /// let untidy = Emulator::builder().runs(1000).start().await?;
    /// let complete = Emulator::builder().runs(1000).complete_rows().start().await?;
    /// let without_usage = |emulator: &Emulator| {
    ///     let runs = (0..1000).filter_map(|place| emulator.run(place));
    ///     runs.filter(|run| run.get("usageTotalUsd").is_none()).count()
    /// };
    /// assert!(without_usage(&untidy) > 0);
    /// assert_eq!(without_usage(&complete), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn complete_rows(mut self) -> Self {
        self.shape = Shape::Complete;
        self
    }

    /// A list of these rows, in place of generated ones. They are served unchanged, in the order
    /// of their `startedAt`; rows without one come last.
    pub fn rows(mut self, rows: impl IntoIterator<Item = Value>) -> Self {
        self.rows = Some(rows.into_iter().collect());
        self
    }

    /// The port to listen on. Default 0: any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The only Actor that exists, by its ID, `username~name` or `username/name`; for any other,
    /// the response is 404. Default: every Actor has the same runs.
    ///
    /// An Actor that is given by its name is found by its ID too, and the other way round:
    /// `GET /v2/acts/{actor}` returns both.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.settings.actor = Some(actor.into().replacen('/', "~", 1));
        self
    }

    /// The only token that is accepted. Default `apify_api_emulator`. White space around it is
    /// removed, as [`ClientBuilder::token`](crate::ClientBuilder::token) does.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = token.into().trim().to_owned();
        self
    }

    /// The time of the service's clock when the emulator starts. Default: the current time.
    ///
    /// It advances with tokio's clock, also while that is paused. The `Date` of every response is
    /// read from it, and so are the times of runs that start and finish.
    pub fn clock(mut self, time: DateTime<Utc>) -> Self {
        self.clock = Some(time);
        self
    }

    /// How long each response takes, on tokio's clock. Default 0.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.settings.latency = latency;
        self
    }

    /// The maximum number of requests for one list that are let through in any second, on tokio's
    /// clock. At least 1, which replaces 0. Default: no limit.
    ///
    /// The response to the others is 429 with `rate-limit-exceeded`. A request is let through if
    /// fewer than this many for the same path were in the second before it arrived; one
    /// exactly a second earlier does not count, nor does one that was refused. A request with a
    /// [fault](Self::fault) gets that in any case, and counts unless it exceeds the limit.
    ///
    /// Every response states the limit as `X-RateLimit-Limit`. Without a limit, that header is
    /// 1000000: clients obey it, and an emulator without a limit must not slow them down.
    ///
    /// # Example: a client that exceeds the limit
    ///
    /// ```
    /// use apify_runs::emulator::Emulator;
    /// use futures::TryStreamExt;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> apify_runs::Result<()> {
    /// let builder = Emulator::builder().runs(5000).rate_limit(2);
    /// let emulator = builder.virtual_time().start().await?;
    ///
    /// let runs: Vec<_> = emulator.client().runs("any-actor").stream().try_collect().await?;
    /// assert_eq!(runs.len(), 5000);
    /// assert!(emulator.refused() > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rate_limit(mut self, requests_per_second: u64) -> Self {
        self.settings.rate_limit = Some(requests_per_second.max(1));
        self.settings.sends_rate_limit = true;
        self
    }

    /// Limits requests as [`rate_limit`](Self::rate_limit) does, but no response has
    /// `X-RateLimit-Limit`.
    pub fn hidden_rate_limit(mut self, requests_per_second: u64) -> Self {
        self.settings.rate_limit = Some(requests_per_second.max(1));
        self.settings.sends_rate_limit = false;
        self
    }

    /// The maximum number of rows on a page, 1 to 1000. Default 1000, as the service has it. The
    /// `limit` of the response states it.
    pub fn max_page_size(mut self, rows: u64) -> Self {
        self.settings.max_page_size = rows.max(1);
        self.settings.sends_max_page_size = true;
        self
    }

    /// Limits pages as [`max_page_size`](Self::max_page_size) does, but the `limit` of the response
    /// repeats that of the request.
    pub fn hidden_max_page_size(mut self, rows: u64) -> Self {
        self.settings.max_page_size = rows.max(1);
        self.settings.sends_max_page_size = false;
        self
    }

    /// Compresses every response that has a body, with the first of `zstd`, `br` and `gzip` that
    /// the request's `Accept-Encoding` lists, whatever weights it gives them. Default: none is
    /// compressed.
    ///
    /// The levels are those that web servers commonly use: 3, 5 and 6.
    pub fn compress(mut self) -> Self {
        self.settings.compresses = true;
        self
    }

    /// Sends compact JSON, without whitespace between its tokens.
    ///
    /// By default, JSON is indented by two spaces, as the service's is. Bodies that are given, as
    /// in [`Fault::Response`], are never changed.
    ///
    /// ```
    /// # use apify_runs::emulator::Emulator;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = Emulator::builder().compact().start().await?;
    /// let url = format!("{}/v2/actor-runs", emulator.base_url());
    /// let request = reqwest::Client::new().get(url).bearer_auth(emulator.token());
    /// let body = request.send().await?.text().await?;
    /// assert!(body.starts_with(r#"{"data":{"total":0,"offset":0,"#));
    /// # Ok(())
    /// # }
    /// ```
    pub fn compact(mut self) -> Self {
        self.settings.is_compact = true;
        self
    }

    /// Ignores `startedAfter` and `startedBefore`, whatever their values.
    pub fn ignore_time_filters(mut self) -> Self {
        self.settings.ignores_time_filters = true;
        self
    }

    /// Responds to these requests, counted from 1, with a fault. Of several faults for one request,
    /// the first one given is used.
    pub fn fault(mut self, requests: impl RangeBounds<u64>, fault: Fault) -> Self {
        let (from, to) = (
            requests.start_bound().cloned(),
            requests.end_bound().cloned(),
        );
        self.settings.faults.push((from, to, fault));
        self
    }

    /// Responds to each request with the fault that `choose` returns for its number, counted from
    /// 1, unless a [`fault`](Self::fault) is given for that request. `choose` may be called more
    /// than once for a request, and has to return the same.
    ///
    /// ```
    /// # use apify_runs::emulator::{Emulator, Fault};
    /// # use futures::TryStreamExt;
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> apify_runs::Result<()> {
    /// // Every third request fails.
    /// let builder = Emulator::builder().runs(5000).virtual_time();
    /// let builder = builder.faults(|request| (request % 3 == 0).then(|| Fault::status(502)));
    /// let emulator = builder.start().await?;
    /// let runs: Vec<_> = emulator.client().runs("any-actor").stream().try_collect().await?;
    /// assert_eq!(runs.len(), 5000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn faults(mut self, choose: impl Fn(u64) -> Option<Fault> + Send + Sync + 'static) -> Self {
        self.settings.choose_fault = Some(Box::new(choose));
        self
    }

    /// Changes the list before each response: `change` gets the request's number, from 1, and the
    /// list.
    ///
    /// ```
    /// # use apify_runs::emulator::Emulator;
    /// # use futures::TryStreamExt;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> apify_runs::Result<()> {
    /// // Old runs are deleted while a client reads.
    /// let builder = Emulator::builder().runs(10_000).before_each(|request, store| {
    ///     if request % 3 == 0 {
    ///         store.delete(..137);
    ///     }
    /// });
    /// let emulator = builder.start().await?;
    /// let runs: Vec<_> = emulator.client().runs("any-actor").stream().try_collect().await?;
    /// assert_eq!(runs.len(), 10_000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn before_each(mut self, change: impl Fn(u64, &mut Store) + Send + Sync + 'static) -> Self {
        self.settings.before_each = Some(Box::new(change));
        self
    }

    /// Changes the list in the middle of each page: `change` gets the request's number, from
    /// 1, and the list.
    ///
    /// The page is read as by a database that reads along an index without a snapshot. `total` is
    /// counted first. Half of the page's rows are read, rounded down, and stay on it unchanged.
    /// Then the list changes, and the page is filled up with rows that stand after the last one
    /// read, which may be one that `offset` skipped. If that row is gone from its place, reading
    /// continues there: with all rows that started at the same time and had not been read. No row
    /// is twice on a page.
    ///
    /// [`before_each`](Self::before_each) changes the list before any response. This change comes
    /// after it, and only if a page of runs is read. Pages are not [kept](Self::keep_pages) then.
    ///
    /// ```
    /// # use apify_runs::RunQuery;
    /// # use apify_runs::emulator::Emulator;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> apify_runs::Result<()> {
    /// // Old runs are deleted while a page is put together.
    /// let builder = Emulator::builder().runs(100).during_each(|_, store| store.delete(..60));
    /// let emulator = builder.start().await?;
    /// let page = emulator.client().page(&RunQuery::actor("any-actor"), 0).await?;
    /// assert_eq!((page.total, page.items.len()), (Some(100), 90)); // 50 before, 40 after
    /// # Ok(())
    /// # }
    /// ```
    pub fn during_each(mut self, change: impl Fn(u64, &mut Store) + Send + Sync + 'static) -> Self {
        self.settings.during_each = Some(Box::new(change));
        self
    }

    /// Keeps every rendered page, so that a benchmark measures the client and not the emulator.
    /// Takes about 0.6 MB for each different request of 1000 runs, and less if it is
    /// [compact](Self::compact) or [compressed](Self::compress).
    pub fn keep_pages(mut self) -> Self {
        self.settings.keeps_pages = true;
        self
    }

    /// Makes tokio's paused clock usable with sockets.
    ///
    /// A paused clock advances to the next timer whenever no task can run, and so a timeout
    /// elapses while a response is still on its way through the kernel. With this setting, the
    /// clock advances in steps of a few milliseconds, and only when no socket is ready. If the
    /// clock is not paused, this setting only wastes processor time.
    pub fn virtual_time(mut self) -> Self {
        self.virtual_time = true;
        self
    }

    /// Starts the emulator on the runtime this is called from.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Transport`] if the port cannot be listened on, and
    /// [`ErrorKind::Config`] if the token is one that no client can send.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn start(self) -> Result<Emulator> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
        let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|error| {
            let message = format!("the emulator cannot listen on port {}", self.port);
            Error::new(ErrorKind::Transport, message).with_source(error)
        })?;
        let client = client_builder(address, &self.settings.token).build()?;
        let clock = Clock::showing(self.clock.unwrap_or_else(Utc::now));
        let mut store = match self.rows {
            Some(rows) => Store::given(&rows, clock),
            None => {
                let (length, seed) = (self.generated_runs, self.seed);
                Store::generated(GeneratedRuns { length, seed }, clock)
            }
        };
        store.shape = self.shape;
        let shared = Arc::new(Shared::new(self.settings, store, clock));
        let mut tasks = vec![tokio::spawn(serve(listener, Arc::clone(&shared)))];
        if self.virtual_time {
            tasks.push(tokio::spawn(advance_in_steps()));
        }
        Ok(Emulator {
            address,
            client,
            shared,
            tasks,
        })
    }
}

impl fmt::Debug for EmulatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatorBuilder")
            .field("seed", &self.seed)
            .field("port", &self.port)
            .field("actor", &self.settings.actor)
            .field("latency", &self.settings.latency)
            .field("faults", &self.settings.faults)
            .finish_non_exhaustive()
    }
}

/// Lets a paused clock advance only in small steps, with time for the sockets in between.
///
/// As long as this task yields, the runtime is not idle: a paused clock stands still while the
/// runtime polls its sockets.
async fn advance_in_steps() {
    const STEP: Duration = Duration::from_millis(10);
    const YIELDS: usize = 60;
    loop {
        for _ in 0..YIELDS {
            tokio::task::yield_now().await;
        }
        sleep(STEP).await;
    }
}
