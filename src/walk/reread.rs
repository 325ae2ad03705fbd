//! Reading unfinished runs again: some have finished since, and some are gone.
//!
//! They are found in the list by their start. Neighbours are read with one request. Its limit
//! adapts to how many rows of the page before were unfinished runs.

use std::collections::{HashSet, VecDeque};
use std::mem;

use chrono::{DateTime, Utc};

use super::response::{has_shrunk, is_full, last_start, promises_more};
use super::window::{Coverage, Window};
use super::{PageRequest, Selection, State, Walk};
use crate::direction::{Direction, Side};
use crate::emit::SeenState;
use crate::limits::MAX_PAGE_SIZE;
use crate::page::Page;
use crate::run::Id;

/// The limit of the first request, and the smallest one.
const FIRST_LIMIT: u64 = 100;
const MIN_LIMIT: u64 = 10;

/// The unfinished runs that are still to be read again.
#[derive(Debug)]
pub(super) struct Reread {
    /// When they started: each time once, in the direction of the walk.
    starts: VecDeque<DateTime<Utc>>,
    limit: u64,
    reading: Reading,
    /// Whether this is the end of the walk, and no pass follows.
    pub(super) is_final: bool,
}

/// What the next request is for.
#[derive(Debug)]
enum Reading {
    /// As many of the starts as may be on one page.
    Range,
    /// The rows after a page that is shorter than it can be, though the service says that there
    /// are more.
    CatchUp(Shown),
    /// The first start alone, as it does not fit on a page.
    Window(Window),
}

/// A page of a range.
#[derive(Debug)]
struct Shown {
    request: PageRequest,
    /// The first and the last start that were requested.
    range: (DateTime<Utc>, DateTime<Utc>),
    ids: HashSet<Id>,
    /// The start of the last row, if the page is sorted.
    last: Option<DateTime<Utc>>,
    /// How many of the rows were of runs to be read again.
    useful: u64,
}

impl Reread {
    /// `None` if there is nothing to read.
    pub(super) fn new(
        starts: impl Iterator<Item = DateTime<Utc>>,
        direction: Direction,
        is_final: bool,
    ) -> Option<Self> {
        let mut starts: Vec<_> = starts.collect();
        starts.sort_unstable();
        starts.dedup();
        if direction == Direction::Descending {
            starts.reverse();
        }
        (!starts.is_empty()).then(|| Self {
            starts: starts.into(),
            limit: FIRST_LIMIT,
            reading: Reading::Range,
            is_final,
        })
    }

    /// The next request.
    pub(super) fn request(&self, direction: Direction, page_size: u64) -> PageRequest {
        match &self.reading {
            Reading::Window(window) => window.request(),
            Reading::CatchUp(shown) => shown.request.advanced_by(shown.ids.len() as u64),
            Reading::Range => self.range_request(direction, page_size),
        }
    }

    /// From the first start to the last that may fit on one page.
    fn range_request(&self, direction: Direction, page_size: u64) -> PageRequest {
        let limit = self.limit.min(page_size.max(MIN_LIMIT));
        let Some((first, last)) = self.range(limit) else {
            return PageRequest::rows(0, limit);
        };
        let range = (direction.bound_before(first), direction.bound_behind(last));
        PageRequest::window(range, 0, limit)
    }

    /// The first start, and the last of those that may fit on a page of this size.
    fn range(&self, limit: u64) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let mut starts = self.starts.iter().take(limit as usize);
        let first = *starts.next()?;
        Some((first, starts.next_back().copied().unwrap_or(first)))
    }

    /// Removes the starts whose runs have all been seen, and returns whether there were any.
    fn remove(&mut self, seen: &Seen<'_>) -> bool {
        let before = self.starts.len();
        while self.starts.front().is_some_and(|start| seen.covers(*start)) {
            self.starts.pop_front();
        }
        self.starts.len() < before
    }

    fn adapt_limit(&mut self, is_full: bool, rows: u64, useful: u64) {
        if is_full && useful * 16 >= rows {
            self.limit = (self.limit * 2).min(u64::from(MAX_PAGE_SIZE));
        } else if is_full && useful * 64 < rows {
            self.limit = (self.limit / 2).max(MIN_LIMIT);
        }
    }
}

/// A part of the list that has been seen with every run in it.
struct Seen<'a> {
    direction: Direction,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// Whether the runs that started at `to` have been seen too.
    is_inclusive: bool,
    ids: &'a HashSet<Id>,
}

impl Seen<'_> {
    fn covers(&self, start: DateTime<Utc>) -> bool {
        let side = |bound| self.direction.side(start, bound);
        side(self.from) != Side::Before
            && match side(self.to) {
                Side::Before => true,
                Side::Same => self.is_inclusive,
                Side::Beyond => false,
            }
    }
}

