//! Reading runs again that were not finished: those that have finished since, and those that
//! are gone.
//!
//! They are found in the list by their start. Neighbours are read with one request: how many
//! rows it asks for follows from how many of the rows before were of use.

use std::collections::{HashSet, VecDeque};

use chrono::{DateTime, Utc};

use super::window::{Coverage, Window};
use super::{
    Direction, PageRequest, Selection, Side, State, Walk, is_full, is_out_of_bounds, last_start,
    promises_more,
};
use crate::emit::SeenState;
use crate::limits::MAX_PAGE_SIZE;
use crate::page::Page;
use crate::run::Id;

/// How many rows the first request asks for, and the least that one asks for.
const FIRST_LIMIT: u64 = 100;
const MIN_LIMIT: u64 = 10;

/// Where the unfinished runs are, and how to get at them.
#[derive(Debug)]
pub(super) struct Reread {
    /// When the runs still to be read started: each once, in the direction of the walk.
    starts: VecDeque<DateTime<Utc>>,
    limit: u64,
    reading: Reading,
    is_at_end: bool,
}

/// What the next request is for.
#[derive(Debug)]
enum Reading {
    /// As many of the starts as may be on one page.
    Range,
    /// What lies behind a page that is shorter than it could be, though the service says that
    /// there is more.
    CatchUp(Doubt),
    /// The first start alone, as it does not fit on a page.
    Window(Window),
}

/// A page of which nobody knows whether it is the last one.
#[derive(Debug, Clone)]
struct Doubt {
    request: PageRequest,
    /// The first and the last start that were asked for.
    range: (DateTime<Utc>, DateTime<Utc>),
    seen: HashSet<Id>,
    /// The start of the last row.
    last: Option<DateTime<Utc>>,
    useful: u64,
}

impl Reread {
    /// `None` if there is nothing to read.
    pub(super) fn new(
        starts: impl Iterator<Item = DateTime<Utc>>,
        direction: Direction,
        is_at_end: bool,
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
            is_at_end,
        })
    }

    /// The next page.
    pub(super) fn request(&self, direction: Direction, page_size: u64) -> PageRequest {
        match &self.reading {
            Reading::Window(window) => window.request(),
            Reading::CatchUp(doubt) => PageRequest {
                offset: doubt.request.offset + doubt.seen.len() as u64,
                ..doubt.request
            },
            Reading::Range => self.range(direction, page_size),
        }
    }

    /// From the first start to the last that could be on one page.
    fn range(&self, direction: Direction, page_size: u64) -> PageRequest {
        let limit = self.limit.min(page_size.max(MIN_LIMIT));
        let range = self.ends(limit);
        PageRequest {
            anchor: range.map(|(first, _)| direction.bound_before(first)),
            until: range.map(|(_, last)| direction.bound_behind(last)),
            ..PageRequest::rows(0, limit)
        }
    }

    /// The first start, and the last of those that could be on a page of so many rows.
    fn ends(&self, limit: u64) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let mut starts = self.starts.iter().take(limit as usize);
        let first = *starts.next()?;
        Some((first, starts.next_back().copied().unwrap_or(first)))
    }

    /// Crosses the starts off of which every run has been shown, and says whether there were any.
    fn cross_off(&mut self, shown: &Shown<'_>) -> bool {
        let before = self.starts.len();
        while self
            .starts
            .front()
            .is_some_and(|start| shown.covers(*start))
        {
            self.starts.pop_front();
        }
        self.starts.len() < before
    }

    fn adapt(&mut self, is_full: bool, rows: u64, useful: u64) {
        if is_full && useful * 16 >= rows {
            self.limit = (self.limit * 2).min(u64::from(MAX_PAGE_SIZE));
        } else if is_full && useful * 64 < rows {
            self.limit = (self.limit / 2).max(MIN_LIMIT);
        }
    }
}

/// Which starts have been shown with every run, and what has been seen of them.
struct Shown<'a> {
    direction: Direction,
    from: DateTime<Utc>,
    /// Everything up to there, or only what is before it.
    to: DateTime<Utc>,
    is_inclusive: bool,
    has_seen: &'a dyn Fn(&Id) -> bool,
}

