//! Changes of a list that could easily lose or repeat runs, one at a time.

use std::cell::RefCell;

use super::history::{Run, Service, Total, settling, time};
use super::*;
use crate::RunStatus;
use crate::cursor::CursorTracker;

/// Late enough for every run to have settled.
const NOW: i64 = 100_000_000;
const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// How long after its finish the cost of a run may change.
const SETTLING: i64 = 10 * SECOND;

/// A consumer that reads a list, in one walk after another.
struct Reader {
    query: RunQuery,
    emit: Emit,
    lookback: i64,
    concurrency: usize,
    /// How many times each walk polls after the end, and how long it waits before.
    polls: usize,
    wait: i64,
    service: Service,
    request_takes: i64,
    cursor: Cursor,
    rows: Vec<Row>,
}

/// A row that was handed out.
#[derive(Debug)]
struct Row {
    id: String,
    finished: Option<i64>,
    responded_at: i64,
}

impl Reader {
    fn new(query: RunQuery, service: Service) -> Self {
        Self {
            query,
            emit: Emit::Snapshot,
            lookback: MINUTE,
            concurrency: 1,
            polls: 0,
            wait: 4 * SECOND,
            service,
            request_takes: 100,
            cursor: Cursor::default(),
            rows: Vec::new(),
        }
    }

    /// A consumer of finished runs.
    fn of_finished(query: RunQuery, service: Service) -> Self {
        Self {
            emit: Emit::Finished,
            ..Self::new(query, service)
        }
    }

    /// Goes on from where the last walk ended or was stopped, and returns the number of requests. The
    /// list stands still.
    fn walk(&mut self) -> usize {
        self.walk_while(usize::MAX, |_, _| {}).unwrap()
    }

    /// Reads until so many rows have been handed out.
    fn walk_until(&mut self, stop_after: usize) -> usize {
        self.walk_while(stop_after, |_, _| {}).unwrap()
    }

    /// Walks while `change` changes the list before each request: it gets the number of the
    /// request, from 0.
    fn walk_while(
        &mut self,
        stop_after: usize,
        mut change: impl FnMut(usize, &mut Service),
    ) -> Result<usize, WalkError> {
        let mut request = 0;
        self.walk_behind(stop_after, |_, service| {
            change(request, service);
            request += 1;
        })
    }

    /// Walks while `change` changes the list before each request: it gets the rows that have
    /// come.
    fn walk_behind(
        &mut self,
        stop_after: usize,
        mut change: impl FnMut(&[Row], &mut Service),
    ) -> Result<usize, WalkError> {
        let rules = Rules {
            emit: self.emit,
            lookback: TimeDelta::milliseconds(self.lookback),
            follow: self.polls > 0,
            undated_first: false,
        };
        let wire = self.query.clone().widened();
        let cursor = self.cursor.bind(&(&self.query).into(), self.emit).unwrap();
        let mut trail = CursorTracker::new(cursor.clone(), rules.retention(&self.query));
        let mut walk = Walk::new(&self.query, rules, cursor);
        let mut ahead = ReadAhead::new();
        let (mut requests, mut items, mut polls) = (0, 0, 0);
        'walk: while items < stop_after {
            match walk.next() {
                Next::Fetch(_) => {}
                Next::Wait if polls < self.polls => {
                    polls += 1;
                    self.service.now += self.wait;
                    walk.begin_pass();
                    continue;
                }
                Next::Wait | Next::End => break,
            }
            ahead.fill(&walk, self.concurrency, |request| {
                self.service.now += self.request_takes;
                change(&self.rows, &mut self.service);
                requests += 1;
                (self.service.respond(request, &wire), self.service.now)
            });
            assert!(requests < 50_000, "the walk does not end");
            let (request, (page, responded_at)) = ahead.pop().unwrap();
            let mut taken = walk.take(request, &page)?;
            trail.extend(std::mem::take(&mut taken.updates));
            let rows = page.rows.iter().enumerate();
            for (_, run) in rows.filter(|(index, _)| taken.includes(*index)) {
                self.rows.push(Row {
                    id: run.id.to_string(),
                    finished: run.finished_at.map(|time| time.timestamp_millis()),
                    responded_at,
                });
                trail.hand_out();
                items += 1;
                if items == stop_after {
                    break 'walk;
                }
            }
            trail.finish();
        }
        self.cursor = trail.cursor().to_string().parse().unwrap();
        Ok(requests)
    }

    fn ids(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row.id.as_str()).collect()
    }

    /// Checks that each of these was handed out exactly once.
    fn assert_once<'a>(&self, expected: impl IntoIterator<Item = &'a String>, context: &str) {
        let came: HashSet<_> = self.ids().into_iter().collect();
        let expected = expected.into_iter();
        let lost: Vec<_> = expected.filter(|id| !came.contains(id.as_str())).collect();
        assert!(lost.is_empty(), "{context}: {} lost, {lost:?}", lost.len());
        let repeated = self.rows.len() - came.len();
        assert_eq!(repeated, 0, "{context}: rows were repeated");
    }
}

