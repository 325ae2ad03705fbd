//! The run list's endpoint in process, to test programs that read it.
//!
//! [`Emulator`] serves `GET /v2/acts/{actor}/runs` and its siblings over HTTP on a loopback
//! socket, as the [API reference](https://docs.apify.com/api/v2/act-runs-get) describes
//! them: filters, order, clamped limits, errors in Apify's shape. When told to, it answers
//! late, wrongly or not at all, compressed, or only so many requests a second. It remembers
//! what it was asked. Its list changes while it is read, in the ways a [`Store`] has. Apify's
//! own clients can walk it.
//!
//! # Endpoints
//!
//! | path | response |
//! |---|---|
//! | `/v2/acts/{actor}/runs` | the runs of an Actor |
//! | `/v2/actor-tasks/{task}/runs` | the same runs, as those of a task |
//! | `/v2/actor-runs` | the same runs, as those of the account |
//! | `/v2/acts/{actor}` | an Actor, with its `id`, `username`, `name` and `title` |
//! | `/v2/acts` | the Actors of the account: always one |
//!
//! `/v2/actors` can be written for `/v2/acts`. If no [`actor`](EmulatorBuilder::actor) is chosen,
//! `janedoe/my-actor` is listed, and every other Actor is found too. One asked for by its name has
//! the ID that generated runs have as `actId`.
//!
//! # Responses are as untidy as the service's
//!
//! JSON is [indented](EmulatorBuilder::compact). Every response has `X-RateLimit-Limit`, and every
//! page `X-Apify-Pagination-Offset`, `-Limit`, `-Count` and `-Total`, which repeat what the body
//! says. Some generated rows [lack fields](EmulatorBuilder::complete_rows), and others have fields
//! that the API reference does not know.
//!
//! `offset` and `limit` are numbers as in JSON: `limit=10.0` and `offset=2e3` are whole numbers
//! too. `deployment`, on the lists of an Actor and of the account, selects runs of Actors in
//! Standby mode. It needs a `status`, and only statuses of unfinished runs; anything else is a 400
//! `standby-deployment-invalid`. The emulator deploys no Actor in that way: with a valid
//! `deployment`, no run is listed, and `total` is 0. The list of a task ignores the parameter.
//!
//! # Example: an export survives a bad minute
//!
//! ```
//! use apify_runs::emulator::{Emulator, Fault};
//! use futures::TryStreamExt;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> apify_runs::Result<()> {
//! let emulator = Emulator::builder()
//!     .runs(2500)
//!     .fault(2..=4, Fault::status(503))
//!     .virtual_time()
//!     .start()
//!     .await?;
//!
//! let runs: Vec<_> = emulator.client().runs("any-actor").stream().try_collect().await?;
//! assert_eq!(runs.len(), 2500);
//! assert_eq!(emulator.requests().len(), 6);
//! # Ok(())
//! # }
//! ```

mod actors;
mod clock;
mod encoding;
mod faults;
mod generated;
mod indent;
mod life;
mod rate;
mod selection;
mod server;
mod store;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use actors::Actors;
use clock::Clock;
use generated::{GeneratedRuns, Shape};
use rate::LastSecond;
use server::PageCache;

pub use faults::Fault;
pub use store::Store;

use crate::client::{Client, ClientBuilder};
use crate::error::{Error, ErrorKind, Result};

/// The token of [`Emulator::client`], and the only one accepted if none was chosen.
const DEFAULT_TOKEN: &str = "apify_api_emulator";

