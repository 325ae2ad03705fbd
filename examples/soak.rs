//! Reads a list that never rests, for long, and checks that nothing is lost, repeated or left
//! behind.
//!
//! `cargo run --release --example soak -- virtual 30` takes 30 days of a
//! paused clock, ten minutes of real time; `… -- real 20` takes 20 minutes. A number behind
//! that is the seed of the dice. Ends with status 1 if anything was wrong.
//!
//! On the emulated service runs start, finish, are resurrected, deleted and late, between two
//! requests and in the middle of a page, while one request in thirty fails, in every way the
//! emulator has. Three readers follow the list, one with each [`Emit`]; they are stopped at
//! random and resume from their cursors, as text. A fourth reads the whole list again and again.
//! Every row has to be one that the service had, and to come as often as its [`Emit`] says. At
//! the end no task and no socket may be left, and the memory of the second half may not be above
//! that of the quarter before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apify_runs::emulator::{Emulator, Fault, Store};
use apify_runs::{Client, Cursor, Emit, RetryPolicy, RunQuery, RunSummary};
use chrono::{DateTime, SecondsFormat, Utc};
use fastrand::Rng;
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

type AnyError = Box<dyn Error + Send + Sync>;

const EMITS: [Emit; 3] = [Emit::Snapshot, Emit::Finished, Emit::Changes];

/// How a run ends.
const ENDS: [&str; 4] = ["SUCCEEDED", "FAILED", "TIMED-OUT", "ABORTED"];

/// How long it takes until a run's cost is what it stays.
const SETTLING: Duration = Duration::from_secs(10);
/// How long it may seem to take: a finish has to be a minute ago by every clock, the service tells
/// the time in whole seconds, and a response may be as old when its rows are given to a reader.
const SEEMS_SETTLING: Duration = Duration::from_secs(62);

/// How fast everything goes.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How long all of it takes, and how long until it is told how things are.
    length: Duration,
    report: Duration,
    /// How often the list changes, on average how long until a run starts, and how long a run
    /// takes at most.
    tick: Duration,
    between_starts: Duration,
    longest_run: Duration,
    /// How old runs are when they are deleted.
    retention: Duration,
    /// How old the start of a run may be when it appears or is resurrected.
    late: Duration,
    lookback: Duration,
    interval: Duration,
    timeout: Duration,
    /// How long a reader is stopped at most.
    pause: Duration,
    /// After how long a reader must have handed out what there is to hand out.
    grace: Duration,
}

impl Pace {
    /// As on the service.
    fn of_days(days: u64) -> Self {
        let minutes = |minutes| Duration::from_secs(60 * minutes);
        Self {
            length: minutes(24 * 60 * days),
            report: minutes(24 * 60),
            tick: Duration::from_secs(1),
            between_starts: Duration::from_secs(20),
            longest_run: minutes(90),
            retention: minutes(24 * 60),
            late: minutes(2),
            lookback: minutes(60),
            interval: minutes(1),
            timeout: minutes(1),
            pause: minutes(10),
            grace: minutes(60),
        }
    }

    /// In a hurry.
    fn of_minutes(minutes: u64) -> Self {
        Self {
            length: Duration::from_secs(60 * minutes),
            report: Duration::from_secs(60),
            tick: Duration::from_millis(20),
            between_starts: Duration::from_millis(100),
            longest_run: Duration::from_secs(20),
            retention: Duration::from_secs(150),
            late: Duration::from_secs(2),
            lookback: Duration::from_secs(40),
            interval: Duration::from_millis(500),
            timeout: Duration::from_secs(1),
            pause: Duration::from_secs(3),
            grace: Duration::from_secs(100),
        }
    }
}

/// A run on the service.
struct Truth {
    /// When it appeared on the list.
    appeared: DateTime<Utc>,
    /// Its rows one after the other, but for the cost: half of it until it has settled.
    rows: Vec<RunSummary>,
    cost: f64,
    is_deleted: bool,
    /// What each reader has been given of it, and when the first of that.
    given: [Vec<RunSummary>; EMITS.len()],
    first_given: [DateTime<Utc>; EMITS.len()],
}

