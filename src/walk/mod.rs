//! The order of a walk: which page to ask for next, and which rows of an answer are new.
//!
//! Pure: no I/O, no clock. [`Walk::next_request`] says what to ask for, [`Walk::take`]
//! takes the answer. The list may change between any two requests, so each request after
//! the first starts one row early: its first row must be the last row of the page before.
//! If it is, what follows it is what follows that row in the service's own order, whatever
//! was deleted or inserted elsewhere. If it is not, the list moved, and the walk goes on
//! from its watermark: it asks for the runs that started there or later and leaves out those
//! it has handed out. Where the service ignores such a bound, it steps back by offset until
//! it sees a run from before the watermark, and reads on from there.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};

use crate::decode::Page;
use crate::query::{MAX_PAGE_SIZE, RunQuery};
use crate::run::Id;

/// How often in a row the list may move without a new run in between.
const MOST_FRUITLESS_DRIFTS: u32 = 20;
/// How often in a row there may be something behind the last row that does not come.
const MOST_FRUITLESS_PROBES: u32 = 3;
/// How many runs without a start are remembered, so that none is handed out again.
const MOST_UNDATED: usize = 10_000;

/// A page to ask for: `limit` rows from the row at `offset` on, counted from `anchor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRequest {
    /// Only runs that started then or later (or earlier, if the walk is descending).
    pub(crate) anchor: Option<DateTime<Utc>>,
    pub(crate) offset: u64,
    pub(crate) limit: u64,
}

/// Which rows of an answer to hand out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// These, counted over all rows of the page, readable or not …
    pub(crate) rows: Range<usize>,
    /// … but not these among them, in ascending order: they were handed out before.
    pub(crate) known: Vec<usize>,
}

impl Taken {
    fn nothing() -> Self {
        Self {
            rows: 0..0,
            known: Vec::new(),
        }
    }

    /// Whether the row at this index of the page is to be handed out.
    pub(crate) fn includes(&self, index: usize) -> bool {
        self.rows.contains(&index) && self.known.binary_search(&index).is_err()
    }

    /// How many rows to hand out.
    pub(crate) fn count(&self) -> usize {
        self.rows.len() - self.known.len()
    }
}

/// Why a walk cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The page does not begin with the last row of the page before, and no row that was
    /// handed out has a start to go on from.
    Moved {
        offset: u64,
        expected: Id,
        found: Option<Id>,
    },
    /// The same request brought nothing new again and again, though there is more.
    Stalled { offset: u64 },
    /// The list moved again and again before a single new row could be read.
    Restless,
}

/// What a walk has met on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Incidents {
    /// How often the list moved.
    pub(crate) drifts: u64,
    /// How often the walk went on from its watermark.
    pub(crate) reanchors: u64,
    /// Rows left out after the list moved: handed out before, or before the walk's place. The
    /// one row in which each page overlaps with the page before does not count.
    pub(crate) duplicates: u64,
}

/// One walk over the list.
#[derive(Debug)]
pub(crate) struct Walk {
    descending: bool,
    page_size: u64,
    /// How many rows may still be handed out, if the query has a limit.
    remaining: Option<u64>,
    state: State,
    edge: Edge,
    /// What a look behind the last row has shown since there was a new one.
    probe: Probe,
    /// Where the walk was last in the whole list, or would be if nothing had changed since.
    position: u64,
    /// Whether the service has been seen to ignore the bound that an anchor is.
    ignores_anchors: bool,
    /// How often the list has moved since the last new row.
    fruitless_drifts: u32,
    incidents: Incidents,
}

#[derive(Debug)]
enum State {
    /// No row yet: the next request begins at `offset`.
    Start { offset: u64 },
    /// `last` was the last row of the last page, at `offset`: the next request begins there.
    Reading {
        anchor: Option<DateTime<Utc>>,
        offset: u64,
        last: Id,
        /// Whether rows from before the watermark may follow, which were handed out before.
        behind: bool,
    },
    /// The list moved: the next request begins at the watermark, by the runs' start.
    Anchored { anchor: DateTime<Utc> },
    /// The list moved, and the service ignores anchors: the next request begins at `offset`,
    /// and if that is not before the watermark, the one after it `step` rows earlier.
    SteppingBack { offset: u64, step: u64 },
    /// Nothing new came, though `total` says that there is more: the next request looks
    /// behind the rows that came. After it, the walk asks again what it asked before.
    Probing {
        anchor: Option<DateTime<Utc>>,
        offset: u64,
        from: Box<State>,
    },
    /// Every row has been handed out: there is no next request.
    Done,
}

