//! The runs an emulator has, and the pages it makes of them.

use std::fmt::{self, Write};
use std::ops::{Bound, RangeBounds};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::Value;

use super::started_at;

/// 2025-01-01T00:00:00Z, when the first generated run starts.
const EPOCH_MILLIS: i64 = 1_735_689_600_000;
/// Generated runs start this far apart on average.
const STEP_MILLIS: i64 = 7_000;
/// How many of the last generated runs are not finished.
const UNFINISHED: u64 = 5;

/// The runs of an [`Emulator`](super::Emulator), in ascending order of their start:
/// [`Emulator::change`](super::Emulator::change), [`EmulatorBuilder::before_each`](super::EmulatorBuilder::before_each).
pub struct Store {
    source: Source,
    /// Rows that were added later. Their numbers follow those of the source's rows.
    added: Vec<GivenRow>,
    /// The numbers of the rows on the list, in its order. As long as nothing was changed,
    /// these are all of the source's, and take no memory.
    listed: Option<Vec<u64>>,
}

/// What the first rows are made from.
enum Source {
    /// Runs that are made from their number when asked for.
    Generated { runs: u64, seed: u64 },
    /// Rows that were given, as text, with what filters ask of them.
    Given(Vec<GivenRow>),
}

struct GivenRow {
    json: String,
    started_at: Option<DateTime<Utc>>,
    status: String,
}

/// Which rows of the list, in which order: the parameters of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) offset: u64,
    pub(super) limit: u64,
    pub(super) descending: bool,
    pub(super) statuses: Vec<String>,
    pub(super) started_after: Option<DateTime<Utc>>,
    pub(super) started_before: Option<DateTime<Utc>>,
}

/// Rows of one page, comma-separated, and how many there are on it and in all.
pub(super) struct Selected {
    pub(super) total: u64,
    pub(super) count: u64,
    pub(super) items: String,
}

impl Store {
    pub(super) fn generated(runs: u64, seed: u64) -> Self {
        Self::new(Source::Generated { runs, seed })
    }

