//! Reads a list that never rests, for long, and checks that nothing is lost, repeated or left
//! behind.
//!
//! `cargo run --release --features emulator --example soak -- virtual 30` takes 30 days of a
//! paused clock, a few minutes of real time; `… -- real 20` takes 20 minutes. A number behind
//! that is the seed of the dice. Ends with status 1 if anything was wrong.
//!
//! On the emulated service runs start, finish, are resurrected, deleted and late, while one
//! request in thirty fails, in every way the emulator has. Three readers follow the list, one
//! with each [`Emit`]; they are stopped at random and go on from their cursors, as text. A fourth
//! reads the whole list again and again. At the end no task and no socket may be left, and the
//! memory of the second half may not be above that of the quarter before.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apify_runs::emulator::{Emulator, Fault, Store};
use apify_runs::{Client, Cursor, Emit, RetryPolicy, RunQuery, RunSummary};
use chrono::{DateTime, SecondsFormat, Utc};
use fastrand::Rng;
use futures::{FutureExt, StreamExt};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

type AnyError = Box<dyn Error + Send + Sync>;

const EMITS: [Emit; 3] = [Emit::Snapshot, Emit::Finished, Emit::Changes];

/// How long it takes until a run's cost is what it stays.
const SETTLING: Duration = Duration::from_secs(10);

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
            retention: Duration::from_secs(120),
            late: Duration::from_secs(2),
            lookback: Duration::from_secs(40),
            interval: Duration::from_millis(500),
            timeout: Duration::from_secs(1),
            pause: Duration::from_secs(3),
            grace: Duration::from_secs(40),
        }
    }
}

/// A run on the service.
struct Truth {
    /// When it appeared on the list.
    appeared: DateTime<Utc>,
    finished: Option<DateTime<Utc>>,
    cost: f64,
    is_deleted: bool,
    /// What each reader has been given of it.
    given: [Vec<RunSummary>; EMITS.len()],
}

/// What happens to a run.
#[derive(Clone, Copy)]
enum Event {
    Finish,
    Resurrect,
    Delete,
    /// After this, nobody has to remember it.
    Forget,
}

#[derive(Default)]
struct World {
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
    world: Mutex<World>,
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

impl World {
    fn plan(&mut self, at: DateTime<Utc>, id: &str, event: Event) {
        self.planned += 1;
        self.events.insert((at, self.planned), (id.into(), event));
    }

    fn appear(&mut self, id: &str, cost: f64, now: DateTime<Utc>, finished: Option<DateTime<Utc>>) {
        self.counts.started += 1;
        let run = Truth {
            appeared: now,
            finished,
            cost,
            is_deleted: false,
            given: Default::default(),
        };
        self.runs.insert(id.into(), run);
    }

    /// A reader was given a run.
    fn give(&mut self, reader: usize, run: RunSummary) {
        self.counts.given[reader] += 1;
        let Some(truth) = self.runs.get_mut(run.id.as_str()) else {
            self.wrong.push(format!("reader {reader}: unknown {run:?}"));
            return;
        };
        let given = &mut truth.given[reader];
        let is_same = |other: &&RunSummary| other.finished_at == run.finished_at;
        let repeats = given.iter().filter(is_same).count();
        let is_unfinished = run.finished_at.is_none();
        let is_final = run.usage_total_usd == Some(truth.cost) && !is_unfinished;
        let is_wrong = match EMITS[reader] {
            Emit::Snapshot => !given.is_empty(),
            Emit::Finished => repeats > 0 || !is_final,
            // One that had just finished comes again when its cost has settled.
            _ => repeats > usize::from(!is_unfinished),
        };
        if is_wrong {
            let story = format!("reader {reader}: {run:?} after {given:?}");
            self.wrong.push(story);
        }
        truth.given[reader].push(run);
    }