/// What happens to a run.
#[derive(Clone, Copy)]
enum Event {
    Finish,
    Resurrect,
    Delete,
    /// No response from before it was deleted is on its way any more.
    Forget,
}

/// The service, as it really is.
struct World {
    pace: Pace,
    dice: Rng,
    /// Whether anything happens.
    is_alive: bool,
    next_start: DateTime<Utc>,
    runs: HashMap<String, Truth>,
    /// What is going to happen, by its time. The number tells apart what happens at the same.
    events: BTreeMap<(DateTime<Utc>, u64), (String, Event)>,
    planned: u64,
    counts: Counts,
    wrong: Vec<String>,
}

#[derive(Default)]
struct Counts {
    started: u64,
    finished: u64,
    resurrected: u64,
    late: u64,
    deleted: u64,
    given: [u64; EMITS.len()],
    walked: u64,
    stops: u64,
    errors: u64,
    requests: usize,
    largest_cursor: usize,
}

/// What the tasks share.
struct Soak {
    pace: Pace,
    seed: u64,
    emulator: Emulator,
    /// The emulator locks it while it holds the list: nobody may ask for the list with it in hand.
    world: Arc<Mutex<World>>,
    end: Instant,
}

impl Counts {
    /// A reader stopped, or was stopped, with a cursor of so many bytes.
    fn stop(&mut self, is_error: bool, cursor: usize) {
        self.stops += 1;
        self.errors += u64::from(is_error);
        self.largest_cursor = self.largest_cursor.max(cursor);
    }
}

impl Truth {
    fn new(row: &Value, appeared: DateTime<Utc>) -> Self {
        let mut run = Self {
            appeared,
            rows: Vec::new(),
            cost: row["usageTotalUsd"].as_f64().unwrap_or_default(),
            is_deleted: false,
            given: Default::default(),
            first_given: Default::default(),
        };
        run.note(row);
        run
    }

    /// The service lists this row of it from now on.
    fn note(&mut self, row: &Value) {
        let row = serde_json::from_value(row.clone());
        self.rows.extend(row.map(without_cost));
    }

    /// Whether the service has, or had, this row of it.
    fn had(&self, row: &RunSummary) -> bool {
        let costs = [self.cost, self.cost / 2.0].map(Some);
        costs.contains(&row.usage_total_usd) && self.rows.contains(&without_cost(row.clone()))
    }

    fn finished(&self) -> Option<DateTime<Utc>> {
        self.rows.last()?.finished_at
    }

    fn has_settled(&self, row: &RunSummary) -> bool {
        row.finished_at.is_some() && row.usage_total_usd == Some(self.cost)
    }

    /// Whether a reader may be given this row of it after what it was given before.
    fn may_come(&self, row: &RunSummary, reader: usize) -> bool {
        let given = &self.given[reader];
        let is_same = |other: &&RunSummary| {
            (other.finished_at, other.usage_total_usd) == (row.finished_at, row.usage_total_usd)
        };
        let times = given.iter().filter(is_same).count();
        match EMITS[reader] {
            Emit::Snapshot => given.is_empty(),
            Emit::Finished => self.has_settled(row) && times == 0,
            // What had just finished comes again when its cost has settled, even if it looks the
            // same: because it had settled by less than a second, or was the same from the start.
            _ => {
                let is_same = given.first().is_some_and(|first| is_same(&first));
                let most = usize::from(is_same && self.came_unsettled(reader));
                given.is_empty() || self.has_settled(row) && times <= most
            }
        }
    }

    /// Whether the first row that a reader was given may have been one whose cost had not settled.
    fn came_unsettled(&self, reader: usize) -> bool {
        let finished = self.given[reader].first().and_then(|row| row.finished_at);
        finished.is_some_and(|end| self.first_given[reader] < end + SEEMS_SETTLING)
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = |rows: &[RunSummary]| rows.iter().map(shown).collect::<Vec<_>>().join("; ");
        let (appeared, listed) = (self.appeared, rows(&self.rows));
        write!(f, "a run of {appeared} that was [{listed}]")?;
        for given in &self.given {
            write!(f, ", given [{}]", rows(given))?;
        }
        Ok(())
    }
}