/// A running emulator. Stops, with all its connections, when dropped.
///
/// # Panics
///
/// When dropped, if something that it was given to call has panicked, such as an assertion in
/// [`EmulatorBuilder::before_each`]: to the client that was only a broken connection.
pub struct Emulator {
    address: SocketAddr,
    client: Client,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the connections of an emulator have in common.
struct Shared {
    store: Mutex<Store>,
    pages: PageCache,
    plan: Plan,
    actors: Actors,
    log: Mutex<Log>,
    clock: Clock,
}

/// How the emulator answers.
struct Plan {
    actor: Option<String>,
    token: String,
    latency: Duration,
    rate_limit: Option<u64>,
    tells_rate_limit: bool,
    max_page_size: u64,
    tells_max_page_size: bool,
    compresses: bool,
    is_compact: bool,
    faults: Vec<(Bound<u64>, Bound<u64>, Fault)>,
    choose_fault: Option<Box<ChooseFault>>,
    keeps_pages: bool,
    ignores_time_filters: bool,
    before_each: Option<Box<ChangeForEach>>,
    during_each: Option<Box<ChangeForEach>>,
}

type ChooseFault = dyn Fn(u64) -> Option<Fault> + Send + Sync;
type ChangeForEach = dyn Fn(u64, &mut Store) + Send + Sync;

#[derive(Default)]
struct Log {
    requests: Vec<RequestRecord>,
    received: u64,
    in_flight: usize,
    last_second: LastSecond,
    refused: u64,
    has_panicked: bool,
}

/// One request as the emulator received it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestRecord {
    /// The path as it was sent, percent-encoded.
    pub path: String,
    /// The parameters, decoded, in the order they were sent.
    pub query: Vec<(String, String)>,
    /// Whether there was an `Authorization` header, whatever was in it.
    pub has_token: bool,
    /// The `User-Agent` header, if there was one.
    pub user_agent: Option<String>,
    /// The `Accept-Encoding` header, if there was one.
    pub accept_encoding: Option<String>,
    /// When the request arrived, counted from the emulator's start, on tokio's clock.
    pub at: Duration,
}

impl RequestRecord {
    /// The value of a query parameter, if it was sent.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pair = self.query.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str())
    }
}

impl Emulator {
    /// Settings for an emulator, to be changed one by one.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    /// Where the emulator is, as a client's base URL: `http://127.0.0.1:<port>`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The token it accepts.
    pub fn token(&self) -> &str {
        &self.shared.plan.token
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

    /// What the service's clock shows: [`EmulatorBuilder::clock`].
    pub fn now(&self) -> DateTime<Utc> {
        self.shared.clock.now()
    }

    /// How many runs are on the list.
    pub fn len(&self) -> u64 {
        self.shared.store().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The run at `index` of the whole list in ascending order, as the JSON object that is
    /// served. `None` past the end.
    pub fn run(&self, index: u64) -> Option<Value> {
        self.shared.store().run(index)
    }

    /// Changes the list, as the service does while somebody reads it.
    ///
    /// The list is locked while `change` runs: another method of this emulator that reads it,
    /// such as [`len`](Self::len), would wait for ever there. [`Store`] has the same.
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

    /// Every request so far, in the order of arrival, but those that were
    /// [taken](Self::take_requests).
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.log().requests.clone()
    }

    /// Every request since the last call, in the order of arrival. They are forgotten, so that a
    /// program that goes on for long does not need more and more memory.
    pub fn take_requests(&self) -> Vec<RequestRecord> {
        std::mem::take(&mut self.shared.log().requests)
    }

    /// How many requests have arrived and are not answered to the last byte yet.
    pub fn in_flight(&self) -> usize {
        self.shared.log().in_flight
    }

    /// How many requests so far were refused because of [`EmulatorBuilder::rate_limit`].
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
            let message = "what the emulator was given to call has panicked, see above";
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

impl Shared {
    /// The list as it is now, with all changes that have become due.
    fn store(&self) -> MutexGuard<'_, Store> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if store.catch_up() {
            self.pages.clear();
        }
        store
    }

    /// Changes the list, and forgets the pages made of it before.
    fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.store();
        self.pages.clear();
        change(&mut store)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settings for an [`Emulator`], from [`Emulator::builder`].
#[must_use]
pub struct EmulatorBuilder {
    rows: Rows,
    seed: u64,
    shape: Shape,
    port: u16,
    plan: Plan,
    clock: Option<DateTime<Utc>>,
    virtual_time: bool,
}

enum Rows {
    Generated(u64),
    Given(Vec<Value>),
}

impl Default for EmulatorBuilder {
    fn default() -> Self {
        Self {
            rows: Rows::Generated(0),
            seed: 0,
            shape: Shape::Untidy,
            port: 0,
            plan: Plan {
                actor: None,
                token: DEFAULT_TOKEN.into(),
                latency: Duration::ZERO,
                rate_limit: None,
                tells_rate_limit: true,
                max_page_size: crate::limits::MAX_PAGE_SIZE.into(),
                tells_max_page_size: true,
                compresses: false,
                is_compact: false,
                faults: Vec::new(),
                choose_fault: None,
                keeps_pages: false,
                ignores_time_filters: false,
                before_each: None,
                during_each: None,
            },
            clock: None,
            virtual_time: false,
        }
    }
}

impl EmulatorBuilder {
    /// A list of this many generated runs, seconds apart, the last few unfinished. Default 0;
    /// at most 2³², more is taken for that.
    ///
    /// Each is made when it is asked for, so that millions take no memory, until one is inserted
    /// or deleted: from then on, the list takes 8 bytes for each.
    pub fn runs(mut self, runs: u64) -> Self {
        self.rows = Rows::Generated(runs.min(1 << 32));
        self
    }