/// Pseudorandom numbers.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// Runs that started at these times and finished long ago.
fn service(starts: impl IntoIterator<Item = i64>) -> Service {
    Service {
        now: NOW,
        ..settling(starts)
    }
}

/// Such runs, those of one millisecond in another order in each response.
fn shuffling(starts: impl IntoIterator<Item = i64>, seed: u64) -> Service {
    Service {
        shuffles: true,
        responses: seed << 20,
        ..service(starts)
    }
}

/// As many starts, 1 to `most` in each millisecond.
fn ties(rows: usize, most: u64, seed: u64) -> Vec<i64> {
    let mut dice = Dice::new(seed);
    let groups = (0..).flat_map(|start| vec![start; 1 + dice.below(most) as usize]);
    groups.take(rows).collect()
}

fn run(start: Option<i64>, status: RunStatus, id: &str) -> Run {
    let mut run = Run::new(0, start, status, 0);
    run.0.id = id.into();
    run
}

fn ids_on(service: &Service) -> Vec<String> {
    let runs = service.runs.iter();
    runs.map(|run| run.0.id.to_string()).collect()
}

// Runs of one millisecond.

#[test]
fn nothing_is_lost_where_runs_of_one_millisecond_come_in_another_order_each_time() {
    for seed in 0..300 {
        for (page_size, rows) in [(2, 60), (100, 300)] {
            let list = shuffling(ties(rows, 8, seed), seed);
            let query = query().page_size(page_size).descending(seed % 2 == 1);
            let mut reader = Reader::new(query, list.clone());
            reader.walk();
            let context = format!("seed {seed}, pages of {page_size}");
            reader.assert_once(&ids_on(&list), &context);
        }
    }
}

#[test]
fn a_walk_resumed_among_runs_that_change_places_loses_nothing() {
    for seed in 0..10 {
        let list = shuffling(ties(60, 8, seed), seed);
        for stop in 0..60 {
            for (page_size, lookback) in [(2, MINUTE), (2, 0), (100, 3)] {
                let mut reader = Reader::new(query().page_size(page_size), list.clone());
                reader.lookback = lookback;
                reader.walk_until(stop);
                reader.walk();
                let context = format!("seed {seed}, stopped after {stop}");
                reader.assert_once(&ids_on(&list), &context);
            }
        }
    }
}

/// 17 runs start in each second, 12 of them in one millisecond. One in five becomes visible
/// within the lookback, while the walk is stopped.
#[test]
fn a_busy_actor_is_read_whole_with_the_defaults_though_runs_are_late() {
    let starts = (0..200).flat_map(|second| {
        let at = second * SECOND;
        [at; 12]
            .into_iter()
            .chain((1..6).map(move |n| at + n * 100))
    });
    let all = shuffling(starts, 0);
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let stop = dice.below(2000) as usize;
        let mut list = all.clone();
        list.responses = seed << 20;
        let (late, there): (Vec<_>, Vec<_>) =
            list.runs.into_iter().partition(|_| dice.below(5) == 0);
        list.runs = there;
        let mut reader = Reader::new(query(), list);
        reader.walk_until(stop);
        let oldest = reader
            .cursor
            .watermark()
            .map(|mark| mark - TimeDelta::seconds(60));
        let late = late.into_iter().filter(|run| run.0.started_at >= oldest);
        reader.service.runs.extend(late);
        reader.service.runs.sort_by_key(|run| run.0.started_at);
        reader.walk();
        let expected = ids_on(&reader.service);
        reader.assert_once(&expected, &format!("seed {seed}, stopped after {stop}"));
    }
}

