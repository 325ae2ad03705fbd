//! The list of runs, and how it changes.

use std::collections::HashMap;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::clock::Clock;
use super::generated::{GeneratedRuns, Shape, noise};
use super::schedule::Schedule;
use crate::timestamp;

/// The runs of an [`Emulator`](super::Emulator), in ascending order of their start.
///
/// [`Emulator::change`](super::Emulator::change),
/// [`EmulatorBuilder::before_each`](super::EmulatorBuilder::before_each) and
/// [`EmulatorBuilder::during_each`](super::EmulatorBuilder::during_each) give access to it.
///
/// * [`insert`](Self::insert), [`delete`](Self::delete) and [`delete_run`](Self::delete_run) add
///   and remove rows.
/// * [`start_run`](Self::start_run), [`finish`](Self::finish), [`resurrect`](Self::resurrect) and
///   [`update`](Self::update) change a run as the service does.
/// * [`shuffle_ties`](Self::shuffle_ties) changes the order.
/// * [`after`](Self::after) applies any change later.
///
/// A run's place is its index on the list, from 0. It changes when rows before it are added or
/// removed; [`place_of`](Self::place_of) finds it again.
///
/// # Example: a run is visible only 30 seconds after its start
///
/// ```
/// # use std::time::Duration;
/// # use apify_runs::emulator::Emulator;
/// # use chrono::SecondsFormat;
/// # use serde_json::json;
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> apify_runs::Result<()> {
/// let emulator = Emulator::builder().start().await?;
/// emulator.change(|store| {
///     let start = store.now().to_rfc3339_opts(SecondsFormat::Millis, true);
///     let row = json!({"id": "late", "status": "RUNNING", "startedAt": start});
///     store.after(Duration::from_secs(30), move |store| store.insert(&row));
///     store.after(Duration::from_secs(10), |store| store.start_run("prompt"));
/// });
/// assert_eq!(emulator.len(), 0);
///
/// tokio::time::sleep(Duration::from_secs(10)).await;
/// assert_eq!(emulator.run(0).unwrap()["id"], "prompt");
///
/// tokio::time::sleep(Duration::from_secs(20)).await;
/// assert_eq!(emulator.run(0).unwrap()["id"], "late"); // before a row that was seen earlier
/// assert_eq!(emulator.len(), 2);
/// # Ok(())
/// # }
/// ```
pub struct Store {
    initial: InitialRows,
    /// Which fields generated rows have.
    pub(super) shape: Shape,
    /// Rows that were added or changed and are on the list, by their numbers, as they are now.
    stored: HashMap<u64, StoredRow>,
    /// The number of the next row that is added, after those of the initial rows. No number is
    /// reused.
    pub(super) next_number: u64,
    /// The numbers of the rows on the list, in its order. `None` as long as these are all
    /// initial rows in their order, which takes no memory.
    listed: Option<Vec<u64>>,
    /// Runs whose usage is not added up, by their numbers: when it will be, and to what.
    pub(super) unsettled: HashMap<u64, (DateTime<Utc>, f64)>,
    pub(super) schedule: Schedule<Self>,
}

/// The rows that a list begins with.
enum InitialRows {
    /// Runs that are generated from their number when they are read.
    Generated(GeneratedRuns),
    /// Rows that were given.
    Given(Vec<StoredRow>),
}

/// A row as text, with what is asked of it.
pub(super) struct StoredRow {
    pub(super) json: String,
    pub(super) id: String,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) status: String,
}

/// The source of a row.
enum RowSource<'a> {
    /// A generated run, with its number.
    Generated(GeneratedRuns, u64),
    /// A row that was given, added or changed.
    Stored(&'a StoredRow),
}

impl Store {
    pub(super) fn generated(runs: GeneratedRuns, clock: Clock) -> Self {
        Self::new(InitialRows::Generated(runs), clock)
    }

    pub(super) fn given(rows: &[Value], clock: Clock) -> Self {
        let mut rows: Vec<_> = rows.iter().map(StoredRow::new).collect();
        rows.sort_by_key(|row| row.started_at.unwrap_or(DateTime::<Utc>::MAX_UTC));
        Self::new(InitialRows::Given(rows), clock)
    }

