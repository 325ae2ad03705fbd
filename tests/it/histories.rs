//! Random histories of a list, read over HTTP: runs start, finish, are resurrected, deleted and
//! late while requests fail, and while the walk is stopped and resumed by other clients.

mod judge;
mod list;

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use apify_runs::emulator::{Emulator, Fault, Store};
use apify_runs::{
    Cursor, Emit, ErrorKind, Result, RetryPolicy, RunPages, RunQuery, RunStatus, RunStream,
    RunSummary, Runs, WalkStats,
};
use futures::StreamExt;
use proptest::prelude::*;
use tokio::time::{advance, sleep, timeout};

use judge::{Duties, Given, Wish};
use list::{Change, List, millis, seconds, time};

/// What the service's clock shows at first: an hour, and a part of a second, after the first
/// run started.
const BEGINNING: i64 = 3_600_700;
/// More requests than any history takes.
const MAX_REQUESTS: u64 = 1500;
/// Longer than any walk takes.
const MAX_WALK: Duration = Duration::from_secs(1800);

/// A history, and how it is read.
#[derive(Debug, Clone)]
struct Story {
    list: List,
    happenings: Vec<Happening>,
    faults: BTreeMap<u64, Fault>,
    wish: Wish,
    page_size: u32,
    max_page_size: u64,
    tells_max_page_size: bool,
    ignores_time_filters: bool,
    /// Runs of one start are in another order at each request.
    shuffles_ties: bool,
    latency: Duration,
    /// Each walk after the first resumes from the one before, by a client of its own.
    walks: Vec<Walk>,
}

/// What happens when the request of this number arrives, or while its page is read.
#[derive(Clone)]
struct Happening {
    request: u64,
    is_during: bool,
    change: Change,
}

impl fmt::Debug for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.is_during { "during" } else { "before" };
        write!(f, "{when} request {}: {:?}", self.request, self.change)
    }
}

/// How one walk reads.
#[derive(Debug, Clone, Copy)]
struct Walk {
    by_page: bool,
    concurrency: usize,
    /// After how many items it is stopped, if it gets that far.
    stop_after: Option<u64>,
    /// How often and after how long it looks for new runs. If never, it does not follow.
    polls: u64,
    interval: u64,
    /// How many seconds pass before it begins.
    pause: u64,
}

/// What the emulator and the reader both see.
struct World {
    story: Story,
    list: List,
    duties: Duties,
    given: Given,
    watermark: Option<i64>,
    /// The interval and the polls that are left, if the walk follows.
    follow: Option<(i64, u64)>,
    /// When the walk's last request was answered.
    answered_at: Option<i64>,
    /// Whether the walk has followed long enough.
    is_enough: bool,
    failure: Option<String>,
    log: Vec<String>,
}