impl Walk {
    /// Takes a page of unfinished runs.
    pub(super) fn take_reread(
        &mut self,
        mut reread: Reread,
        request: PageRequest,
        page: &Page,
    ) -> (Selection, State) {
        if request.is_violated_by(page, self.direction()) {
            self.service.ignores_anchors = true;
            let state = self.open_pass(reread.is_final);
            return (Selection::default(), state);
        }
        let is_open = |id| matches!(self.cursor.known(id), SeenState::Open(_));
        let useful = page.entries().filter(|entry| is_open(entry.id)).count();
        let mut selection = self.select(page, 0, page.row_count(), |entry, _| {
            match self.cursor.known(entry.id) {
                SeenState::Open(open) if entry.run.is_some() => Some(SeenState::Open(open)),
                _ => None,
            }
        });
        self.service.has_finer_starts |= selection.has_finer_starts;
        let missing = match mem::replace(&mut reread.reading, Reading::Range) {
            Reading::Range => {
                let last = last_start(page).filter(|_| !selection.is_unsorted);
                self.take_range(&mut reread, request, page, last, useful as u64)
            }
            Reading::CatchUp(shown) if page.row_count() == 0 && !has_shrunk(request, page) => {
                // No row follows the page, so it has shown all of them.
                self.remove_all(&mut reread, &shown)
            }
            Reading::CatchUp(shown) => self.remove_part(&mut reread, &shown, false),
            Reading::Window(window) => self.take_window(&mut reread, window, request, page),
        };
        selection.updates.extend(self.miss(missing, page));
        self.apply(&selection, page);
        let state = if self.remaining() == 0 {
            State::Done
        } else if !reread.starts.is_empty() {
            State::Rereading(reread)
        } else if reread.is_final {
            State::Done
        } else {
            self.open_pass(false)
        };
        (selection, state)
    }

    /// Takes a page of a range. Returns the runs that are missing.
    fn take_range(
        &self,
        reread: &mut Reread,
        request: PageRequest,
        page: &Page,
        last: Option<DateTime<Utc>>,
        useful: u64,
    ) -> Vec<Id> {
        let Some(range) = reread.range(request.limit()) else {
            return Vec::new();
        };
        let shown = Shown {
            request,
            range,
            ids: page.entries().map(|entry| entry.id.clone()).collect(),
            last,
            useful,
        };
        let rows = page.row_count();
        if is_full(request, page) {
            return self.remove_part(reread, &shown, true);
        }
        if promises_more(request, page) && rows > 0 && shown.ids.len() == rows {
            reread.reading = Reading::CatchUp(shown);
            return Vec::new();
        }
        self.remove_all(reread, &shown)
    }

    /// Takes a page of the first start alone. Returns the runs that are missing.
    fn take_window(
        &self,
        reread: &mut Reread,
        mut window: Window,
        request: PageRequest,
        page: &Page,
    ) -> Vec<Id> {
        match window.take(request, page) {
            Ok(Coverage::Partial) => {
                reread.reading = Reading::Window(window);
                Vec::new()
            }
            Ok(Coverage::Whole) => {
                let Some(&start) = reread.starts.front() else {
                    return Vec::new();
                };
                let seen = Seen {
                    direction: self.direction(),
                    from: start,
                    to: start,
                    is_inclusive: true,
                    ids: window.seen(),
                };
                reread.remove(&seen);
                self.missing(&seen)
            }
            // They are read with the next pass.
            Err(_) => {
                reread.starts.pop_front();
                Vec::new()
            }
        }
    }

    /// A page has shown all runs of its range. Returns those that are missing.
    fn remove_all(&self, reread: &mut Reread, shown: &Shown) -> Vec<Id> {
        let seen = Seen {
            direction: self.direction(),
            from: shown.range.0,
            to: shown.range.1,
            is_inclusive: true,
            ids: &shown.ids,
        };
        reread.remove(&seen);
        self.missing(&seen)
    }

    /// A page has shown all runs of its range that started before its last one. Returns those that
    /// are missing.
    fn remove_part(&self, reread: &mut Reread, shown: &Shown, is_full: bool) -> Vec<Id> {
        let seen = Seen {
            direction: self.direction(),
            from: shown.range.0,
            // It is unknown where rows without a start lie.
            to: shown.last.unwrap_or(shown.range.0),
            is_inclusive: false,
            ids: &shown.ids,
        };
        if reread.remove(&seen) {
            reread.adapt_limit(is_full, shown.ids.len() as u64, shown.useful);
            return self.missing(&seen);
        }
        if let Some(start) = reread.starts.front() {
            reread.reading = Reading::Window(Window::new(self.millisecond(*start)));
        }
        Vec::new()
    }

    /// The runs that would have been seen if they were still there.
    fn missing(&self, seen: &Seen<'_>) -> Vec<Id> {
        let open = self.cursor.open();
        let missing = open.filter(|(id, start)| seen.covers(*start) && !seen.ids.contains(*id));
        missing.map(|(id, _)| id.clone()).collect()
    }
}