impl World {
    fn new(pace: Pace, dice: Rng) -> Self {
        Self {
            pace,
            dice,
            is_alive: false,
            next_start: DateTime::UNIX_EPOCH,
            runs: HashMap::new(),
            events: BTreeMap::new(),
            planned: 0,
            counts: Counts::default(),
            wrong: Vec::new(),
        }
    }

    /// Lets happen what is due.
    fn go_on(&mut self, store: &mut Store) {
        let now = store.now();
        while self.next_start <= now {
            self.start(store);
            self.next_start += up_to(&mut self.dice, 2 * self.pace.between_starts);
        }
        while let Some(entry) = self.events.first_entry().filter(|next| next.key().0 <= now) {
            let (id, event) = entry.remove();
            self.apply(store, &id, event);
        }
    }

    /// In the middle of a page, what is to come later may come at once.
    fn interfere(&mut self, store: &mut Store) {
        if !self.is_alive {
            return;
        }
        match self.dice.u8(..12) {
            0 => self.start(store),
            1..=2 => {
                let mut events = self.events.iter();
                let next = events.find(|(_, (_, event))| !matches!(event, Event::Forget));
                let next = next.map(|(time, _)| *time);
                if let Some((id, event)) = next.and_then(|time| self.events.remove(&time)) {
                    self.apply(store, &id, event);
                }
            }
            _ => {}
        }
    }

    fn plan(&mut self, at: DateTime<Utc>, id: &str, event: Event) {
        self.planned += 1;
        self.events.insert((at, self.planned), (id.into(), event));
    }

    /// Lets a run start, or appear that has started and finished before.
    fn start(&mut self, store: &mut Store) {
        let (pace, now) = (self.pace, store.now());
        let id = format!("run{}", self.counts.started);
        let is_late = self.dice.u8(..20) == 0;
        if is_late {
            store.insert(&self.late_row(&id, now));
        } else {
            store.start_run(&id);
            let life = life(&mut self.dice, pace.longest_run);
            self.plan(now + life, &id, Event::Finish);
        }
        // Most live as long as the retention lets them, some are deleted by hand.
        let kept = match self.dice.u8(..50) {
            0 => up_to(&mut self.dice, pace.retention),
            _ => pace.retention,
        };
        self.plan(now + kept, &id, Event::Delete);
        let row = store.place_of(&id).and_then(|place| store.run(place));
        let run = Truth::new(&row.unwrap_or_default(), now);
        self.runs.insert(id, run);
        self.counts.started += 1;
        self.counts.late += u64::from(is_late);
    }

    /// A run that has started and finished a while ago.
    fn late_row(&mut self, id: &str, now: DateTime<Utc>) -> Value {
        let started = now - up_to(&mut self.dice, self.pace.late);
        let finished = started + (now - started) / 2;
        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        json!({
            "id": id, "status": self.end(), "startedAt": text(started),
            "finishedAt": text(finished), "usageTotalUsd": self.dice.f64(),
        })
    }