    fn new(initial: InitialRows, clock: Clock) -> Self {
        Self {
            next_number: initial.len(),
            initial,
            shape: Shape::Untidy,
            stored: HashMap::new(),
            listed: None,
            unsettled: HashMap::new(),
            schedule: Schedule::new(clock),
        }
    }

    /// The time of the service's clock:
    /// [`EmulatorBuilder::clock`](super::EmulatorBuilder::clock).
    ///
    /// In a change that was scheduled by [`after`](Self::after), the time it became due.
    pub fn now(&self) -> DateTime<Utc> {
        self.schedule.now()
    }

    /// Schedules a change for when this much time has passed on the service's clock.
    ///
    /// It is applied before the list is read the next time, by a request or a method of the
    /// emulator. Several changes are applied in the order in which they become due, and
    /// [`now`](Self::now) is that time for each. A change may schedule another one, but not
    /// without end and without a delay.
    ///
    /// The type's own documentation has an example.
    pub fn after(&mut self, delay: Duration, change: impl FnOnce(&mut Self) + Send + 'static) {
        self.schedule.add(delay, change);
    }

    /// Applies the changes that are due, and returns whether there were any.
    pub(super) fn catch_up(&mut self) -> bool {
        let mut has_changed = false;
        while let Some(change) = self.schedule.next_due() {
            change(self);
            has_changed = true;
        }
        has_changed
    }