type Shared = Arc<Mutex<World>>;

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    fn new(story: &Story) -> Self {
        Self {
            story: story.clone(),
            list: story.list.clone(),
            duties: Duties::default(),
            given: Given::default(),
            watermark: None,
            follow: None,
            answered_at: None,
            is_enough: false,
            failure: None,
            log: Vec::new(),
        }
    }

    fn begin_walk(&mut self, walk: Walk, cursor: &Cursor, now: i64) {
        let interval = seconds(walk.interval).as_millis() as i64;
        self.follow = (walk.polls > 0).then_some((interval, walk.polls));
        self.watermark = cursor.watermark().map(millis);
        (self.answered_at, self.is_enough) = (None, false);
        let is_first = *cursor == Cursor::default();
        self.duties.begin_walk(&self.story.wish, is_first);
        self.begin_pass(now);
        self.log.push(format!("{walk:?} from {:?}", self.watermark));
    }

    fn begin_pass(&mut self, now: i64) {
        let wish = &self.story.wish;
        self.duties.begin(wish, &self.list, self.watermark, now);
        self.given.furthest = None;
    }

    fn end_pass(&mut self) -> Result<(), String> {
        self.duties.check(&self.story.wish, &self.given)
    }

    /// A request has arrived. One that comes an interval after the last begins a new pass:
    /// whatever else a walk waits for takes less.
    fn receive(&mut self, number: u64, store: &mut Store) {
        let now = millis(store.now());
        let is_poll = |(interval, _)| self.answered_at.is_some_and(|at| now - at >= interval);
        if let Some((interval, polls)) = self.follow.filter(|follow| is_poll(*follow)) {
            self.log.push("a new look".into());
            let ended = self.end_pass();
            self.fail(ended);
            self.is_enough = polls == 1;
            self.follow = Some((interval, polls.saturating_sub(1)));
            self.begin_pass(now);
        }
        self.answered_at = Some(now);
        self.log.push(format!("request {number} at {now}"));
        if number > MAX_REQUESTS {
            self.fail(Err("the walk does not end".into()));
        }
        self.happen(number, false, store);
    }

    /// Lets happen what is to happen now.
    fn happen(&mut self, request: u64, is_during: bool, store: &mut Store) {
        if self.story.shuffles_ties && !is_during {
            self.list.shuffle_ties(request, store);
        }
        let is_now = |it: &&Happening| (it.request, it.is_during) == (request, is_during);
        for happening in self.story.happenings.iter().filter(is_now) {
            self.duties.expect(&happening.change, &self.list);
            self.list.apply(&happening.change, store);
            self.log.push(format!("{happening:?}"));
        }
        self.duties.look(&self.story.wish, &self.list);
    }

    fn take(&mut self, run: &RunSummary) -> Result<(), String> {
        let (cost, at) = (self.list.cost(&run.id), self.answered_at.unwrap_or(0));
        let (id, status, finish) = (&run.id, &run.status, run.finished_at.map(millis));
        self.log
            .push(format!("{id} comes: {status} finish {finish:?}"));
        self.given
            .take(&self.story.wish, &self.duties, run, (cost, at))
    }

    fn fail(&mut self, result: Result<(), String>) {
        if let Err(failure) = result {
            self.failure.get_or_insert(failure);
        }
    }
}

/// A walk, run by run or page by page.
enum Reader {
    Runs(RunStream),
    Pages(RunPages),
}