    /// How the next run ends.
    fn end(&mut self) -> &'static str {
        ENDS[self.dice.usize(..ENDS.len())]
    }

    fn apply(&mut self, store: &mut Store, id: &str, event: Event) {
        if let Event::Forget = event {
            self.runs.remove(id);
            return;
        }
        let Some(place) = store.place_of(id) else {
            return;
        };
        match event {
            Event::Finish => self.finish(store, place, id),
            Event::Resurrect => {
                store.resurrect(place);
                self.counts.resurrected += 1;
                let life = life(&mut self.dice, self.pace.longest_run);
                self.plan(store.now() + life, id, Event::Finish);
            }
            Event::Delete | Event::Forget => {
                store.delete(place..=place);
                return self.delete(id, store.now());
            }
        }
        if let (Some(run), Some(row)) = (self.runs.get_mut(id), store.run(place)) {
            run.note(&row);
        }
    }

    fn finish(&mut self, store: &mut Store, place: u64, id: &str) {
        store.finish(place, self.end());
        self.counts.finished += 1;
        let (late, now) = (self.pace.late, store.now());
        let is_young = |run: &Truth| now < run.appeared + late;
        if self.runs.get(id).is_some_and(is_young) && self.dice.u8(..4) == 0 {
            let soon = now + up_to(&mut self.dice, 2 * SETTLING).min(late);
            self.plan(soon, id, Event::Resurrect);
        }
    }

    fn delete(&mut self, id: &str, now: DateTime<Utc>) {
        if let Some(run) = self.runs.get_mut(id) {
            run.is_deleted = true;
        }
        self.counts.deleted += 1;
        self.check(id, now, self.pace.grace);
        self.plan(now + self.pace.grace / 4, id, Event::Forget);
    }

    /// Whether the service has, or had, this row.
    fn had(&self, row: &RunSummary) -> bool {
        let run = self.runs.get(row.id.as_str());
        run.is_some_and(|run| run.had(row))
    }

    /// The runs on the list.
    fn listed(&self) -> Vec<String> {
        let listed = self.runs.iter().filter(|(_, run)| !run.is_deleted);
        listed.map(|(id, _)| id.clone()).collect()
    }

    /// A walk over the whole list has come to a row.
    fn meet(&mut self, row: &RunSummary, is_new: bool) {
        if !is_new {
            self.wrong.push(format!("walk: {row:?} again"));
        }
        if !self.had(row) {
            self.wrong.push(format!("walk: never listed: {row:?}"));
        }
    }

    /// A walk over the whole list has seen these runs; those were listed before it.
    fn compare(&mut self, before: &[String], seen: &HashSet<String>) {
        self.counts.walked += seen.len() as u64;
        let is_there = |id: &&String| self.runs.get(*id).is_some_and(|run| !run.is_deleted);
        let unseen = before.iter().filter(|id| !seen.contains(*id));
        for id in unseen.filter(is_there) {
            self.wrong.push(format!("walk: {id} was lost"));
        }
    }

    /// A reader was given a run.
    fn give(&mut self, reader: usize, row: RunSummary, now: DateTime<Utc>) {
        self.counts.given[reader] += 1;
        if !self.had(&row) {
            let story = format!("reader {reader}: never listed: {row:?}");
            self.wrong.push(story);
        }
        let Some(run) = self.runs.get_mut(row.id.as_str()) else {
            return;
        };
        if !run.may_come(&row, reader) {
            let story = format!("reader {reader}: {} once more of {run}", shown(&row));
            self.wrong.push(story);
        }
        if run.given[reader].is_empty() {
            run.first_given[reader] = now;
        }
        run.given[reader].push(row);
    }

    /// What readers must have been given of a run by now, and have not.
    fn check(&mut self, id: &str, now: DateTime<Utc>, grace: Duration) {
        let Some(run) = self.runs.get(id) else { return };
        let finished = run.finished();
        for (reader, given) in run.given.iter().enumerate() {
            let is_last = |row: &RunSummary| row.finished_at == finished && run.has_settled(row);
            let is_due = |since: DateTime<Utc>| since + grace < now;
            let is_done = finished.is_some_and(is_due);
            let is_lost = match EMITS[reader] {
                Emit::Snapshot => is_due(run.appeared) && given.is_empty(),
                Emit::Finished => is_done && !given.iter().any(is_last),
                _ => {
                    let is_unseen = is_due(run.appeared) && given.is_empty();
                    is_unseen || is_done && !given.iter().any(is_last)
                }
            };
            if is_lost {
                let story = format!("reader {reader}: at {now} lost something of {run}");
                self.wrong.push(story);
            }
        }
    }
}

