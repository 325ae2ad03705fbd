//! The progress of a walk, so that another walk can resume from there.

mod json;
mod tracker;
mod undated;

use std::collections::HashMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use tracker::CursorTracker;
use undated::UndatedRuns;

use crate::direction::{Direction, Side};
use crate::emit::{Emit, Open, SeenState};
use crate::query::RunSource;
use crate::run::Id;
use crate::setting::InvalidSetting;

/// How long a run to be read again has to be missing before it counts as gone. A response may be
/// out of date, and so may all responses of one moment.
const MISSING: TimeDelta = TimeDelta::minutes(5);

/// The progress of a walk: [`RunStream::cursor`](crate::RunStream::cursor). A walk that
/// [resumes](crate::Runs::resume) from it continues with exactly the next item, in this process
/// or another.
///
/// It is opaque, and made to be stored: with `serde` in any self-describing format that keeps
/// the names of fields, or as one line of JSON with `Display` and `FromStr`. It holds the query,
/// the start of the last run (the watermark), the IDs of the runs that started within the
/// [lookback](crate::Runs::lookback) before it, the runs to be read again, and the last 10,000 runs
/// that were returned without a start, at 30 to 70 bytes each. Its size depends on how many runs
/// start in a minute and how many are unfinished, not on the length of the walk. It holds no token.
///
/// [`Cursor::default`] is the beginning of any walk.
///
/// The format has a version. This version of the crate reads and writes version 1.
///
/// # Example: keep it in a file
///
/// ```
/// use apify_runs::{Cursor, Result};
///
/// fn load(stored: Option<&str>) -> Result<Cursor> {
///     stored.map_or_else(|| Ok(Cursor::default()), str::parse)
/// }
///
/// let start = load(None)?;
/// assert_eq!(start.rows(), 0);
/// assert_eq!(load(Some(&start.to_string()))?, start);
/// # Ok::<(), apify_runs::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Cursor {
    /// The query and the rule of the walk it belongs to, if it has begun.
    walk: Option<WalkIdentity>,
    rows: u64,
    watermark: Option<DateTime<Utc>>,
    /// All processed runs that started then or beyond are known, except those that the query leaves
    /// out. If `None`, all are.
    complete_from: Option<DateTime<Utc>>,
    /// Runs returned or to be read again that started at the watermark or in the lookback.
    recent: HashMap<Id, Recent>,
    /// Runs returned without a start, and the finish they had then. Each will get a start, and is
    /// then listed again.
    undated: UndatedRuns,
    /// Runs to be read again.
    open: HashMap<Id, OpenRun>,
}

/// The walk that a cursor belongs to.
#[derive(Debug, Clone, PartialEq)]
struct WalkIdentity {
    source: RunSource,
    emit: Emit,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Recent {
    start: DateTime<Utc>,
    /// The finish it was processed with, where the walk reads runs again.
    finished_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct OpenRun {
    start: DateTime<Utc>,
    open: Open,
}

/// The differences between a walk and the one that a cursor belongs to.
#[derive(Debug)]
pub(crate) struct CursorMismatch {
    differences: Vec<String>,
}

impl fmt::Display for CursorMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differences = self.differences.join(", ");
        write!(f, "the cursor is of another walk: {differences}")
    }
}

/// The effect of a row on a cursor, or of a run that is missing.
#[derive(Debug, Clone)]
pub(crate) struct CursorUpdate {
    pub(crate) id: Id,
    pub(crate) start: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    /// Whether the stream returns it.
    pub(crate) hand_out: bool,
    pub(crate) disposition: Disposition,
}

/// The state of a run after a row of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// It has been processed.
    Close,
    /// It is to be read again.
    Open(Open),
    /// It was to be read again, and was missing at this time. If that lasts, it is gone.
    Miss(DateTime<Utc>),
    /// The query's offset leaves it out.
    Skip,
}

/// Which of the processed runs a cursor remembers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    pub(crate) direction: Direction,
    pub(crate) lookback: TimeDelta,
    /// Whether the query's offset leaves out runs before the first processed one.
    pub(crate) skips_rows: bool,
}

impl CursorUpdate {
    /// A row is handed out, and the run is done.
    #[inline]
    pub(crate) fn hand_out(id: &Id, start: Option<DateTime<Utc>>) -> Self {
        Self {
            id: id.clone(),
            start,
            finished_at: None,
            hand_out: true,
            disposition: Disposition::Close,
        }
    }