#[test]
fn nothing_is_lost_where_a_run_leaves_in_front_of_two_that_change_places() {
    let at = |hours, status, id| run(Some(hours * HOUR), status, id);
    for status in [RunStatus::Failed, RunStatus::Running] {
        let mut list = service([]);
        list.runs = vec![
            at(0, status.clone(), "a"),
            at(1, RunStatus::Failed, "b"),
            at(2, RunStatus::Failed, "c"),
            at(2, RunStatus::Failed, "d"),
        ];
        let by_status = query().page_size(3).status(RunStatus::Failed);
        let (query, expected) = match status {
            RunStatus::Failed => (query().page_size(3), ["a", "b", "c", "d"].as_slice()),
            // It succeeds, and so does not pass the filter any more.
            _ => (by_status, ["b", "c", "d"].as_slice()),
        };
        let mut reader = Reader::new(query, list);
        let change = |request, list: &mut Service| {
            if request == 1 {
                list.runs.swap(2, 3);
                match status {
                    RunStatus::Failed => drop(list.runs.remove(0)),
                    _ => list.finish(0, &RunStatus::Succeeded),
                }
            }
        };
        reader.walk_while(usize::MAX, change).unwrap();
        assert_eq!(reader.ids(), expected);
    }
}

/// Reads as much as fits on a page again and again until all have been seen.
#[test]
fn more_runs_of_one_millisecond_than_a_page_holds_are_all_read() {
    for (count, bound) in [(1001, 100), (2500, 300)] {
        for seed in 0..3 {
            let starts = [0, 1].into_iter().chain(vec![2; count]).chain([3, 4]);
            let list = shuffling(starts, seed);
            let mut reader = Reader::new(query(), list.clone());
            let requests = reader.walk();
            println!("{count} runs of one millisecond: {requests} requests");
            reader.assert_once(&ids_on(&list), &format!("{count} runs, seed {seed}"));
            assert!(requests < bound, "{requests} requests");
        }
    }
}

#[test]
fn many_finished_runs_of_one_millisecond_are_handed_out_when_their_costs_have_settled() {
    for seed in 0..3 {
        let mut list = shuffling(vec![0; 2500], seed);
        for run in &mut list.runs {
            run.0.finished_at = time(NOW);
        }
        let mut reader = Reader::of_finished(query().page_size(10), list.clone());
        let first = reader.walk();
        assert_eq!((reader.rows.len(), reader.cursor.unfinished()), (0, 2500));
        reader.service.now += 5 * MINUTE;
        let second = reader.walk();
        println!("2500 finished runs: {} requests, then {}", first, second);
        reader.assert_once(&ids_on(&list), &format!("seed {seed}"));
        assert_eq!(reader.cursor.unfinished(), 0);
        assert!(first < 600 && second < 600, "{first} and {second} requests");
    }
}

#[test]
fn a_walk_stopped_near_the_end_of_many_runs_of_one_millisecond_can_be_resumed() {
    for page_size in 1..=3 {
        let list = shuffling(
            vec![0; 5000].into_iter().chain([1, 2]),
            u64::from(page_size),
        );
        let mut reader = Reader::new(query(), list.clone());
        reader.walk_until(4900);
        reader.query = query().page_size(page_size);
        let requests = reader.walk();
        println!(
            "resumed at 4900 with pages of {page_size}: {} requests",
            requests
        );
        reader.assert_once(&ids_on(&list), &format!("pages of {page_size}"));
        assert!(requests < 1000, "{requests} requests");
    }
}

// Runs without a start.

#[test]
fn nothing_is_lost_where_the_row_that_pages_overlap_in_gets_its_start() {
    let mut list = List::of(0);
    let row = |id: &str, seconds: Option<i64>| (id.to_owned(), seconds.map(|n| n * SECOND));
    let dated = [("a", 0), ("b", 10), ("c", 20)].map(|(id, start)| row(id, Some(start)));
    list.rows = [row("u1", None), row("u2", None)]
        .into_iter()
        .chain(dated)
        .collect();
    let outcome = read(&query().page_size(2), &mut list, |request, list| {
        if request == 1 {
            let [a, b, c] = [2, 3, 4].map(|place: usize| list.rows[place].clone());
            list.rows = vec![a, row("u2", Some(5)), b, c, row("u1", Some(30))];
        }
    });
    assert_eq!(outcome.end, Ok(()));
    assert_eq!(outcome.ids, ["u1", "u2", "a", "b", "c"]);
}