impl Soak {
    async fn start(pace: Pace, seed: u64) -> Result<Arc<Self>, AnyError> {
        let world = Arc::new(Mutex::new(World::new(pace, dice(seed, 0))));
        let during = Arc::clone(&world);
        let emulator = Emulator::builder()
            .faults(move |request| fault(seed, request))
            .during_each(move |_, store| lock(&during).interfere(store));
        Ok(Arc::new(Self {
            pace,
            seed,
            emulator: emulator.start().await?,
            world,
            end: Instant::now() + pace.length,
        }))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    fn client(&self) -> Result<Client, AnyError> {
        let delay = self.pace.timeout / 20;
        let policy = RetryPolicy::default()
            .max_retries(2)
            .initial_delay(delay)
            .max_delay(2 * delay);
        let client = self.emulator.client_builder().retry(policy);
        Ok(client.timeout(self.pace.timeout).build()?)
    }

    /// Lets things happen on the service.
    async fn live(self: Arc<Self>) {
        self.world().next_start = self.emulator.now();
        self.world().is_alive = true;
        while !self.is_over() {
            self.emulator.change(|store| self.world().go_on(store));
            sleep(self.pace.tick).await;
        }
        self.world().is_alive = false;
    }

    /// Follows the list, with stops.
    async fn follow(self: Arc<Self>, reader: usize) -> Result<(), AnyError> {
        let mut dice = dice(self.seed, 1 + reader as u64);
        let mut cursor = serde_json::to_string(&Cursor::default())?;
        // Life ends before the readers do.
        let end = self.end + self.pace.grace;
        while Instant::now() < end {
            let runs = self.client()?.runs("janedoe~crawler").emit(EMITS[reader]);
            let runs = runs.lookback(self.pace.lookback).follow(self.pace.interval);
            let mut stream = runs.resume(serde_json::from_str(&cursor)?).stream();
            let stop = Instant::now() + up_to(&mut dice, 60 * self.pace.interval);
            let mut failed = None;
            while let Ok(Some(run)) = timeout_at(stop.min(end), stream.next()).await {
                match run {
                    Ok(run) => self.world().give(reader, run, self.emulator.now()),
                    Err(error) => failed = Some(error),
                }
            }
            let last = failed.as_ref().and_then(|error| error.cursor());
            cursor = serde_json::to_string(last.unwrap_or(stream.cursor()))?;
            self.world().counts.stop(failed.is_some(), cursor.len());
            sleep(up_to(&mut dice, self.pace.pause)).await;
        }
        Ok(())
    }

    /// Reads the whole list again and again.
    async fn walk(self: Arc<Self>) -> Result<(), AnyError> {
        let mut dice = dice(self.seed, 9);
        while !self.is_over() {
            let before = self.world().listed();
            let query = RunQuery::actor("janedoe~crawler").page_size(dice.u32(20..=1000));
            let query = query.descending(dice.bool());
            let seen = self.read(&query, dice.usize(1..=16)).await?;
            self.world().compare(&before, &seen);
            sleep(up_to(&mut dice, 60 * self.pace.interval)).await;
        }
        Ok(())
    }

    /// Reads the whole list once, in as many walks as it takes, and tells which runs came.
    async fn read(
        &self,
        query: &RunQuery,
        concurrency: usize,
    ) -> Result<HashSet<String>, AnyError> {
        let (mut seen, mut cursor) = (HashSet::new(), Cursor::default());
        loop {
            let runs = self.client()?.runs(query).resume(cursor);
            let mut stream = runs.concurrency(concurrency).stream();
            let mut failed = None;
            while let Some(run) = stream.next().await {
                match run {
                    Ok(row) => {
                        let is_new = seen.insert(row.id.to_string());
                        self.world().meet(&row, is_new);
                    }
                    Err(error) => failed = Some(error),
                }
            }
            let Some(error) = failed else { return Ok(seen) };
            cursor = error.cursor().cloned().unwrap_or_default();
        }
    }

    /// Lets everything run until it ends, and tells the memory in use at each report.
    async fn run(self: Arc<Self>) -> Result<Vec<u64>, AnyError> {
        let readers = (0..EMITS.len()).map(|reader| Arc::clone(&self).follow(reader).boxed());
        let walk = Arc::clone(&self).walk().boxed();
        let all = futures::future::try_join_all(readers.chain([walk]));
        let mut work = pin!(futures::future::join(Arc::clone(&self).live(), all));
        let mut memory = Vec::new();
        let mut next = Instant::now() + self.pace.report;
        loop {
            tokio::select! {
                (_, ended) = &mut work => {
                    ended?;
                    break;
                }
                () = sleep_until(next) => {
                    next += self.pace.report;
                    memory.push(self.report(memory.len() + 1));
                }
            }
        }
        memory.push(self.report(memory.len() + 1));
        Ok(memory)
    }

    /// All that was wrong, and what is missing at the end.
    fn wrong(&self) -> Vec<String> {
        let now = self.emulator.now();
        let mut world = self.world();
        for id in world.listed() {
            world.check(&id, now, self.pace.grace / 2);
        }
        std::mem::take(&mut world.wrong)
    }

    /// Whether all that readers had in flight ends now that they have: `before` them, there was
    /// nothing. It has less time than an attempt, so that nothing is over just by its timeout.
    async fn comes_to_rest(&self, before: Left) -> bool {
        // The emulator's own: the task that accepts connections, and the socket it listens on.
        let expected = Left {
            tasks: before.tasks + 1,
            sockets: before.sockets + 1,
        };
        let until = Instant::now() + self.pace.timeout / 2;
        loop {
            let (left, in_flight) = (Left::now(), self.emulator.in_flight());
            let is_at_rest = left == expected && in_flight == 0;
            if is_at_rest || Instant::now() >= until {
                println!(
                    "after the last reader {left}, {in_flight} requests; expected {expected}, 0"
                );
                return is_at_rest;
            }
            sleep(self.pace.timeout / 50).await;
        }
    }

    /// Tells how things are, and returns the memory in use.
    fn report(&self, number: usize) -> u64 {
        let (listed, in_flight) = (self.emulator.len(), self.emulator.in_flight());
        let left = Left::now();
        let mut world = self.world();
        world.counts.requests += self.emulator.take_requests().len();
        let (counts, memory) = (&world.counts, resident_kib());
        println!(
            "{number:>4}: {} runs ({} late), {} finished, {} resurrected, {} deleted, {listed} \
             listed; given {:?}, {} in walks; {} requests, {in_flight} in flight, {} stops, {} of \
             them errors; cursor {} bytes at most; {left}; {:.1} MiB; {} wrong",
            counts.started,
            counts.late,
            counts.finished,
            counts.resurrected,
            counts.deleted,
            counts.given,
            counts.walked,
            counts.requests,
            counts.stops,
            counts.errors,
            counts.largest_cursor,
            memory as f64 / 1024.0,
            world.wrong.len(),
        );
        for wrong in world.wrong.iter().take(3) {
            println!("wrong: {wrong}");
        }
        memory
    }
}

/// Tasks and sockets of this process.
#[derive(Clone, Copy, PartialEq)]
struct Left {
    tasks: usize,
    sockets: usize,
}

impl Left {
    fn now() -> Self {
        Self {
            tasks: tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks(),
            sockets: sockets(),
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tasks, {} sockets", self.tasks, self.sockets)
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What changes of a row.
fn shown(row: &RunSummary) -> String {
    let end = row.finished_at.map(|end| end.to_rfc3339());
    let (end, cost) = (end.unwrap_or_default(), row.usage_total_usd);
    format!("{} {} {end} {cost:?}", row.id, row.status)
}

fn without_cost(mut row: RunSummary) -> RunSummary {
    row.usage_total_usd = None;
    row
}

/// One part of the dice for each task, so that they do not depend on each other's order.
fn dice(seed: u64, task: u64) -> Rng {
    Rng::with_seed(seed.wrapping_mul(1000).wrapping_add(task))
}

/// What goes wrong with a request: one in thirty, and now and then several in a row.
fn fault(seed: u64, request: u64) -> Option<Fault> {
    let mut dice = Rng::with_seed(seed ^ (request / 5).wrapping_mul(0x9E37_79B9));
    let is_outage = dice.u8(..100) == 0;
    let mut dice = Rng::with_seed(seed ^ request.wrapping_mul(0x85EB_CA6B) ^ 1);
    if !is_outage && dice.u8(..45) != 0 {
        return None;
    }
    let statuses = [400, 401, 403, 404, 408, 429, 500, 502, 503, 504];
    let status = statuses[dice.usize(..statuses.len())];
    Some(match dice.u8(..15) {
        0 => Fault::Hang,
        1 => Fault::Stall,
        2 => Fault::Reset,
        3 => Fault::Truncate,
        4 => Fault::Html { status },
        5 => Fault::Html { status: 200 },
        6 => Fault::BrokenJson,
        7 => Fault::Empty,
        8 => Fault::ErrorInOk,
        9 => Fault::Redirect("http://other.example/".into()),
        10 => Fault::status_retry_after(429, 1),
        11 => Fault::body("null"),
        12 => Fault::Total(0),
        13 => Fault::Total(1 << 40),
        _ => Fault::status(status),
    })
}

fn up_to(dice: &mut Rng, most: Duration) -> Duration {
    most.mul_f64(dice.f64())
}

/// How long a run takes: most are short.
fn life(dice: &mut Rng, longest: Duration) -> Duration {
    let most = up_to(dice, longest);
    up_to(dice, most)
}

/// The memory of this process, in KiB. 0 where nobody tells.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.unwrap_or(0)
}

/// How many sockets this process has. 0 where nobody tells.
fn sockets() -> usize {
    let Ok(files) = std::fs::read_dir("/proc/self/fd") else {
        return 0;
    };
    let targets = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    targets
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count()
}

/// Lets a paused clock go on in steps, and only when no socket has anything to say.
async fn step_the_clock() {
    loop {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Whether the second half of the reports shows more memory than the second quarter; until then
/// the list itself grows.
fn has_grown(memory: &[u64]) -> bool {
    let most = |memory: &[u64]| memory.iter().copied().max().unwrap_or(0);
    let (quarter, half) = (memory.len() / 4, memory.len() / 2);
    if quarter == 0 {
        println!("memory: not measured, too few reports");
        return false;
    }
    let (before, after) = (most(&memory[quarter..half]), most(&memory[half..]));
    println!("memory: {before} KiB at most in the second quarter, {after} KiB after it");
    // The check itself remembers each run, and pages of memory come and go.
    after > before + before / 10 + 8192
}

async fn soak(pace: Pace, seed: u64) -> Result<bool, AnyError> {
    let before = Left::now();
    let soak = Soak::start(pace, seed).await?;
    let memory = Arc::clone(&soak).run().await?;
    let wrong = soak.wrong();
    let is_at_rest = soak.comes_to_rest(before).await;
    drop(soak);
    // What was aborted still has to be dropped, and sockets to be closed.
    sleep(Duration::from_secs(2)).await;

    let after = Left::now();
    println!("before the emulator {before}, after it {after}");
    let has_grown = has_grown(&memory);
    println!("{} wrong", wrong.len());
    for wrong in wrong.iter().take(10) {
        println!("wrong: {wrong}");
    }
    Ok(wrong.is_empty() && is_at_rest && before == after && !has_grown)
}

fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "virtual".into());
    let amount = arguments.next().map(|text| text.parse()).transpose()?;
    let seed = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let is_good = match kind.as_str() {
        "virtual" => {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().start_paused(true).build()?;
            runtime.block_on(async {
                let clock = tokio::spawn(step_the_clock());
                let is_good = soak(Pace::of_days(amount.unwrap_or(30)), seed).await;
                clock.abort();
                is_good
            })
        }
        "real" => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(soak(Pace::of_minutes(amount.unwrap_or(20)), seed))
        }
        _ => return Err(format!("virtual or real, not {kind}").into()),
    }?;
    if !is_good {
        return Err("something was wrong, see above".into());
    }
    Ok(())
}