    /// The update for a run that is to be read again, and is missing.
    pub(crate) fn miss(id: Id, at: DateTime<Utc>) -> Self {
        Self {
            id,
            start: None,
            finished_at: None,
            hand_out: false,
            disposition: Disposition::Miss(at),
        }
    }

    /// The query's offset leaves a row out.
    pub(crate) fn skip(id: &Id, start: DateTime<Utc>) -> Self {
        Self {
            hand_out: false,
            disposition: Disposition::Skip,
            ..Self::hand_out(id, Some(start))
        }
    }
}

impl Cursor {
    /// How many items have been returned, by this walk and those it resumed: rows, and errors in
    /// the place of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The latest start of the runs that the walk has read; the earliest, if it is descending.
    /// `None` if no run had a start.
    pub fn watermark(&self) -> Option<DateTime<Utc>> {
        self.watermark
    }

    /// How many runs are to be read again: unfinished ones, under [`Emit::Finished`] and
    /// [`Emit::Changes`], and those whose status may match the query's filter later.
    pub fn unfinished(&self) -> usize {
        self.open.len()
    }

    /// The cursor at the beginning of a walk, or what is different if it belongs to another one.
    pub(crate) fn bind(&self, source: &RunSource, emit: Emit) -> Result<Self, CursorMismatch> {
        let walk = WalkIdentity {
            source: source.identity(),
            emit,
        };
        if let Some(theirs) = &self.walk {
            let mut differences = theirs.source.differences(&walk.source);
            if theirs.emit != emit {
                differences.push(format!("emit {:?} (now {emit:?})", theirs.emit));
            }
            if !differences.is_empty() {
                return Err(CursorMismatch { differences });
            }
        }
        Ok(Self {
            walk: Some(walk),
            ..self.clone()
        })
    }