/// A part of a split reads such runs from the end of the whole list.
#[test]
fn nothing_is_lost_where_the_row_that_a_scan_for_undated_runs_overlaps_in_gets_its_start() {
    let mut list = List::of(3);
    let undated = ["u1", "u2", "u3"].map(|id| (id.to_owned(), None));
    list.rows.extend(undated);
    let mut query = query().page_size(2);
    query.started_after = DateTime::from_timestamp(50, 0);
    let (mut walk, mut ids, mut requests) = (walk_undated_first(&query), Vec::new(), 0);
    while let Next::Fetch(request) = walk.next() {
        if requests == 1 {
            list.rows.truncate(3);
            let started = [("u3", Some(100_000)), ("u2", Some(200_000)), ("u1", None)];
            let started = started.map(|(id, start)| (id.to_owned(), start));
            list.rows.extend(started);
        }
        requests += 1;
        assert!(requests < 100, "the walk does not end");
        let page = list.respond(bounded(request, query.started_after));
        ids.extend(ids_of(&page, &walk.take(request, &page).unwrap()));
    }
    assert_eq!(ids, ["u3", "u2", "u1"]);
}

#[test]
fn runs_without_a_start_may_come_in_another_order_each_time() {
    for page_size in [1, 2, 10] {
        let mut list = List::of(20);
        let undated = 2 * page_size as usize + 1;
        let runs = (0..undated).map(|n| (format!("undated{n}"), None));
        list.rows.splice(0..0, runs);
        let expected: HashSet<_> = list.ids().into_iter().collect();
        let outcome = read(&query().page_size(page_size), &mut list, |_, list| {
            list.rows[..undated].rotate_right(1);
        });
        let came: HashSet<_> = outcome.ids.iter().cloned().collect();
        assert_eq!((outcome.end, came.len()), (Ok(()), outcome.ids.len()));
        assert_eq!(came, expected);
    }
}

#[test]
fn a_list_that_moves_behind_a_page_of_runs_without_a_start_is_begun_anew() {
    let mut list = List::of(6);
    let undated = (0..5).map(|n| (format!("undated{n}"), None));
    list.rows.splice(0..0, undated);
    let expected = list.ids();
    let outcome = read(&query().page_size(2), &mut list, |request, list| {
        if request == 1 {
            list.rows.remove(0);
        }
    });
    assert_eq!((outcome.end, outcome.ids), (Ok(()), expected));
    assert_eq!(outcome.incidents.drifts, 1);
}

// An offset.