/// What a look behind the last row has shown, where nothing new came but was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    NotSent,
    /// There was nothing: if nothing new comes again, the list has ended.
    FoundNothing,
    /// There was something, so many times in a row. It may have come and gone again; if it
    /// stays and does not come, there is no way to get at it.
    FoundMore {
        times: u32,
    },
}

/// How far the walk has handed rows out, and which of them could come again.
#[derive(Debug, Default)]
struct Edge {
    /// The watermark: the start that no row handed out lies beyond.
    watermark: Option<DateTime<Utc>>,
    /// The rows handed out that started exactly then.
    ids: HashSet<Id>,
    /// The rows handed out that had no start. Each will get one, and then come again.
    undated: HashSet<Id>,
}

/// Where a start lies, seen from another in the direction of the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Same,
    Beyond,
}

impl Walk {
    pub(crate) fn new(query: &RunQuery) -> Self {
        Self {
            descending: query.descending,
            page_size: u64::from(query.page_size),
            remaining: query.limit,
            state: State::Start {
                offset: query.offset,
            },
            edge: Edge::default(),
            probe: Probe::NotSent,
            position: query.offset,
            ignores_anchors: false,
            fruitless_drifts: 0,
            incidents: Incidents::default(),
        }
    }

    /// What the walk has met on its way so far.
    pub(crate) fn incidents(&self) -> Incidents {
        self.incidents
    }

    /// The page to ask for now, or `None` when the walk is over.
    pub(crate) fn next_request(&self) -> Option<PageRequest> {
        let wanted = self
            .remaining
            .map_or(self.page_size, |remaining| remaining.min(self.page_size));
        let (anchor, offset, limit) = match self.state {
            State::Start { offset } => (None, offset, wanted),
            State::Reading { anchor, offset, .. } => (anchor, offset, wanted + 1),
            // The rows at the watermark come first, and were handed out before.
            State::Anchored { anchor } => (Some(anchor), 0, wanted + self.edge.ids.len() as u64),
            State::SteppingBack { offset, .. } => (None, offset, self.page_size + 1),
            State::Probing { anchor, offset, .. } => (anchor, offset, 1),
            State::Done => return None,
        };
        Some(PageRequest {
            anchor,
            offset,
            limit: limit.min(u64::from(MAX_PAGE_SIZE)),
        })
    }

    /// Takes the answer to `request` and says which of its rows are new. If the list moved,
    /// none is: the next request finds the place again.
    ///
    /// # Errors
    ///
    /// [`Broken`] if there is no way to go on. The walk is unchanged then.
    pub(crate) fn take(&mut self, request: PageRequest, page: &Page) -> Result<Taken, Broken> {
        let first_start = page.entries().find_map(|(_, start)| start);
        match &self.state {
            State::Start { .. } => self.accept(request, page, 0, false),
            State::Reading { last, .. } if page.first_key() != Some(last) => {
                self.drift(request, page)
            }
            &State::Reading { behind, .. } => {
                if !behind && self.is_out_of_order(request, page) {
                    return self.drift(request, page);
                }
                self.accept(request, page, 1, behind)
            }
            &State::Anchored { anchor } => {
                if first_start.is_some_and(|start| self.side(start, anchor) == Side::Before) {
                    self.ignores_anchors = true;
                    self.go_on_from(anchor);
                    return Ok(Taken::nothing());
                }
                self.accept(request, page, 0, true)
            }
            &State::SteppingBack { offset, step } => {
                let reaches_back = match (first_start, self.edge.watermark) {
                    (Some(start), Some(watermark)) => self.side(start, watermark) == Side::Before,
                    _ => false,
                };
                if offset == 0 || reaches_back {
                    return self.accept(request, page, 0, true);
                }
                self.state = State::SteppingBack {
                    offset: offset.saturating_sub(step),
                    step: step.saturating_mul(2),
                };
                Ok(Taken::nothing())
            }
            State::Probing { .. } => {
                self.probe = match (page.row_count(), self.probe) {
                    (0, _) => Probe::FoundNothing,
                    (_, Probe::FoundMore { times }) => Probe::FoundMore { times: times + 1 },
                    _ => Probe::FoundMore { times: 1 },
                };
                if let State::Probing { from, .. } = std::mem::replace(&mut self.state, State::Done)
                {
                    self.state = *from;
                }
                Ok(Taken::nothing())
            }
            State::Done => Ok(Taken::nothing()),
        }
    }