    /// Reads what `Display` has written.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidSetting> {
        serde_json::from_str(text).map_err(|error| json::unreadable(text, &error))
    }

    /// What is known of a run with this ID.
    pub(crate) fn known(&self, id: &Id) -> SeenState {
        if let Some(run) = self.open.get(id) {
            return SeenState::Open(run.open);
        }
        if let Some(recent) = self.recent.get(id) {
            return SeenState::Closed {
                finished_at: recent.finished_at,
            };
        }
        match self.undated.get(id) {
            Some(finished_at) => SeenState::Closed { finished_at },
            None => SeenState::New,
        }
    }

    /// Whether rows that lie beyond the watermark may be known all the same.
    pub(crate) fn knows_strays(&self) -> bool {
        !self.open.is_empty() || !self.undated.is_empty()
    }

    /// How many runs without a start are remembered.
    pub(crate) fn undated(&self) -> usize {
        self.undated.len()
    }

    /// Whether a run without a start has been handed out.
    pub(crate) fn knows_undated(&self, id: &Id) -> bool {
        self.undated.get(id).is_some()
    }

    /// Where a walk that resumes from here has to begin: this long before the watermark, in
    /// whole milliseconds, but not where it no longer knows which runs it has processed.
    pub(crate) fn floor(&self, retention: &Retention) -> Option<DateTime<Utc>> {
        let direction = retention.direction;
        let floor = direction.bound_before(direction.back(self.watermark?, retention.lookback));
        let later = |from| retention.direction.later(floor, from);
        Some(self.complete_from.map_or(floor, later))
    }

    /// Whether a start lies where the cursor has forgotten the runs it processed.
    pub(crate) fn has_forgotten(&self, start: DateTime<Utc>, direction: Direction) -> bool {
        self.complete_from
            .is_some_and(|from| direction.side(start, from) == Side::Before)
    }

    /// How many processed runs started at this time or beyond.
    pub(crate) fn known_from(&self, start: DateTime<Utc>, direction: Direction) -> usize {
        let is_from = |run: &&Recent| direction.side(run.start, start) != Side::Before;
        self.recent.values().filter(is_from).count()
    }

    /// Whether a run to be read again that is not there at this time has been missing for long
    /// enough to be gone.
    pub(crate) fn is_gone(&self, id: &Id, at: DateTime<Utc>) -> bool {
        let since = self.open.get(id).and_then(|run| run.open.missing_since);
        since.is_some_and(|since| at - since >= MISSING)
    }

    /// The runs to be read again, and when they started.
    pub(crate) fn open(&self) -> impl Iterator<Item = (&Id, DateTime<Utc>)> {
        self.open.iter().map(|(id, run)| (id, run.start))
    }

    /// Goes on over these rows, in their order, and says whether that changed anything.
    pub(crate) fn advance(&mut self, updates: &[CursorUpdate], retention: &Retention) -> bool {
        let before = (self.watermark, self.complete_from);
        self.move_watermark(updates, retention);
        let mut is_changed = before != (self.watermark, self.complete_from);
        for update in updates {
            self.rows += u64::from(update.hand_out);
            is_changed |= self.take(update, retention) || update.hand_out;
        }
        is_changed
    }

    #[cfg(test)]
    pub(crate) fn forget_recent(&mut self) {
        self.recent.clear();
    }

    #[cfg(test)]
    pub(crate) fn forget_open(&mut self) {
        self.open.clear();
    }

    fn move_watermark(&mut self, updates: &[CursorUpdate], retention: &Retention) {
        let direction = retention.direction;
        if retention.skips_rows && self.complete_from.is_none() {
            self.complete_from = updates.iter().find_map(|update| update.start);
        }
        let starts = updates.iter().filter_map(|update| update.start);
        let Some(latest) = starts.reduce(|one, other| direction.later(one, other)) else {
            return;
        };
        let latest = self
            .watermark
            .map_or(latest, |before| direction.later(before, latest));
        if self.watermark == Some(latest) {
            return;
        }
        self.watermark = Some(latest);
        self.complete_from = self.floor(retention);
        if let Some(from) = self.complete_from {
            self.recent
                .retain(|_, run| direction.side(run.start, from) != Side::Before);
        }
    }

    fn take(&mut self, update: &CursorUpdate, retention: &Retention) -> bool {
        if let Disposition::Miss(at) = update.disposition {
            return self.miss(&update.id, at);
        }
        let Some(start) = update.start else {
            self.undated.insert(update.id.clone(), update.finished_at);
            return true;
        };
        let mut was_handed_out = update.hand_out;
        let mut is_changed = false;
        if !self.undated.is_empty() && self.undated.remove(&update.id) {
            (was_handed_out, is_changed) = (true, true);
        }
        if let Disposition::Open(open) = update.disposition {
            let run = OpenRun { start, open };
            is_changed |= self.open.insert(update.id.clone(), run) != Some(run);
        } else if !self.open.is_empty()
            && let Some(before) = self.open.remove(&update.id)
        {
            was_handed_out |= before.open.handed_out;
            is_changed = true;
        }
        if update.disposition == Disposition::Close && !was_handed_out {
            // Nobody wants it as it is. Should it be resurrected, it is new.
            is_changed |= self.recent.remove(&update.id).is_some();
        } else if !self.has_forgotten(start, retention.direction) {
            let recent = Recent {
                start,
                finished_at: update.finished_at,
            };
            is_changed |= self.recent.insert(update.id.clone(), recent) != Some(recent);
        }
        is_changed
    }

    /// If a run that is gone comes back, it is new, or, if it has been handed out, it was
    /// resurrected.
    fn miss(&mut self, id: &Id, at: DateTime<Utc>) -> bool {
        let is_gone = self.is_gone(id, at);
        let Some(OpenRun { open, .. }) = self.open.get_mut(id) else {
            return false;
        };
        if !is_gone {
            // A clock that was put back begins anew.
            let since = open.missing_since.filter(|since| *since <= at);
            let before = std::mem::replace(&mut open.missing_since, since.or(Some(at)));
            return before != open.missing_since;
        }
        if !open.handed_out {
            self.recent.remove(id);
        } else if let Some(recent) = self.recent.get_mut(id) {
            recent.finished_at = open.finished_before;
        }
        self.open.remove(id);
        true
    }
}

/// One line of JSON.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&json)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("rows", &self.rows)
            .field("watermark", &self.watermark)
            .field("recent", &self.recent.len())
            .field("unfinished", &self.open.len())
            .finish_non_exhaustive()
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json::Form::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::read(deserializer)
    }
}

#[cfg(test)]
mod tests;