impl Reader {
    fn new(runs: Runs, by_page: bool) -> Self {
        if by_page {
            Self::Pages(runs.pages())
        } else {
            Self::Runs(runs.stream())
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<RunSummary>>>> {
        match self {
            Self::Runs(runs) => {
                let polled = runs.poll_next_unpin(cx);
                polled.map_ok(|run| vec![run])
            }
            Self::Pages(pages) => pages.poll_next_unpin(cx).map_ok(|page| page.items),
        }
    }

    fn cursor(&self) -> &Cursor {
        match self {
            Self::Runs(runs) => runs.cursor(),
            Self::Pages(pages) => pages.cursor(),
        }
    }

    fn stats(&self) -> WalkStats {
        match self {
            Self::Runs(runs) => runs.stats(),
            Self::Pages(pages) => pages.stats(),
        }
    }

    /// The next items, or `Err` if there is no reason to wait for them.
    async fn next(&mut self, world: &Shared) -> Result<Option<Result<Vec<RunSummary>>>, Enough> {
        poll_fn(|cx| {
            let is_enough = |world: &World| world.is_enough || world.failure.is_some();
            if is_enough(&lock(world)) {
                return Poll::Ready(Err(Enough));
            }
            let polled = self.poll(cx);
            // Where the walk will look from, should it be waiting now.
            lock(world).watermark = self.cursor().watermark().map(millis);
            polled.map(Ok)
        })
        .await
    }
}

struct Enough;

impl Story {
    fn query(&self) -> RunQuery {
        let query = RunQuery::actor("a").page_size(self.page_size);
        let query = query.descending(self.wish.descending);
        query.statuses(self.wish.statuses.clone())
    }

    async fn emulator(&self, world: &Shared) -> Emulator {
        let (before, during) = (Arc::clone(world), Arc::clone(world));
        let mut builder = Emulator::builder()
            .rows(self.list.rows())
            .clock(time(BEGINNING))
            .latency(self.latency)
            .before_each(move |number, store| lock(&before).receive(number, store));
        if self.happenings.iter().any(|it| it.is_during) {
            let happen = move |number, store: &mut Store| lock(&during).happen(number, true, store);
            builder = builder.during_each(happen);
        }
        builder = if self.tells_max_page_size {
            builder.max_page_size(self.max_page_size)
        } else {
            builder.hidden_max_page_size(self.max_page_size)
        };
        if self.ignores_time_filters {
            builder = builder.ignore_time_filters();
        }
        for (request, fault) in &self.faults {
            builder = builder.fault(*request..=*request, fault.clone());
        }
        builder.start().await.unwrap()
    }

    /// Reads the list while its history goes on, and checks what comes.
    fn play(&self) -> Result<Told, TestCaseError> {
        let world = Arc::new(Mutex::new(World::new(self)));
        // Sockets are looked after at every turn: the clock only waits for them.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .event_interval(1)
            .start_paused(true)
            .enable_all()
            .build()
            .unwrap();
        let told = runtime.block_on(async {
            tokio::spawn(step_the_clock());
            let emulator = self.emulator(&world).await;
            let told = self.read(&emulator, &world).await;
            let is_same = emulator.change(|store| lock(&world).list.is_that_of(store));
            let told = told.and_then(|told| is_same.then_some(told).ok_or("two lists".into()));
            told.map_err(|failure: String| (failure, emulator.requests()))
        });
        told.map_err(|(failure, requests)| {
            let queries = requests
                .iter()
                .map(|request| format!("{:?}", request.query));
            let told: Vec<_> = lock(&world).log.drain(..).chain(queries).collect();
            TestCaseError::fail(format!("{failure}\n{}", told.join("\n")))
        })
    }

    async fn read(&self, emulator: &Emulator, world: &Shared) -> Result<Told, String> {
        let (mut cursor, mut told) = (Cursor::default(), Told::default());
        for walk in &self.walks {
            advance(seconds(walk.pause)).await;
            lock(world).begin_walk(*walk, &cursor, millis(emulator.now()));
            let read = self.walk(*walk, &cursor, emulator, world);
            let ended = timeout(MAX_WALK, read).await;
            let reader = ended.map_err(|_| "the walk does not end".to_owned())??;
            let stats = reader.stats();
            told.retries += stats.retries;
            told.drifts += stats.drifts;
            told.late += stats.late;
            told.vanished += stats.vanished;
            let stored = reader.cursor().to_string();
            cursor = stored.parse().map_err(|error| format!("{error}"))?;
            if cursor.to_string() != stored {
                return Err(format!("{stored} became {cursor}"));
            }
        }
        Ok(told)
    }

    async fn walk(
        &self,
        walk: Walk,
        cursor: &Cursor,
        emulator: &Emulator,
        world: &Shared,
    ) -> Result<Reader, String> {
        let delay = Duration::from_millis(1);
        let retry = RetryPolicy::default().initial_delay(delay).jitter(false);
        let builder = emulator.client_builder();
        let client = builder.retry(retry).build();
        let mut runs = client
            .map_err(|error| error.to_string())?
            .runs(self.query());
        if walk.polls > 0 {
            runs = runs.follow(seconds(walk.interval));
        }
        let lookback = Duration::from_millis(self.wish.lookback as u64);
        let runs = runs.emit(self.wish.emit).lookback(lookback);
        let runs = runs.concurrency(walk.concurrency);
        let mut reader = Reader::new(runs.resume(cursor.clone()), walk.by_page);
        let mut items = 0;
        while let Ok(next) = reader.next(world).await {
            let mut world = lock(world);
            match next {
                Some(Ok(rows)) => {
                    items += rows.len() as u64;
                    rows.iter().try_for_each(|run| world.take(run))?;
                }
                // Without a single start there is no way to go on.
                Some(Err(error))
                    if error.kind() == ErrorKind::Protocol
                        && reader.cursor().watermark().is_none() =>
                {
                    break;
                }
                Some(Err(error)) => return Err(error.to_string()),
                None => {
                    world.log.push("the end".into());
                    world.end_pass()?;
                    return Ok(reader);
                }
            }
            if reader.cursor().rows() != world.given.count {
                let (cursor, count) = (reader.cursor(), world.given.count);
                return Err(format!("{cursor:?} after {count} rows"));
            }
            if walk.stop_after.is_some_and(|most| items >= most) {
                break;
            }
        }
        let mut world = lock(world);
        world.log.push("stopped".into());
        // A request that is still on its way begins no new pass.
        world.follow = None;
        let watermark = reader.cursor().watermark().map(millis);
        world.duties.stop(&self.wish, watermark);
        world.failure.take().map_or(Ok(reader), Err)
    }
}

/// Lets a paused clock go on only in steps, with time for the sockets in between: as
/// [`virtual_time`](apify_runs::emulator::EmulatorBuilder::virtual_time) does, but in longer
/// ones, since nothing here depends on a fraction of a second.
async fn step_the_clock() {
    const STEP: Duration = Duration::from_millis(250);
    const LOOKS: usize = 40;
    loop {
        for _ in 0..LOOKS {
            tokio::task::yield_now().await;
        }
        sleep(STEP).await;
    }
}

/// What happened in a story, so that the stories can be seen to be about something.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    retries: u64,
    drifts: u64,
    late: u64,
    vanished: u64,
}

fn status() -> impl Strategy<Value = RunStatus> {
    prop_oneof![
        4 => Just(RunStatus::Succeeded),
        2 => Just(RunStatus::Failed),
        2 => Just(RunStatus::Running),
        1 => Just(RunStatus::Ready),
    ]
}

fn finished() -> impl Strategy<Value = RunStatus> {
    prop_oneof![Just(RunStatus::Succeeded), Just(RunStatus::Failed)]
}

fn change() -> impl Strategy<Value = Change> {
    let place = || 0_usize..1000;
    prop_oneof![
        2 => (1_usize..10).prop_map(Change::DeleteOldest),
        1 => (1_usize..5).prop_map(Change::DeleteNewest),
        2 => place().prop_map(Change::DeleteAt),
        2 => (0_i64..3).prop_map(Change::Start),
        1 => Just(Change::StartNow),
        3 => (place(), status()).prop_map(|(at, status)| Change::AppearLate(at, status)),
        1 => Just(Change::StartUndated),
        1 => Just(Change::Date),
        5 => (place(), finished()).prop_map(|(at, status)| Change::Finish(at, status)),
        1 => place().prop_map(Change::Resurrect),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let request = prop_oneof![1_u64..10, 1_u64..24];
    (request, any::<bool>(), change()).prop_map(|(request, is_during, change)| Happening {
        request,
        is_during,
        change,
    })
}

fn fault(may_lie: bool) -> impl Strategy<Value = Fault> {
    let total = if may_lie { vec![0, 1 << 40] } else { vec![] };
    let others = vec![
        Fault::status(500),
        Fault::status(503),
        Fault::status(429),
        Fault::status_retry_after(429, 0),
        Fault::status_retry_after(503, 1),
        Fault::Reset,
        Fault::Truncate,
        Fault::BrokenJson,
        Fault::Html { status: 502 },
        Fault::ErrorInOk,
    ];
    let all: Vec<_> = total.into_iter().map(Fault::Total).chain(others).collect();
    proptest::sample::select(all)
}

/// Runs with a few milliseconds between them, and often none.
fn list() -> impl Strategy<Value = List> {
    let gap = prop_oneof![2 => Just(0_i64), 3 => 1_i64..4];
    let runs = proptest::collection::vec((gap, status()), 0..45);
    runs.prop_map(|runs| List::new(&runs))
}

fn wish() -> impl Strategy<Value = Wish> {
    let statuses = prop_oneof![
        2 => Just(vec![]),
        1 => Just(vec![RunStatus::Succeeded]),
        1 => Just(vec![RunStatus::Failed, RunStatus::Running]),
    ];
    let emit = prop_oneof![
        Just(Emit::Snapshot),
        Just(Emit::Finished),
        Just(Emit::Changes)
    ];
    let lookback = prop_oneof![Just(0_i64), 1_i64..20, Just(60_000)];
    let descending = proptest::bool::weighted(0.3);
    (statuses, descending, emit, lookback).prop_map(|(statuses, descending, emit, lookback)| Wish {
        statuses,
        descending,
        emit,
        lookback,
    })
}

fn walk() -> impl Strategy<Value = Walk> {
    let stop_after = proptest::option::of(1_u64..30);
    let polls = prop_oneof![Just(0_u64), 1_u64..5];
    let interval = proptest::sample::select(vec![3_u64, 5, 11, 40]);
    let pause = proptest::sample::select(vec![0_u64, 3, 11, 70, 310]);
    let by_page = proptest::bool::weighted(0.3);
    let concurrency = prop_oneof![Just(1_usize), 2_usize..9];
    (by_page, concurrency, stop_after, polls, interval, pause).prop_map(
        |(by_page, concurrency, stop_after, polls, interval, pause)| Walk {
            by_page,
            concurrency,
            stop_after,
            polls,
            interval,
            pause,
        },
    )
}

fn story() -> impl Strategy<Value = Story> {
    let service = any::<bool>().prop_flat_map(|tells_max_page_size| {
        let faults = proptest::collection::btree_map(1_u64..24, fault(tells_max_page_size), 0..5);
        let latency = proptest::sample::select(vec![0, 400]);
        let ignores_time_filters = proptest::bool::weighted(0.2);
        let tells_max_page_size = Just(tells_max_page_size);
        (
            faults,
            latency,
            ignores_time_filters,
            tells_max_page_size,
            4_u64..30,
            proptest::bool::weighted(0.4),
        )
    });
    let happenings = proptest::collection::vec(happening(), 0..18);
    let walks = proptest::collection::vec(walk(), 1..6);
    (list(), happenings, wish(), 3_u32..=25, service, walks).prop_map(
        |(list, mut happenings, wish, page_size, service, mut walks)| {
            let (
                faults,
                latency,
                ignores_time_filters,
                tells_max_page_size,
                max_page_size,
                shuffles_ties,
            ) = service;
            for walk in walks.iter_mut().filter(|_| wish.descending) {
                walk.polls = 0;
            }
            // A page that is shorter than its limit, and as long as a total from before a run
            // came in between, looks like the last one.
            for happening in happenings.iter_mut().filter(|_| !tells_max_page_size) {
                happening.is_during = false;
            }
            Story {
                list,
                happenings,
                faults,
                wish,
                page_size,
                // Where bounds are ignored, nobody can read a millisecond by itself.
                max_page_size: match ignores_time_filters {
                    true => 1000,
                    false => max_page_size,
                },
                tells_max_page_size,
                ignores_time_filters,
                shuffles_ties,
                latency: Duration::from_millis(latency),
                walks,
            }
        },
    )
}

fn config() -> ProptestConfig {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let is_chosen = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if is_chosen { config.cases } else { 100 },
        ..config
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_nothing_is_lost_and_nothing_comes_twice(story in story()) {
        story.play()?;
    }
}

/// The stories are about all that a walk has to deal with.
#[test]
fn everything_happens_in_the_stories() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut met = Told::default();
    for _ in 0..50 {
        let story = story().new_tree(&mut runner).unwrap().current();
        let told = story.play().unwrap();
        met.retries += told.retries;
        met.drifts += told.drifts;
        met.late += told.late;
        met.vanished += told.vanished;
    }
    let all = [met.retries, met.drifts, met.late, met.vanished];
    assert!(all.iter().all(|count| *count > 3), "{met:?}");
}