    /// What readers must have been given of a run by now, and have not.
    fn check(&mut self, id: &str, now: DateTime<Utc>, grace: Duration) {
        let Some(run) = self.runs.get(id) else { return };
        for (reader, given) in run.given.iter().enumerate() {
            let is_last = |row: &RunSummary| {
                row.finished_at == run.finished && row.usage_total_usd == Some(run.cost)
            };
            let is_due = |since: DateTime<Utc>| since + grace < now;
            let is_done = run.finished.is_some_and(is_due);
            let is_lost = match EMITS[reader] {
                Emit::Snapshot => is_due(run.appeared) && given.is_empty(),
                Emit::Finished => is_done && !given.iter().any(is_last),
                _ => {
                    let is_unseen = is_due(run.appeared) && given.is_empty();
                    is_unseen || is_done && !given.iter().any(is_last)
                }
            };
            if is_lost {
                let (appeared, finished) = (run.appeared, run.finished);
                self.wrong.push(format!(
                    "reader {reader}: {id} of {appeared}, finished {finished:?}, was lost at \
                     {now}: {given:?}"
                ));
            }
        }
    }
}

impl Soak {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// One part of the dice for each task, so that they do not depend on each other's order.
    fn dice(&self, task: u64) -> Rng {
        Rng::with_seed(self.seed.wrapping_mul(1000).wrapping_add(task))
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
        let mut dice = self.dice(0);
        let mut next_start = self.emulator.now();
        while !self.is_over() {
            let now = self.emulator.now();
            while next_start <= now {
                self.start(&mut dice);
                next_start += up_to(&mut dice, 2 * self.pace.between_starts);
            }
            self.happen(&mut dice);
            sleep(self.pace.tick).await;
        }
    }

    /// Lets a run start, or appear that has started and finished before.
    fn start(&self, dice: &mut Rng) {
        let mut world = self.world();
        let id = format!("run{}", world.counts.started);
        let pace = self.pace;
        self.emulator.change(|store| {
            let now = store.now();
            if dice.u8(..20) == 0 {
                let started = now - up_to(dice, pace.late);
                let finished = started + (now - started) / 2;
                let finished = DateTime::from_timestamp_millis(finished.timestamp_millis());
                let cost = dice.f64();
                let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
                store.insert(&json!({
                    "id": id, "status": "SUCCEEDED", "startedAt": text(started),
                    "finishedAt": finished.map(text), "usageTotalUsd": cost,
                }));
                world.appear(&id, cost, now, finished);
                world.counts.late += 1;
            } else {
                store.start_run(&id);
                let row = store.place_of(&id).and_then(|place| store.run(place));
                let cost = row.and_then(|row| row["usageTotalUsd"].as_f64());
                world.appear(&id, cost.unwrap_or_default(), now, None);
                world.plan(now + life(dice, pace.longest_run), &id, Event::Finish);
            }
            // Most live as long as the retention lets them, some are deleted by hand.
            let kept = match dice.u8(..50) {
                0 => up_to(dice, pace.retention),
                _ => pace.retention,
            };
            world.plan(now + kept, &id, Event::Delete);
        });
    }

    /// Lets happen what is due.
    fn happen(&self, dice: &mut Rng) {
        let now = self.emulator.now();
        let mut world = self.world();
        while let Some(entry) = world
            .events
            .first_entry()
            .filter(|next| next.key().0 <= now)
        {
            let (id, event) = entry.remove();
            self.apply(&mut world, &id, event, dice);
        }
    }

    fn apply(&self, world: &mut World, id: &str, event: Event, dice: &mut Rng) {
        let (pace, now) = (self.pace, self.emulator.now());
        if let Event::Forget = event {
            world.runs.remove(id);
            return;
        }
        let Some(run) = world.runs.get_mut(id).filter(|run| !run.is_deleted) else {
            return;
        };
        match event {
            Event::Finish => {
                run.finished = self.change(id, |store, place| store.finish(place, "SUCCEEDED"));
                let is_young = now < run.appeared + pace.late;
                world.counts.finished += 1;
                if is_young && dice.u8(..4) == 0 {
                    let soon = now + up_to(dice, 2 * SETTLING).min(pace.late);
                    world.plan(soon, id, Event::Resurrect);
                }
            }
            Event::Resurrect => {
                run.finished = self.change(id, Store::resurrect);
                world.counts.resurrected += 1;
                world.plan(now + life(dice, pace.longest_run), id, Event::Finish);
            }
            Event::Delete | Event::Forget => {
                self.change(id, |store, place| {
                    store.delete(place..=place);
                    true
                });
                run.is_deleted = true;
                world.counts.deleted += 1;
                world.check(id, now, pace.grace);
                world.plan(now + 2 * pace.grace, id, Event::Forget);
            }
        }
    }