impl Shown<'_> {
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
    /// Takes a page of runs that are read again.
    pub(super) fn take_reread(&mut self, request: PageRequest, page: &Page) -> Selection {
        let State::Rereading(mut reread) = std::mem::replace(&mut self.state, State::Done) else {
            return Selection::default();
        };
        if is_out_of_bounds(request, page, self.memory.direction) {
            self.ignores_anchors = true;
            self.begin_pass();
            return Selection::default();
        }
        let useful = page
            .entries()
            .filter(|entry| self.is_open(entry.id))
            .count();
        let mut taken = self.select(page, 0, page.row_count(), |entry, _| {
            match self.cursor.known(entry.id) {
                SeenState::Open(open) if entry.run.is_some() => Some(SeenState::Open(open)),
                _ => None,
            }
        });
        self.has_finer_starts |= taken.has_finer_starts;
        let missing = match std::mem::replace(&mut reread.reading, Reading::Range) {
            Reading::Range => {
                let last = last_start(page).filter(|_| !taken.is_unsorted);
                self.take_range(&mut reread, request, page, last, useful as u64)
            }
            Reading::CatchUp(doubt) => self.resolve(&mut reread, &doubt, page),
            Reading::Window(window) => self.take_first(&mut reread, window, request, page),
        };
        taken.steps.extend(self.miss(missing, page));
        self.note(&taken, page);
        self.go_on_rereading(reread);
        taken
    }

    /// Takes a page that begins with the first start. Returns the runs that are missing.
    fn take_range(
        &self,
        reread: &mut Reread,
        request: PageRequest,
        page: &Page,
        last: Option<DateTime<Utc>>,
        useful: u64,
    ) -> Vec<Id> {
        let (is_full, rows) = (is_full(request, page), page.row_count());
        let Some(range) = reread.ends(request.limit) else {
            return Vec::new();
        };
        let doubt = Doubt {
            request,
            range,
            seen: page.entries().map(|entry| entry.id.clone()).collect(),
            last,
            useful,
        };
        if is_full {
            return self.cover_part(reread, &doubt, true);
        }
        if promises_more(request, page) && rows > 0 && doubt.seen.len() == rows {
            reread.reading = Reading::CatchUp(doubt);
            return Vec::new();
        }
        self.cover_all(reread, &doubt)
    }

    /// Takes the page behind one that left a doubt: if there is nothing, that was the end.
    fn resolve(&self, reread: &mut Reread, doubt: &Doubt, page: &Page) -> Vec<Id> {
        match page.row_count() {
            0 => self.cover_all(reread, doubt),
            _ => self.cover_part(reread, doubt, false),
        }
    }

    /// Takes a page of the first start alone.
    fn take_first(
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
                let shown = Shown {
                    direction: self.memory.direction,
                    from: start,
                    to: start,
                    is_inclusive: true,
                    has_seen: &|id| window.has_seen(id),
                };
                reread.cross_off(&shown);
                self.missing(&shown)
            }
            // They are left for the next time.
            Err(_) => {
                reread.starts.pop_front();
                Vec::new()
            }
        }
    }

    /// A page shows all runs of its range.
    fn cover_all(&self, reread: &mut Reread, doubt: &Doubt) -> Vec<Id> {
        let shown = Shown {
            direction: self.memory.direction,
            from: doubt.range.0,
            to: doubt.range.1,
            is_inclusive: true,
            has_seen: &|id| doubt.seen.contains(id),
        };
        reread.cross_off(&shown);
        self.missing(&shown)
    }

    /// A page shows all runs of its range that started before its last one.
    fn cover_part(&self, reread: &mut Reread, doubt: &Doubt, is_full: bool) -> Vec<Id> {
        let direction = self.memory.direction;
        let shown = Shown {
            direction,
            from: doubt.range.0,
            // Of rows without a start nobody knows where they lie.
            to: doubt.last.unwrap_or(doubt.range.0),
            is_inclusive: false,
            has_seen: &|id| doubt.seen.contains(id),
        };
        if reread.cross_off(&shown) {
            reread.adapt(is_full, doubt.seen.len() as u64, doubt.useful);
            return self.missing(&shown);
        }
        if let Some(start) = reread.starts.front() {
            reread.reading = Reading::Window(Window::new(self.millisecond(*start)));
        }
        Vec::new()
    }

    /// Reads the rest of the runs again, or goes on to what comes after that.
    fn go_on_rereading(&mut self, reread: Reread) {
        if self.remaining() == 0 {
            self.state = State::Done;
        } else if !reread.starts.is_empty() {
            self.state = State::Rereading(reread);
        } else if !reread.is_at_end {
            self.begin_pass();
        }
    }

    fn is_open(&self, id: &Id) -> bool {
        matches!(self.cursor.known(id), SeenState::Open(_))
    }

    /// The runs that would have been seen if they were still there.
    fn missing(&self, shown: &Shown<'_>) -> Vec<Id> {
        let open = self.cursor.open();
        let missing = open.filter(|(id, start)| shown.covers(*start) && !(shown.has_seen)(id));
        missing.map(|(id, _)| id.clone()).collect()
    }
}