#[test]
fn an_offset_leaves_the_same_runs_out_when_a_walk_is_resumed() {
    let mut list = service([]);
    let starts = [("a", 0), ("b", 0), ("c", 0), ("d", 1), ("e", 2)];
    let run = |(id, start)| run(Some(start), RunStatus::Succeeded, id);
    list.runs = starts.map(run).into();
    let mut reader = Reader::new(query().offset(1).limit(3), list);
    reader.walk_until(1);
    reader.walk();
    assert_eq!(reader.ids(), ["b", "c", "d"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn an_offset_and_a_limit_cut_one_piece_out_of_the_list_however_often_a_walk_stops(
        gaps in proptest::collection::vec(prop_oneof![3 => Just(0_i64), 1 => 1_i64..3], 0..60),
        offset in 0_u64..70,
        limit in proptest::option::of(1_u64..40),
        page_size in 1_u32..20,
        lookback in prop_oneof![Just(0), Just(2), Just(MINUTE)],
        stops in proptest::collection::vec(0_usize..30, 0..4),
        descending: bool,
    ) {
        let starts = gaps.iter().scan(0, |start, gap| {
            *start += gap;
            Some(*start)
        });
        let list = service(starts);
        let mut expected = ids_on(&list);
        if descending {
            expected.reverse();
        }
        let limit = limit.unwrap_or(u64::MAX);
        let rows = expected.into_iter().skip(offset as usize);
        let expected: Vec<_> = rows.take(limit as usize).collect();
        let query = query().page_size(page_size).descending(descending).offset(offset);
        let query = if limit == u64::MAX { query } else { query.limit(limit) };
        let mut reader = Reader::new(query, list);
        reader.lookback = lookback;
        for stop in stops {
            reader.walk_until(stop);
        }
        reader.walk();
        prop_assert_eq!(reader.ids(), expected);
    }
}

// Clocks.

/// Twenty runs that finished in the last twenty seconds, and twenty that will.
fn finishing() -> Service {
    let mut list = service((0..40).map(|n| n * 10));
    for (second, run) in (0_i64..).zip(&mut list.runs) {
        if second < 20 {
            run.0.finished_at = time(NOW - second * SECOND);
        } else {
            (run.0.status, run.0.finished_at) = (RunStatus::Running, None);
        }
    }
    list
}

/// One of the runs that are running finishes, every other request.
fn finish_one(request: usize, list: &mut Service) {
    let running = list.runs.iter().position(|run| !run.0.is_finished());
    if let Some(running) = running.filter(|_| request % 2 == 1) {
        list.finish(running, &RunStatus::Succeeded);
    }
}

fn assert_all_have_settled(reader: &Reader, context: &str) {
    for row in &reader.rows {
        let age = row.responded_at - row.finished.unwrap();
        assert!(
            age >= SETTLING,
            "{context}: {} was handed out after {age} ms",
            row.id
        );
    }
}

const DATES: [Option<i64>; 7] = [
    Some(0),
    Some(5 * SECOND),
    Some(HOUR),
    Some(-11 * SECOND),
    Some(-70 * SECOND),
    Some(-HOUR),
    None,
];

#[test]
fn no_run_is_handed_out_as_finished_before_its_cost_has_settled_whatever_the_clocks_show() {
    for date in DATES {
        for local in [0, 5 * SECOND, -11 * SECOND, -HOUR, HOUR] {
            if date == Some(HOUR) && local == HOUR {
                // There is no clock left that is right.
                continue;
            }
            let mut list = finishing();
            (list.date_ahead, list.local_ahead) = (date, local);
            let context = format!("Date {date:?}, local {local}");
            let mut reader = Reader::of_finished(query(), list);
            reader.polls = 60;
            reader.walk_while(usize::MAX, finish_one).unwrap();
            assert_all_have_settled(&reader, &context);
            let expected = ids_on(&reader.service);
            reader.assert_once(&expected, &context);
        }
    }
}

/// None of them sees a run for ten seconds.
#[test]
fn short_walks_minutes_apart_hand_out_every_finished_run_once_its_cost_has_settled() {
    for date in [
        Some(0),
        Some(5 * SECOND),
        Some(-11 * SECOND),
        Some(-70 * SECOND),
    ] {
        for local in [0, 5 * SECOND, -11 * SECOND, HOUR] {
            let mut list = finishing();
            (list.date_ahead, list.local_ahead) = (date, local);
            let context = format!("Date {date:?}, local {local}");
            let mut reader = Reader::of_finished(query(), list);
            reader.request_takes = 1;
            for _ in 0..30 {
                reader.walk_while(usize::MAX, finish_one).unwrap();
                reader.service.now += 3 * MINUTE;
            }
            assert_all_have_settled(&reader, &context);
            let expected = ids_on(&reader.service);
            reader.assert_once(&expected, &context);
        }
    }
}

// Unfinished runs that are not there.

/// Fifty runs that are running, and one that started a day later.
fn old_unfinished(count: i64) -> Service {
    let mut list = service((0..count).map(|n| n * SECOND).chain([24 * HOUR]));
    list.now += 30 * HOUR;
    for run in list.runs.iter_mut().take(count as usize) {
        (run.0.status, run.0.finished_at) = (RunStatus::Running, None);
    }
    list
}

#[test]
fn unfinished_runs_that_one_walk_does_not_see_are_still_handed_out_when_they_finish() {
    for polls in [0, 3] {
        for lookback in [MINUTE, 100 * HOUR] {
            let list = old_unfinished(50);
            let mut reader = Reader::of_finished(query(), list.clone());
            (reader.lookback, reader.polls, reader.request_takes) = (lookback, polls, 0);
            reader.wait = 0;
            reader.walk();
            assert_eq!(reader.cursor.unfinished(), 50);

            reader.service.now += HOUR;
            let hidden: Vec<_> = reader.service.runs.drain(..50).collect();
            reader.walk();
            reader.service.runs.splice(0..0, hidden);
            assert_eq!(reader.cursor.unfinished(), 50, "lookback {lookback}");

            reader.service.now += HOUR;
            (0..50).for_each(|at| reader.service.finish(at, &RunStatus::Succeeded));
            reader.service.now += HOUR;
            reader.walk();
            let context = format!("{polls} polls, lookback {lookback}");
            reader.assert_once(&ids_on(&list), &context);
        }
    }
}

/// Of 310, ten are still there.
#[test]
fn deleted_unfinished_runs_are_forgotten_though_the_total_is_a_little_too_large() {
    for (too_large, kept) in [(0, 0), (0, 10), (1, 0), (1, 10), (5, 10), (300, 10)] {
        let mut list = old_unfinished(310);
        list.total = Some(Total::TooLargeBy(too_large));
        let mut reader = Reader::of_finished(query(), list);
        reader.walk();
        assert_eq!(reader.cursor.unfinished(), 310);
        let mut place = 0;
        reader.service.runs.retain(|run| {
            place += 1;
            place % 31 == 0 && kept > 0 || run.0.is_finished()
        });
        let mut requests = Vec::new();
        for _ in 0..4 {
            reader.service.now += 3 * MINUTE;
            requests.push(reader.walk());
        }
        println!("total too large by {too_large}, {kept} kept: {requests:?} requests a walk");
        assert_eq!(reader.cursor.unfinished(), kept, "too large by {too_large}");
        assert!(
            requests.iter().all(|requests| *requests <= 30),
            "{requests:?}"
        );
    }
}

// Requests.

/// A list that does not change, on pages of 2 to 901 rows whatever the limit is.
fn requests_for_pages_of_any_length(list: &List, concurrency: usize, seed: u64) -> usize {
    let (mut walk, mut ahead, mut dice) = (walk(&query()), ReadAhead::new(), Dice::new(seed));
    let (mut ids, mut requests) = (Vec::new(), 0);
    loop {
        ahead.fill(&walk, concurrency, |request| {
            requests += 1;
            let rows = request.limit().min(2 + dice.below(900));
            let page = list.respond(PageRequest {
                limit: rows,
                ..request
            });
            Page {
                limit: Some(request.limit()),
                ..page
            }
        });
        let Some((request, page)) = ahead.pop() else {
            break;
        };
        ids.extend(ids_of(&page, &walk.take(request, &page).unwrap()));
    }
    assert!(ids == list.ids(), "{concurrency} in flight, seed {seed}");
    requests
}

#[test]
fn pages_of_any_length_do_not_multiply_the_requests_with_the_pages_in_flight() {
    let list = List::of(20_000);
    let requests = [1, 8, 64].map(|concurrency| {
        let all = (1..=3).map(|seed| requests_for_pages_of_any_length(&list, concurrency, seed));
        all.sum::<usize>() / 3
    });
    println!("requests with 1, 8 and 64 pages in flight: {requests:?}");
    let [alone, few, many] = requests;
    assert!(
        few <= alone * 21 / 10 && many <= alone * 21 / 10,
        "{requests:?}"
    );
}

/// Runs one second apart, as a service with so many runs responds.
fn page_of_quiet_list(rows: u64, request: PageRequest) -> Page {
    let first = request
        .anchor()
        .map_or(0, |anchor| anchor.timestamp() as u64);
    let from = first + request.offset();
    let to = rows.min(from + request.limit());
    let empty = List::of(0).respond(request);
    let template = run(None, RunStatus::Succeeded, "").0;
    let run = |second: u64| crate::RunSummary {
        id: second.to_string().into(),
        started_at: DateTime::from_timestamp(second as i64, 0),
        ..template.clone()
    };
    Page {
        total: Some(rows - first),
        rows: (from..to).map(run).collect(),
        ..empty
    }
}

#[test]
fn a_quiet_walk_of_a_million_runs_takes_hardly_more_requests_than_it_must() {
    let rows = 1_000_000;
    for concurrency in [1, 8] {
        let (mut walk, mut ahead) = (walk(&query()), ReadAhead::new());
        let (mut came, mut requests) = (0, 0_u64);
        loop {
            ahead.fill(&walk, concurrency, |request| {
                requests += 1;
                page_of_quiet_list(rows, request)
            });
            let Some((request, page)) = ahead.pop() else {
                break;
            };
            came += walk.take(request, &page).unwrap().count() as u64;
        }
        let ideal = rows as f64 / 999.0;
        let above = (requests as f64 / ideal - 1.0) * 100.0;
        println!("{rows} runs, {concurrency} in flight: {requests} requests, {above:.2} % above");
        assert_eq!(came, rows);
        assert!(above <= 1.2, "{above:.2} % above {ideal:.0}");
    }
}

// A list that never rests.

/// Before each request, the last runs handed out are deleted, and one from long before.
#[test]
fn a_list_that_is_deleted_right_behind_the_reader_is_read_to_its_end() {
    for page_size in [1, 2, 10, 100] {
        for (most, lookback) in [(1, MINUTE), (8, MINUTE), (8, 0)] {
            let list = shuffling(ties(600, most, 7), 7);
            let mut reader = Reader::new(query().page_size(page_size), list.clone());
            reader.lookback = lookback;
            let deleted = RefCell::new(HashSet::new());
            let change = |came: &[Row], list: &mut Service| {
                let behind = came.iter().rev().take(3).chain(came.get(came.len() / 2));
                deleted
                    .borrow_mut()
                    .extend(behind.map(|row| row.id.clone()));
                let deleted = deleted.borrow();
                list.runs.retain(|run| !deleted.contains(run.0.id.as_str()));
            };
            reader.walk_behind(usize::MAX, change).unwrap();
            let context = format!("pages of {page_size}, ties of {most}, lookback {lookback}");
            reader.assert_once(&ids_on(&list), &context);
        }
    }
}

/// Reads lists with up to so many runs a millisecond, of which the first ones are deleted before
/// each request. The reader is overtaken, but for the last ones.
fn assert_busy_lists_are_read(list: impl Fn(u64) -> Service) {
    for page_size in [1, 2, 10, 100] {
        for deleted in [1, 3, 7] {
            for most in [1, 8] {
                let mut reader = Reader::new(query().page_size(page_size), list(most));
                let change = |_, list: &mut Service| {
                    let count = list.runs.len().saturating_sub(20).min(deleted);
                    list.runs.drain(..count);
                };
                reader.walk_while(usize::MAX, change).unwrap();
                let context = format!("pages of {page_size}, {deleted} deleted");
                reader.assert_once(&ids_on(&reader.service), &context);
            }
        }
    }
}

#[test]
fn a_list_that_is_deleted_from_its_beginning_is_read_to_its_end() {
    assert_busy_lists_are_read(|most| shuffling(ties(500, most, 7), 7));
}

/// The only way back to the place is by offset, and that is another one each time.
#[test]
fn a_busy_list_is_read_to_its_end_where_bounds_are_ignored() {
    assert_busy_lists_are_read(|most| Service {
        ignores_bounds: true,
        ..service(ties(400, most, 7))
    });
}

// Rows that cannot be read.

#[test]
fn a_row_that_cannot_be_read_outside_of_the_times_is_no_error() {
    let second = |n| DateTime::from_timestamp(n, 0).unwrap();
    for descending in [false, true] {
        let query = query().started_after(second(10)).started_before(second(20));
        let mut walk = walk(&query.descending(descending));
        let mut rows: Vec<_> = [(5, 5), (12, 0), (15, 5), (25, 5)]
            .map(|(start, status)| {
                let status = if status == 5 {
                    json!(5)
                } else {
                    json!("SUCCEEDED")
                };
                json!({"id": format!("run{start}"), "startedAt": second(start), "status": status})
            })
            .into();
        let mut expected = vec!["run12", "run15"];
        if descending {
            rows.reverse();
            expected.reverse();
        }
        let body = json!({"data": {"total": 4, "limit": 1000, "offset": 0, "items": rows}});
        let page = crate::page::decode::page(body.to_string().as_bytes()).unwrap();
        let taken = walk.take(next_request(&walk), &page).unwrap();
        let came = (0..4).filter(|index| taken.includes(*index));
        let came: Vec<_> = came
            .map(|index| page.entry(index).unwrap().id.to_string())
            .collect();
        assert_eq!(came, expected);
        assert_eq!(walk.next(), Next::End);
    }
}