    /// Changes the run with this ID on the service, and tells when it has finished then.
    fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut Store, u64) -> bool,
    ) -> Option<DateTime<Utc>> {
        let row = self.emulator.change(|store| {
            let place = store.place_of(id)?;
            change(store, place);
            store.run(place)
        })?;
        let finished = DateTime::parse_from_rfc3339(row["finishedAt"].as_str()?);
        Some(finished.ok()?.to_utc())
    }

    /// Follows the list, with stops.
    async fn follow(self: Arc<Self>, reader: usize) -> Result<(), AnyError> {
        let mut dice = self.dice(1 + reader as u64);
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
                    Ok(run) => self.world().give(reader, run),
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
        let mut dice = self.dice(9);
        while !self.is_over() {
            let before: Vec<String> = self.listed();
            let mut query = RunQuery::actor("janedoe~crawler").page_size(dice.u32(20..=1000));
            if dice.bool() {
                query = query.descending(true);
            }
            let concurrency = dice.usize(1..=16);
            let mut seen = HashSet::new();
            let mut cursor = Cursor::default();
            loop {
                let runs = self.client()?.runs(query.clone()).resume(cursor);
                let mut stream = runs.concurrency(concurrency).stream();
                let mut failed = None;
                while let Some(run) = stream.next().await {
                    match run {
                        Ok(run) if seen.insert(run.id.to_string()) => {}
                        Ok(run) => self.world().wrong.push(format!("walk: {run:?} again")),
                        Err(error) => failed = Some(error),
                    }
                }
                let Some(error) = failed else { break };
                cursor = error.cursor().cloned().unwrap_or_default();
            }
            let after: HashSet<String> = self.listed().into_iter().collect();
            self.world().counts.walked += seen.len() as u64;
            let there = before.iter().filter(|id| after.contains(*id));
            for id in there.filter(|id| !seen.contains(*id)) {
                let story = format!("walk of {query:?}: {id} was lost");
                self.world().wrong.push(story);
            }
            sleep(up_to(&mut dice, 60 * self.pace.interval)).await;
        }
        Ok(())
    }

    fn listed(&self) -> Vec<String> {
        let world = self.world();
        let listed = world.runs.iter().filter(|(_, run)| !run.is_deleted);
        listed.map(|(id, _)| id.clone()).collect()
    }

    /// Tells how things are, and returns the memory in use.
    fn report(&self, number: u64) -> u64 {
        let mut world = self.world();
        world.counts.requests += self.emulator.take_requests().len();
        let (counts, memory) = (&world.counts, resident_kib());
        println!(
            "{number:>4}: {} runs ({} late), {} finished, {} resurrected, {} deleted, {} listed; \
             given {:?}, {} in walks; {} requests, {} stops, {} of them errors; cursor {} bytes \
             at most; {:.1} MiB; {} wrong",
            counts.started,
            counts.late,
            counts.finished,
            counts.resurrected,
            counts.deleted,
            self.emulator.len(),
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
    Some(match dice.u8(..13) {
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

fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
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
    let (before, after) = (most(&memory[quarter..half]), most(&memory[half..]));
    println!("memory: {before} KiB at most in the second quarter, {after} KiB after it");
    quarter > 0 && after > before + before / 10
}

async fn soak(pace: Pace, seed: u64) -> Result<bool, AnyError> {
    let before = (tasks(), sockets());
    let emulator = Emulator::builder().faults(move |request| fault(seed, request));
    let soak = Arc::new(Soak {
        pace,
        seed,
        emulator: emulator.start().await?,
        world: Mutex::default(),
        end: Instant::now() + pace.length,
    });
    let mut memory = Vec::new();
    {
        let readers = (0..EMITS.len()).map(|reader| Arc::clone(&soak).follow(reader).boxed());
        let walk = Arc::clone(&soak).walk().boxed();
        let all = futures::future::try_join_all(readers.chain([walk]));
        let live = Arc::clone(&soak).live();
        let work = futures::future::join(live, all);
        let mut work = std::pin::pin!(work);
        let mut next = Instant::now() + pace.report;
        let ended = loop {
            tokio::select! {
                (_, ended) = &mut work => break ended,
                () = sleep_until(next) => {
                    next += pace.report;
                    memory.push(soak.report(memory.len() as u64 + 1));
                }
            }
        };
        ended?;
    }
    memory.push(soak.report(memory.len() as u64 + 1));
    let now = soak.emulator.now();
    for id in soak.listed() {
        soak.world().check(&id, now, pace.grace / 2);
    }
    let wrong = std::mem::take(&mut soak.world().wrong);
    drop(soak);
    // What was aborted still has to be dropped, and sockets to be closed.
    sleep(Duration::from_secs(2)).await;

    let after = (tasks(), sockets());
    println!("tasks and sockets before {before:?}, after {after:?}");
    let has_grown = has_grown(&memory);
    println!("{} wrong", wrong.len());
    for wrong in wrong.iter().take(10) {
        println!("wrong: {wrong}");
    }
    Ok(wrong.is_empty() && before == after && !has_grown)
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