    pub(super) fn given(rows: Vec<Value>) -> Self {
        let mut rows: Vec<_> = rows.iter().map(GivenRow::new).collect();
        rows.sort_by_key(|row| row.started_at.unwrap_or(DateTime::<Utc>::MAX_UTC));
        Self::new(Source::Given(rows))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            added: Vec::new(),
            listed: None,
        }
    }

    /// How many runs are on the list.
    pub fn len(&self) -> u64 {
        match &self.listed {
            Some(listed) => listed.len() as u64,
            None => self.source.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The run at this place of the list, from 0, as the JSON object that is served. `None`
    /// past the end.
    pub fn run(&self, index: u64) -> Option<Value> {
        if index >= self.len() {
            return None;
        }
        let mut json = String::new();
        self.render(index, &mut json);
        serde_json::from_str(&json).ok()
    }

    /// Takes the runs at these places off the list: `..137` are the 137 oldest. Places past
    /// the end are passed over.
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
        if from < to {
            self.listed_mut().drain(from as usize..to as usize);
        }
    }

    /// Puts a row on the list, behind those that started at the same time or before; one
    /// without a `startedAt` comes last.
    pub fn insert(&mut self, row: &Value) {
        let row = GivenRow::new(row);
        let place = match row.started_at {
            Some(start) => self.first_at(|other| other > start),
            None => self.len(),
        };
        let number = self.source.len() + self.added.len() as u64;
        self.added.push(row);
        self.listed_mut().insert(place as usize, number);
    }

    fn listed_mut(&mut self) -> &mut Vec<u64> {
        let all = 0..self.source.len();
        self.listed.get_or_insert_with(|| all.collect())
    }

    /// Where the row at this place of the list comes from: a row that was given or added, or
    /// the number of a generated one.
    fn origin(&self, index: u64) -> Origin<'_> {
        let number = match &self.listed {
            Some(listed) => listed[index as usize],
            None => index,
        };
        match &self.source {
            _ if number >= self.source.len() => {
                Origin::Given(&self.added[(number - self.source.len()) as usize])
            }
            Source::Given(rows) => Origin::Given(&rows[number as usize]),
            Source::Generated { runs, seed } => Origin::Generated {
                runs: *runs,
                seed: *seed,
                number,
            },
        }
    }

    pub(super) fn select(&self, selection: &Selection) -> Selected {
        let in_time = self.indices_in_time(selection);
        if selection.statuses.is_empty() {
            let total = in_time.end - in_time.start;
            return self.render_page(total, in_time, selection);
        }
        // A filter by status has no index: count by looking at every row, as it comes.
        let matches = |index: &u64| self.has_status(*index, &selection.statuses);
        let total = in_time.clone().filter(matches).count() as u64;
        self.render_page(total, in_time.filter(matches), selection)
    }

    fn render_page(
        &self,
        total: u64,
        indices: impl DoubleEndedIterator<Item = u64>,
        selection: &Selection,
    ) -> Selected {
        let offset = usize::try_from(selection.offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(selection.limit).unwrap_or(usize::MAX);
        let page: Vec<u64> = if selection.descending {
            indices.rev().skip(offset).take(limit).collect()
        } else {
            indices.skip(offset).take(limit).collect()
        };
        let mut items = String::with_capacity(page.len() * 480);
        for (position, index) in page.iter().enumerate() {
            if position > 0 {
                items.push(',');
            }
            self.render(*index, &mut items);
        }
        Selected {
            total,
            count: page.len() as u64,
            items,
        }
    }

    /// Rows between the selection's times. Without times, rows that have none count too.
    fn indices_in_time(&self, selection: &Selection) -> std::ops::Range<u64> {
        let (after, before) = (selection.started_after, selection.started_before);
        let from = after.map_or(0, |time| self.first_at(|started| started >= time));
        let to = match (before, after) {
            (Some(time), _) => self.first_at(|started| started > time),
            (None, Some(_)) => self.first_at(|_| false),
            (None, None) => self.len(),
        };
        from..to.max(from)
    }

    /// The index of the first row whose start meets a condition that, once met, stays met.
    /// Rows without a start come after all others and meet every condition.
    fn first_at(&self, condition: impl Fn(DateTime<Utc>) -> bool) -> u64 {
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

    fn started_at(&self, index: u64) -> Option<DateTime<Utc>> {
        match self.origin(index) {
            Origin::Generated { seed, number, .. } => Some(generated_start(seed, number)),
            Origin::Given(row) => row.started_at,
        }
    }

    fn has_status(&self, index: u64, statuses: &[String]) -> bool {
        let status = match self.origin(index) {
            Origin::Generated { runs, seed, number } => generated_status(runs, seed, number),
            Origin::Given(row) => &row.status,
        };
        statuses.iter().any(|wanted| wanted == status)
    }

    fn render(&self, index: u64, json: &mut String) {
        match self.origin(index) {
            Origin::Generated { runs, seed, number } => render_generated(runs, seed, number, json),
            Origin::Given(row) => json.push_str(&row.json),
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

impl Source {
    fn len(&self) -> u64 {
        match self {
            Self::Generated { runs, .. } => *runs,
            Self::Given(rows) => rows.len() as u64,
        }
    }
}

enum Origin<'a> {
    Generated { runs: u64, seed: u64, number: u64 },
    Given(&'a GivenRow),
}

impl GivenRow {
    fn new(row: &Value) -> Self {
        let status = row.get("status").and_then(Value::as_str);
        Self {
            json: row.to_string(),
            started_at: started_at(row),
            status: status.unwrap_or_default().into(),
        }
    }
}

/// A number that looks random but is always the same for the same three (SplitMix64).
fn noise(seed: u64, index: u64, purpose: u64) -> u64 {
    let mut bits = seed
        .wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(purpose.wrapping_mul(0xd1b5_4a32_d192_ed03));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn generated_start(seed: u64, index: u64) -> DateTime<Utc> {
    let within_step = (noise(seed, index, 1) % STEP_MILLIS as u64) as i64;
    let millis = EPOCH_MILLIS + index as i64 * STEP_MILLIS + within_step;
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn generated_status(runs: u64, seed: u64, index: u64) -> &'static str {
    if index + UNFINISHED >= runs {
        return if index + 1 == runs {
            "READY"
        } else {
            "RUNNING"
        };
    }
    match noise(seed, index, 2) % 100 {
        0..90 => "SUCCEEDED",
        90..95 => "FAILED",
        95..98 => "ABORTED",
        _ => "TIMED-OUT",
    }
}

/// 17 letters and digits, as Apify's IDs have.
fn push_id(json: &mut String, seed: u64, index: u64, purpose: u64) {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for part in 0..2 {
        let mut bits = noise(seed, index, purpose * 2 + part + 100);
        for _ in 0..(if part == 0 { 9 } else { 8 }) {
            json.push(DIGITS[(bits % 62) as usize] as char);
            bits /= 62;
        }
    }
}

fn render_generated(runs: u64, seed: u64, index: u64, json: &mut String) {
    const ORIGINS: [&str; 5] = ["API", "SCHEDULER", "WEB", "ACTOR", "MCP"];
    let status = generated_status(runs, seed, index);
    let start = generated_start(seed, index);
    let is_finished = !matches!(status, "READY" | "RUNNING");
    let noise = |purpose| noise(seed, index, purpose);

    let mut field = |name: &str, purpose: u64, of: u64| {
        json.push_str(name);
        push_id(json, seed, of, purpose);
    };
    field(r#"{"id":""#, 10, index);
    field(r#"","actId":""#, 11, 0);
    field(r#"","userId":""#, 12, 0);
    json.push_str(r#"","actorTaskId":"#);
    if noise(3).is_multiple_of(4) {
        json.push('"');
        push_id(json, seed, noise(3) % 50, 13);
        json.push('"');
    } else {
        json.push_str("null");
    }
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let _ = write!(
        json,
        r#","status":"{status}","startedAt":"{}""#,
        time(start)
    );
    if is_finished {
        let end = start + TimeDelta::milliseconds((noise(4) % 600_000) as i64);
        let _ = write!(json, r#","finishedAt":"{}""#, time(end));
    }
    json.push_str(r#","buildId":""#);
    push_id(json, seed, index / 1000, 14);
    let build = index / 1000;
    let origin = ORIGINS[(noise(5) % 5) as usize];
    let usd = (noise(6) % 100_000) as f64 / 100_000.0;
    let _ = write!(
        json,
        r#"","buildNumber":"0.0.{build}","buildNumberInt":{build},"meta":{{"origin":"{origin}"}},"usageTotalUsd":{usd}"#,
    );
    let mut field = |name: &str, purpose: u64| {
        json.push_str(name);
        push_id(json, seed, index, purpose);
    };
    field(r#","defaultKeyValueStoreId":""#, 15);
    field(r#"","defaultDatasetId":""#, 16);
    field(r#"","defaultRequestQueueId":""#, 17);
    json.push_str("\"}");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;
    use crate::RunSummary;

    fn ids(store: &Store, selection: &Selection) -> Vec<String> {
        let selected = store.select(selection);
        let rows: Vec<RunSummary> = serde_json::from_str(&format!("[{}]", selected.items)).unwrap();
        assert_eq!(rows.len() as u64, selected.count);
        rows.into_iter().map(|row| row.id.to_string()).collect()
    }

    fn all() -> Selection {
        Selection {
            limit: 100_000,
            ..Selection::default()
        }
    }

    #[test]
    fn generated_runs_are_distinct_ordered_and_repeatable() {
        let store = Store::generated(20_000, 7);
        let rows: Vec<RunSummary> =
            serde_json::from_str(&format!("[{}]", store.select(&all()).items)).unwrap();

        let distinct: HashSet<_> = rows.iter().map(|row| row.id.clone()).collect();
        assert_eq!(distinct.len(), 20_000);
        assert!(rows.iter().all(|row| row.id.len() == 17));
        assert!(rows.is_sorted_by_key(|row| row.started_at));
        assert_eq!(rows.iter().filter(|row| !row.is_finished()).count(), 5);
        assert_eq!(store.run(3), Store::generated(20_000, 7).run(3));
        assert_ne!(store.run(3), Store::generated(20_000, 8).run(3));
        assert_eq!(store.run(20_000), None);
        let length = store.run(17).unwrap().to_string().len();
        assert!((400..500).contains(&length), "{length} bytes");
    }

    #[test]
    fn given_rows_are_sorted_and_filtered_inclusively() {
        let row = |id: &str, second: u32, status: &str| json!({"id": id, "status": status, "startedAt": format!("2025-01-01T00:00:0{second}.000Z")});
        let store = Store::given(vec![
            json!({"id": "new"}),
            row("c", 3, "FAILED"),
            row("a", 1, "FAILED"),
            row("b", 2, "RUNNING"),
        ]);
        let at = |second| crate::timestamp::parse(&format!("2025-01-01T00:00:0{second}Z"));

        assert_eq!(ids(&store, &all()), ["a", "b", "c", "new"]);
        let descending = Selection {
            descending: true,
            offset: 1,
            limit: 2,
            ..all()
        };
        assert_eq!(ids(&store, &descending), ["c", "b"]);
        let after = Selection {
            started_after: at(2),
            ..all()
        };
        assert_eq!(ids(&store, &after), ["b", "c"]);
        let before = Selection {
            started_before: at(2),
            ..all()
        };
        assert_eq!(ids(&store, &before), ["a", "b"]);
        let failed = Selection {
            statuses: vec!["FAILED".into()],
            offset: 1,
            ..all()
        };
        assert_eq!(ids(&store, &failed), ["c"]);
        assert_eq!(store.select(&failed).total, 2);
    }

    #[test]
    fn rows_come_and_go_at_their_places() {
        let row = |id: &str, second: u32| json!({"id": id, "startedAt": format!("2025-01-01T00:00:{second:02}.000Z")});
        for mut store in [Store::generated(4, 1), Store::given(Vec::new())] {
            let generated = ids(&store, &all());
            store.insert(&row("late", 0));
            store.insert(&row("tie", 0));
            store.insert(&json!({"id": "undated"}));
            let mut expected = vec!["late".to_owned(), "tie".to_owned()];
            expected.extend(generated.clone());
            expected.push("undated".into());
            assert_eq!(ids(&store, &all()), expected);

            store.delete(1..=1);
            store.delete(90..);
            store.delete(..1);
            assert_eq!(ids(&store, &all()), expected[2..]);
            store.delete(..);
            assert!(store.is_empty());
            assert_eq!(store.select(&all()).total, 0);
        }
    }
}