    /// Takes a page that continues the walk: the rows after the first `overlap` are new, but
    /// for those that are known.
    fn accept(
        &mut self,
        request: PageRequest,
        page: &Page,
        overlap: usize,
        behind: bool,
    ) -> Result<Taken, Broken> {
        let rows = page.row_count();
        let more = match (self.judge(request, page, rows - overlap), self.probe) {
            (Next::Doubtful, Probe::FoundMore { times }) if times == MOST_FRUITLESS_PROBES => {
                let offset = request.offset;
                return Err(Broken::Stalled { offset });
            }
            (Next::Doubtful, Probe::NotSent | Probe::FoundMore { .. }) => {
                self.state = State::Probing {
                    anchor: request.anchor,
                    offset: request.offset + rows as u64,
                    from: Box::new(std::mem::replace(&mut self.state, State::Done)),
                };
                return Ok(Taken::nothing());
            }
            (Next::Doubtful, Probe::FoundNothing) | (Next::End, _) => false,
            (Next::More, _) => true,
        };
        let taken = self.select(page, overlap, behind);
        self.remember(page, &taken);
        self.position = match request.anchor {
            None => request.offset + taken.rows.end as u64,
            Some(_) => self.position + taken.count() as u64,
        };
        // Only a row with a start shows that the place of the watermark has been reached.
        let is_still_behind = behind && handed_out(page, &taken).all(|(_, start)| start.is_none());
        self.state = match page.last_key() {
            Some(last) if more && self.remaining != Some(0) => State::Reading {
                anchor: request.anchor,
                offset: request.offset + rows as u64 - 1,
                last: last.clone(),
                behind: is_still_behind,
            },
            _ => State::Done,
        };
        Ok(taken)
    }

    /// The list moved: looks for the place to go on from.
    fn drift(&mut self, request: PageRequest, page: &Page) -> Result<Taken, Broken> {
        let Some(watermark) = self.edge.watermark else {
            return Err(self.moved(request, page));
        };
        if self.fruitless_drifts == MOST_FRUITLESS_DRIFTS {
            return Err(Broken::Restless);
        }
        self.fruitless_drifts += 1;
        self.incidents.drifts += 1;
        self.incidents.reanchors += 1;
        self.probe = Probe::NotSent;
        self.go_on_from(watermark);
        Ok(Taken::nothing())
    }

    /// Sets out to find the place of the watermark: by its start, or else by offset.
    fn go_on_from(&mut self, watermark: DateTime<Utc>) {
        self.state = if self.ignores_anchors {
            // Half a page, so that the answer reaches past the place if the list grew before it.
            let step = self.page_size.div_ceil(2);
            State::SteppingBack {
                offset: self.position.saturating_sub(step),
                step: step * 2,
            }
        } else {
            State::Anchored {
                anchor: self.anchor_at(watermark),
            }
        };
    }

    /// The bound that the rows at a start and beyond it are within: a request has room for
    /// milliseconds only.
    fn anchor_at(&self, start: DateTime<Utc>) -> DateTime<Utc> {
        let finer = i64::from(start.timestamp_subsec_nanos() % 1_000_000);
        let outwards = if self.descending && finer > 0 {
            TimeDelta::nanoseconds(1_000_000 - finer)
        } else {
            TimeDelta::nanoseconds(-finer)
        };
        start.checked_add_signed(outwards).unwrap_or(start)
    }

    fn moved(&self, request: PageRequest, page: &Page) -> Broken {
        let expected = match &self.state {
            State::Reading { last, .. } => last.clone(),
            _ => Id::default(),
        };
        Broken::Moved {
            offset: request.offset,
            expected,
            found: page.first_key().cloned(),
        }
    }

    /// Whether a row that was handed out comes again behind the overlap: rows that started
    /// in the same millisecond have changed places, and one of them may have been missed.
    fn is_out_of_order(&self, request: PageRequest, page: &Page) -> bool {
        let Some(watermark) = self.edge.watermark else {
            return false;
        };
        if request.anchor == Some(self.anchor_at(watermark)) {
            // Behind an anchor at the watermark, known rows are to be expected.
            return false;
        }
        let mut ties = page
            .entries()
            .skip(1)
            .take_while(|(_, start)| *start == Some(watermark));
        ties.any(|(id, _)| id.is_some_and(|id| self.edge.ids.contains(id)))
    }