    /// How many runs are on the list.
    pub fn len(&self) -> u64 {
        match &self.listed {
            Some(listed) => listed.len() as u64,
            None => self.initial.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The run at this place of the list, from 0, as the JSON object that is served. `None`
    /// past the end.
    pub fn run(&self, place: u64) -> Option<Value> {
        if place >= self.len() {
            return None;
        }
        let mut json = String::new();
        self.render(place, &mut json);
        serde_json::from_str(&json).ok()
    }

    /// The IDs of all runs, in the order of the list.
    pub fn ids(&self) -> Vec<String> {
        (0..self.len()).map(|place| self.id(place)).collect()
    }

    fn id(&self, place: u64) -> String {
        match self.source(place) {
            RowSource::Generated(runs, number) => runs.id(number).collect(),
            RowSource::Stored(row) => row.id.clone(),
        }
    }

    /// The place of the run with this ID; the first one, if several have it. Compares the ID of
    /// every row up to there.
    ///
    /// ```
    /// # use apify_runs::emulator::Emulator;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> apify_runs::Result<()> {
    /// let emulator = Emulator::builder().runs(10).start().await?;
    /// emulator.change(|store| {
    ///     store.start_run("mine");
    ///     assert_eq!(store.place_of("mine"), Some(10));
    ///     store.delete(..3);
    ///     assert_eq!(store.place_of("mine"), Some(7));
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn place_of(&self, id: &str) -> Option<u64> {
        (0..self.len()).find(|place| match self.source(*place) {
            RowSource::Generated(runs, number) => id.chars().eq(runs.id(number)),
            RowSource::Stored(row) => row.id == id,
        })
    }

    /// Removes the runs at these places: `..137` are the 137 oldest. Places past the end are
    /// ignored.
    pub fn delete(&mut self, places: impl RangeBounds<u64>) {
        let length = self.len();
        let from = match places.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match places.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(to) => *to,
            Bound::Unbounded => length,
        };
        let to = to.min(length);
        if from >= to {
            return;
        }
        let mut listed = std::mem::take(self.listed_mut());
        for number in listed.drain(from as usize..to as usize) {
            self.stored.remove(&number);
        }
        self.listed = Some(listed);
    }

    /// Removes the run with this ID. `false` if there is none.
    pub fn delete_run(&mut self, id: &str) -> bool {
        let place = self.place_of(id);
        if let Some(place) = place {
            self.delete(place..=place);
        }
        place.is_some()
    }

    /// Adds a row, after those that started at the same time or before. A row without a
    /// `startedAt` comes last.
    pub fn insert(&mut self, row: &Value) {
        self.add(StoredRow::new(row));
    }

    pub(super) fn add(&mut self, row: StoredRow) {
        let (number, started_at) = (self.next_number, row.started_at);
        self.next_number += 1;
        self.stored.insert(number, row);
        self.insert_number(number, started_at);
    }

    /// Changes the row at this place. `false` if there is none.
    ///
    /// With another `startedAt`, the row moves after those that started at the same time or
    /// before; without one, it comes last. Memory is needed for this row only, as long as it
    /// stays in its place.
    ///
    /// ```
    /// # use apify_runs::emulator::Emulator;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> apify_runs::Result<()> {
    /// let emulator = Emulator::builder().runs(1_000_000).start().await?;
    /// emulator.change(|store| store.update(5, |run| run["status"] = "TIMING-OUT".into()));
    /// assert_eq!(emulator.run(5).unwrap()["status"], "TIMING-OUT");
    /// # Ok(())
    /// # }
    /// ```
    pub fn update(&mut self, place: u64, change: impl FnOnce(&mut Value)) -> bool {
        let Some(mut row) = self.run(place) else {
            return false;
        };
        change(&mut row);
        self.replace(place, &row);
        true
    }

    /// Replaces the row at this place.
    pub(super) fn replace(&mut self, place: u64, row: &Value) {
        let row = StoredRow::new(row);
        let (number, started_at) = (self.number_at(place), row.started_at);
        let stays = started_at == self.started_at(place);
        self.stored.insert(number, row);
        if stays {
            return;
        }
        // Off the list first: where it was, it is out of order now.
        self.listed_mut().remove(place as usize);
        self.insert_number(number, started_at);
    }

    /// Shuffles rows that started at the same time among themselves, and those without a
    /// `startedAt` too. The same seed brings the same rows into the same order.
    ///
    /// No two generated runs start at the same time.
    pub fn shuffle_ties(&mut self, seed: u64) {
        let mut from = 0;
        while from < self.len() {
            let start = self.started_at(from);
            let mut to = from + 1;
            while to < self.len() && self.started_at(to) == start {
                to += 1;
            }
            if to - from > 1 {
                let ties = &mut self.listed_mut()[from as usize..to as usize];
                ties.sort_by_key(|number| noise(seed, *number, 0));
            }
            from = to;
        }
    }

    /// Adds a row that is not on the list at its place.
    fn insert_number(&mut self, number: u64, started_at: Option<DateTime<Utc>>) {
        let place = match started_at {
            Some(start) => self.first_at(|other| other > start),
            None => self.len(),
        };
        self.listed_mut().insert(place as usize, number);
    }

    fn listed_mut(&mut self) -> &mut Vec<u64> {
        let all = 0..self.initial.len();
        self.listed.get_or_insert_with(|| all.collect())
    }

    /// The seed of generated rows.
    pub(super) fn seed(&self) -> u64 {
        match &self.initial {
            InitialRows::Generated(runs) => runs.seed,
            InitialRows::Given(_) => 0,
        }
    }

    /// The number of the row at this place, which stays when it moves.
    pub(super) fn number_at(&self, place: u64) -> u64 {
        match &self.listed {
            Some(listed) => listed[place as usize],
            None => place,
        }
    }

    /// The place of the row with this number, if it is on the list.
    pub(super) fn place_of_number(&self, number: u64) -> Option<u64> {
        match &self.listed {
            Some(listed) => {
                let place = listed.iter().position(|other| *other == number);
                place.map(|place| place as u64)
            }
            None => (number < self.initial.len()).then_some(number),
        }
    }

    fn source(&self, place: u64) -> RowSource<'_> {
        let number = self.number_at(place);
        if let Some(row) = self.stored.get(&number) {
            return RowSource::Stored(row);
        }
        match &self.initial {
            InitialRows::Given(rows) => RowSource::Stored(&rows[number as usize]),
            InitialRows::Generated(runs) => RowSource::Generated(*runs, number),
        }
    }