    /// What the generated runs are made from: the same seed makes the same runs. Default 0.
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
    /// and so is each `usageTotalUsd` that is there.
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

    /// A list of these rows, in place of generated ones. They are served as they are, in the
    /// order of their `startedAt`; rows without one come last.
    pub fn rows(mut self, rows: impl IntoIterator<Item = Value>) -> Self {
        self.rows = Rows::Given(rows.into_iter().collect());
        self
    }

    /// The port to listen on. Default 0: any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The only Actor there is, by its ID, `username~name` or `username/name`; others are
    /// answered with 404. Default: every Actor has the same runs.
    ///
    /// An Actor that is given by its name can be asked for by its ID too, and the other way
    /// round: `GET /v2/acts/{actor}` tells both.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.plan.actor = Some(actor.into().replacen('/', "~", 1));
        self
    }

    /// The only token that is accepted. Default `apify_api_emulator`. White space around it is
    /// removed, as [`ClientBuilder::token`] does.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.plan.token = token.into().trim().to_owned();
        self
    }

    /// What the service's clock shows when the emulator starts. Default: the time it is.
    ///
    /// It moves with tokio's clock, so that it leaps where that one is paused. The `Date` of
    /// every answer is read from it, and so are the times of runs that start and finish.
    pub fn clock(mut self, time: DateTime<Utc>) -> Self {
        self.clock = Some(time);
        self
    }

    /// How long each answer takes, on tokio's clock. Default 0.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.plan.latency = latency;
        self
    }

    /// The most requests that are let through in any second, on tokio's clock. At least 1: 0
    /// is taken for that. Default: no limit.
    ///
    /// The others are answered with 429 and `rate-limit-exceeded`. A request is let through
    /// if fewer than this many were in the second before it arrived, whatever they asked for;
    /// one exactly a second earlier does not count, nor does one that was refused. One with a
    /// [fault](Self::fault) is answered with that in any case, and counts where there is room.
    /// Every answer tells the limit as `X-RateLimit-Limit`. Without a limit, that header says
    /// 1000000: clients obey it, and an emulator without a limit must not slow them down.
    ///
    /// # Example: a client comes back
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
        self.plan.rate_limit = Some(requests_per_second.max(1));
        self.plan.tells_rate_limit = true;
        self
    }

    /// Limits requests as [`rate_limit`](Self::rate_limit) does, but no answer has
    /// `X-RateLimit-Limit`.
    pub fn hidden_rate_limit(mut self, requests_per_second: u64) -> Self {
        self.plan.rate_limit = Some(requests_per_second.max(1));
        self.plan.tells_rate_limit = false;
        self
    }

    /// The most rows on a page, 1 to 1000. Default 1000, as the service has it. The answer's
    /// `limit` tells.
    pub fn max_page_size(mut self, rows: u64) -> Self {
        self.plan.max_page_size = rows.max(1);
        self.plan.tells_max_page_size = true;
        self
    }

    /// The same, but the answer's `limit` repeats what was asked for.
    pub fn hidden_max_page_size(mut self, rows: u64) -> Self {
        self.plan.max_page_size = rows.max(1);
        self.plan.tells_max_page_size = false;
        self
    }

    /// Compresses every answer that has a body, with the first of `zstd`, `br` and `gzip` that
    /// the request's `Accept-Encoding` lists, whatever weights it gives them. Default: none is
    /// compressed.
    ///
    /// The levels are those of common web servers: 3, 5 and 6.
    pub fn compress(mut self) -> Self {
        self.plan.compresses = true;
        self
    }

    /// Sends compact JSON, without whitespace between its tokens.
    ///
    /// By default, JSON is indented by two spaces, as the service's is. Bodies that are given, as
    /// in [`Fault::Answer`], are sent as they are in either case.
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
        self.plan.is_compact = true;
        self
    }

    /// Takes `startedAfter` and `startedBefore`, whatever their values, and filters by
    /// neither.
    pub fn ignore_time_filters(mut self) -> Self {
        self.plan.ignores_time_filters = true;
        self
    }

    /// Answers these requests, counted from 1, with a fault. Where several faults meet, the
    /// first one given wins.
    pub fn fault(mut self, requests: impl RangeBounds<u64>, fault: Fault) -> Self {
        let (from, to) = (
            requests.start_bound().cloned(),
            requests.end_bound().cloned(),
        );
        self.plan.faults.push((from, to, fault));
        self
    }

    /// Answers each request with the fault that `choose` has for its number, counted from 1, if
    /// it has one and no [`fault`](Self::fault) is given for that request. `choose` may be asked
    /// more than once, and has to give the same answer.
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
        self.plan.choose_fault = Some(Box::new(choose));
        self
    }

    /// Changes the list before each request is answered: `change` gets the request's number,
    /// from 1, and the list.
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
        self.plan.before_each = Some(Box::new(change));
        self
    }

    /// Changes the list in the middle of each page: `change` gets the request's number, from
    /// 1, and the list.
    ///
    /// The page is read as a database reads along an index without a snapshot. `total` is
    /// counted first. Half of the page's rows are picked, rounded down, and stay on it as
    /// they were. Then the list changes, and the page is filled up with rows that come behind
    /// the last one read, be it picked or skipped by `offset`. If that one is gone from its
    /// place, they come behind where it was: of those that started at the same time, all that
    /// had not been read. No row is twice on a page.
    ///
    /// [`before_each`](Self::before_each) changes the list that a page begins with, whatever
    /// the answer will be; this one comes after it, and only where a page is read. Pages are
    /// not [kept](Self::keep_pages) then.
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
        self.plan.during_each = Some(Box::new(change));
        self
    }

    /// Keeps every page it has rendered, so that a benchmark measures the client and not
    /// the emulator. Takes about 0.6 MB for each different request of 1000 runs, and less for
    /// one that is [compact](Self::compact) or [compressed](Self::compress).
    pub fn keep_pages(mut self) -> Self {
        self.plan.keeps_pages = true;
        self
    }

    /// Makes tokio's paused clock fit for sockets.
    ///
    /// A paused clock leaps to the next timer whenever no task can run, and so runs into a
    /// timeout while an answer is still on its way through the kernel. With this setting it
    /// goes in steps of a few milliseconds, and only when no socket has anything to say.
    /// Of no use, and a waste of processor time, on a clock that is not paused.
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
        let client = client_builder(address, &self.plan.token).build()?;
        let clock = Clock::showing(self.clock.unwrap_or_else(Utc::now));
        let mut store = match self.rows {
            Rows::Generated(length) => {
                let seed = self.seed;
                Store::generated(GeneratedRuns { length, seed }, clock)
            }
            Rows::Given(rows) => Store::given(&rows, clock),
        };
        store.shape = self.shape;
        let actors = Actors::new(self.plan.actor.as_deref(), store.seed());
        let shared = Arc::new(Shared {
            store: Mutex::new(store),
            pages: PageCache::default(),
            plan: self.plan,
            actors,
            log: Mutex::default(),
            clock,
        });
        let mut tasks = vec![tokio::spawn(server::serve(listener, Arc::clone(&shared)))];
        if self.virtual_time {
            tasks.push(tokio::spawn(step_the_clock()));
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
            .field("actor", &self.plan.actor)
            .field("latency", &self.plan.latency)
            .field("faults", &self.plan.faults)
            .finish_non_exhaustive()
    }
}

fn client_builder(address: SocketAddr, token: &str) -> ClientBuilder {
    Client::builder()
        .base_url(format!("http://{address}"))
        .token(token)
        .max_requests_per_second(f64::INFINITY)
}

/// Lets a paused clock go on only in small steps, with time for the sockets in between.
///
/// As long as this task yields, the runtime is not idle, and a clock that is paused stands
/// still while the runtime looks after its sockets.
async fn step_the_clock() {
    const STEP: Duration = Duration::from_millis(10);
    const LOOKS: usize = 60;
    loop {
        for _ in 0..LOOKS {
            tokio::task::yield_now().await;
        }
        sleep(STEP).await;
    }
}