    /// Decides which rows are new.
    fn select(&self, page: &Page, overlap: usize, behind: bool) -> Taken {
        let mut left = self.remaining.unwrap_or(u64::MAX);
        let mut known = Vec::new();
        let mut end = overlap;
        for (index, (id, start)) in page.entries().enumerate().skip(overlap) {
            if left == 0 {
                break;
            }
            end = index + 1;
            if self.is_known(id, start, behind) {
                known.push(index);
            } else {
                left -= 1;
            }
        }
        Taken {
            rows: overlap..end,
            known,
        }
    }

    fn is_known(&self, id: Option<&Id>, start: Option<DateTime<Utc>>, behind: bool) -> bool {
        let is_in = |ids: &HashSet<Id>| id.is_some_and(|id| ids.contains(id));
        if !self.edge.undated.is_empty() && is_in(&self.edge.undated) {
            return true;
        }
        let (Some(start), Some(watermark)) = (start, self.edge.watermark) else {
            return false;
        };
        match self.side(start, watermark) {
            Side::Before => behind,
            Side::Same => is_in(&self.edge.ids),
            Side::Beyond => false,
        }
    }

    /// Moves the watermark over the rows that are handed out.
    fn remember(&mut self, page: &Page, taken: &Taken) {
        let count = taken.count() as u64;
        self.incidents.duplicates += taken.known.len() as u64;
        if handed_out(page, taken).any(|(id, _)| id.is_some()) {
            self.fruitless_drifts = 0;
            self.probe = Probe::NotSent;
        }
        if let Some(remaining) = &mut self.remaining {
            *remaining -= count;
        }
        let starts = handed_out(page, taken).filter_map(|(_, start)| start);
        let furthest = if self.descending {
            starts.min()
        } else {
            starts.max()
        };
        if let Some(start) = furthest
            && self
                .edge
                .watermark
                .is_none_or(|watermark| self.side(start, watermark) == Side::Beyond)
        {
            self.edge.watermark = Some(start);
            self.edge.ids.clear();
        }
        for (id, start) in handed_out(page, taken) {
            let Some(id) = id else { continue };
            match start {
                Some(_) if start == self.edge.watermark => {
                    self.edge.ids.insert(id.clone());
                }
                None if self.edge.undated.len() < MOST_UNDATED => {
                    self.edge.undated.insert(id.clone());
                }
                _ => {}
            }
        }
    }

    fn side(&self, start: DateTime<Utc>, from: DateTime<Utc>) -> Side {
        match (start.cmp(&from), self.descending) {
            (std::cmp::Ordering::Equal, _) => Side::Same,
            (std::cmp::Ordering::Less, false) | (std::cmp::Ordering::Greater, true) => Side::Before,
            (std::cmp::Ordering::Greater, false) | (std::cmp::Ordering::Less, true) => Side::Beyond,
        }
    }

    /// Decides whether the page is the last one.
    ///
    /// A page with new rows that is as long as it can be never is: the request after it
    /// shows what follows. A shorter one is, unless `total` says that there is more. A page
    /// without new rows is, unless `total` says so, and then only after a second look.
    fn judge(&self, request: PageRequest, page: &Page, fresh: usize) -> Next {
        let rows = page.row_count() as u64;
        let answered = page.limit.filter(|limit| *limit > 0);
        let effective_limit = answered.map_or(request.limit, |limit| limit.min(request.limit));
        let is_full = rows >= effective_limit;
        let promised_more = request.offset.saturating_add(rows) < page.total;

        match (fresh > 0, promised_more) {
            (true, true) => Next::More,
            (true, false) if is_full => Next::More,
            (false, true) => Next::Doubtful,
            (_, false) => Next::End,
        }
    }
}

/// The rows of a page that are handed out: their IDs, if they have one, and their starts.
fn handed_out<'a>(
    page: &'a Page,
    taken: &'a Taken,
) -> impl Iterator<Item = (Option<&'a Id>, Option<DateTime<Utc>>)> {
    let entries = page.entries().enumerate();
    entries
        .filter(|(index, _)| taken.includes(*index))
        .map(|(_, entry)| entry)
}

/// What follows a page.
enum Next {
    More,
    End,
    /// The service says that there is more, but it does not come.
    Doubtful,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved {
                offset,
                expected,
                found,
            } => {
                write!(
                    f,
                    "the list moved while it was read: run {expected} was at offset {offset}, now "
                )?;
                match found {
                    Some(found) => write!(f, "{found} is there"),
                    None => f.write_str("no run is there"),
                }
            }
            Self::Stalled { offset } => write!(
                f,
                "the list does not go on at offset {offset}, though the service says there is more"
            ),
            Self::Restless => write!(
                f,
                "the list moved {MOST_FRUITLESS_DRIFTS} times before one new run could be read"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