    /// The place of the first row whose start meets a condition that, once met, stays met.
    /// Rows without a start come after all others and meet every condition.
    pub(super) fn first_at(&self, condition: impl Fn(DateTime<Utc>) -> bool) -> u64 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.started_at(middle).is_none_or(&condition) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    pub(super) fn started_at(&self, place: u64) -> Option<DateTime<Utc>> {
        match self.source(place) {
            RowSource::Generated(runs, number) => Some(runs.started_at(number)),
            RowSource::Stored(row) => row.started_at,
        }
    }

    pub(super) fn has_status(&self, place: u64, statuses: &[String]) -> bool {
        let status = match self.source(place) {
            RowSource::Generated(runs, number) => runs.status(number),
            RowSource::Stored(row) => &row.status,
        };
        statuses.iter().any(|wanted| wanted == status)
    }

    pub(super) fn render(&self, place: u64, json: &mut String) {
        match self.source(place) {
            RowSource::Generated(runs, number) => runs.render(number, self.shape, json),
            RowSource::Stored(row) => json.push_str(&row.json),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl InitialRows {
    fn len(&self) -> u64 {
        match self {
            Self::Generated(runs) => runs.length,
            Self::Given(rows) => rows.len() as u64,
        }
    }
}

impl StoredRow {
    fn new(row: &Value) -> Self {
        let text = |name| row.get(name).and_then(Value::as_str);
        Self {
            json: row.to_string(),
            id: text("id").unwrap_or_default().into(),
            started_at: text("startedAt").and_then(timestamp::parse),
            status: text("status").unwrap_or_default().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;
    use tokio::time::sleep;

    use super::*;
    use crate::RunSummary;

    const SECOND: Duration = Duration::from_secs(1);

    fn clock() -> Clock {
        Clock::showing(timestamp::parse("2025-03-01T00:00:00Z").unwrap())
    }

    fn generated(length: u64, seed: u64) -> Store {
        Store::generated(GeneratedRuns { length, seed }, clock())
    }

    fn row(id: &str, second: u32) -> Value {
        json!({"id": id, "startedAt": format!("2025-01-01T00:00:{second:02}.000Z")})
    }

    #[test]
    fn generated_runs_are_distinct_ordered_and_repeatable() {
        let store = generated(20_000, 7);
        let rows: Vec<RunSummary> = (0..store.len())
            .map(|place| serde_json::from_value(store.run(place).unwrap()).unwrap())
            .collect();

        let distinct: HashSet<_> = rows.iter().map(|row| row.id.clone()).collect();
        assert_eq!(distinct.len(), 20_000);
        assert!(rows.iter().all(|row| row.id.len() == 17));
        assert!(rows.is_sorted_by_key(|row| row.started_at));
        assert_eq!(rows.iter().filter(|row| !row.is_finished()).count(), 5);
        assert_eq!(store.run(3), generated(20_000, 7).run(3));
        assert_ne!(store.run(3), generated(20_000, 8).run(3));
        assert_eq!(store.run(20_000), None);
        let mut page = String::new();
        (0..1000).for_each(|place| store.render(place, &mut page));
        let length = page.len() / 1000;
        assert!((400..600).contains(&length), "{length} bytes");
    }

    #[test]
    fn rows_come_and_go_at_their_places() {
        for mut store in [generated(4, 1), Store::given(&[], clock())] {
            let before = store.ids();
            store.insert(&row("late", 0));
            store.insert(&row("tie", 0));
            store.insert(&json!({"id": "undated"}));
            let mut expected = vec!["late".to_owned(), "tie".to_owned()];
            expected.extend(before);
            expected.push("undated".into());
            assert_eq!(store.ids(), expected);

            store.delete(1..=1);
            store.delete(90..);
            store.delete(..1);
            assert_eq!(store.ids(), expected[2..]);
            store.delete(..);
            assert!(store.is_empty());
        }
    }

    #[test]
    fn rows_are_found_by_their_ids() {
        let mut store = generated(2_000, 1);
        store.insert(&row("mine", 0));
        for (place, id) in (0..).zip(store.ids()).step_by(97) {
            assert_eq!(store.run(place).unwrap()["id"], *id);
            assert_eq!(store.place_of(&id), Some(place));
        }
        assert_eq!(store.place_of("nobody"), None);

        store.update(7, |run| run["id"] = "renamed".into());
        assert_eq!(store.place_of("renamed"), Some(7));
        assert!(store.delete_run("renamed"));
        assert!(!store.delete_run("renamed"));
        assert!(store.delete_run("mine"));
        assert_eq!(store.len(), 1_999);
    }

    #[test]
    fn a_row_that_is_deleted_takes_no_memory() {
        let mut store = generated(3, 1);
        store.insert(&row("added", 1));
        store.update(2, |run| run["status"] = "ABORTED".into());
        assert_eq!(store.stored.len(), 2);
        store.delete(..);
        assert!(store.stored.is_empty() && store.is_empty());
        store.insert(&row("later", 2));
        assert_eq!(store.run(0).unwrap()["id"], "later");
    }

    #[test]
    fn any_row_can_be_changed_where_it_is() {
        let given = Store::given(&[row("a", 1), row("b", 2)], clock());
        for mut store in [given, generated(1 << 32, 1)] {
            assert!(store.update(1, |run| run["status"] = "ABORTING".into()));
            assert!(store.has_status(1, &["ABORTING".into()]));
            assert_eq!(store.run(1).unwrap()["status"], "ABORTING");
            assert!(!store.update(store.len(), |_| {}));
            assert!(store.listed.is_none(), "memory for rows that did not move");
        }
        let mut store = Store::given(&[], clock());
        store.insert(&row("added", 1));
        store.update(0, |run| run["status"] = "READY".into());
        assert!(store.has_status(0, &["READY".into()]));
    }

    #[test]
    fn a_row_with_another_start_moves() {
        let rows = [row("a", 1), row("b", 2), row("c", 3), row("d", 4)];
        let mut store = Store::given(&rows, clock());
        store.update(0, |run| *run = row("a", 3));
        assert_eq!(store.ids(), ["b", "c", "a", "d"]);
        store.update(1, |run| run["startedAt"] = Value::Null);
        assert_eq!(store.ids(), ["b", "a", "d", "c"]);
        store.update(3, |run| *run = row("c", 1));
        assert_eq!(store.ids(), ["c", "b", "a", "d"]);
        store.delete_run("b");
        assert_eq!(store.ids(), ["c", "a", "d"]);
    }

    #[test]
    fn only_ties_change_places() {
        let mut rows = vec![row("first", 1), row("last", 3)];
        rows.extend((0..10).map(|n| row(&format!("tie{n}"), 2)));
        let shuffled = |seed| {
            let mut store = Store::given(&rows, clock());
            store.shuffle_ties(seed);
            store.ids()
        };
        let order = shuffled(1);
        assert_eq!((&*order[0], &*order[11]), ("first", "last"));
        let distinct: HashSet<_> = order.iter().collect();
        assert_eq!(distinct.len(), 12);
        assert_eq!(order, shuffled(1));
        assert_ne!(order, shuffled(2));

        let mut generated = generated(1_000, 1);
        generated.shuffle_ties(1);
        assert!(generated.listed.is_none(), "generated runs have no ties");
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_applied_in_order_once_they_are_due() {
        let mut store = Store::given(&[], clock());
        let start = store.now();
        store.after(20 * SECOND, |store| store.insert(&json!({"id": "second"})));
        store.after(10 * SECOND, |store| {
            let now = timestamp::to_query(store.now());
            store.insert(&json!({"id": now}));
            store.after(5 * SECOND, |store| store.delete(..));
        });
        assert!(!store.catch_up());
        sleep(10 * SECOND).await;
        assert!(store.catch_up());
        assert_eq!(store.ids(), ["2025-03-01T00:00:10.000Z"]);
        assert!(!store.catch_up());
        sleep(30 * SECOND).await;
        assert!(store.catch_up());
        assert_eq!(store.ids(), ["second"]);
        assert_eq!(store.now(), start + 40 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_has_the_time_at_which_it_became_due() {
        let mut store = Store::given(&[], clock());
        let due = store.now() + 10 * SECOND;
        store.after(10 * SECOND, |store| store.start_run("run"));
        sleep(60 * SECOND).await;
        store.catch_up();
        assert_eq!(store.started_at(0), Some(due));
    }
}
