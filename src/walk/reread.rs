//! Reading runs again that were not finished: those that have finished since, and those that
//! are gone.
//!
//! They are found in the list by their start. Neighbours are read with one request: how many
//! rows it asks for follows from how many of the rows before were of use.

use std::collections::{HashSet, VecDeque};

use chrono::{DateTime, Utc};

use super::{
    Direction, PageRequest, Side, State, Taken, Walk, is_full, is_out_of_bounds, promises_more,
};
use crate::decode::Page;
use crate::emit::Known;
use crate::query::MAX_PAGE_SIZE;
use crate::run::Id;

/// How many rows the first request asks for, and the least that one asks for.
const FIRST_LIMIT: u64 = 100;
const LEAST_LIMIT: u64 = 10;
/// How many pages may have the same start before the rest is left for the next time.
const MOST_PAGES_OF_TIES: u32 = 200;

/// Where the unfinished runs are, and how to get at them.
#[derive(Debug)]
pub(super) struct Reread {
    /// When the runs still to be read started: each once, in the direction of the walk.
    starts: VecDeque<DateTime<Utc>>,
    limit: u64,
    ties: Ties,
    is_at_end: bool,
}

/// How far the rows of the first start have been read, where a page does not hold them all.
#[derive(Debug, Default)]
struct Ties {
    pages: u32,
    /// The offset and the ID of the last row, with which the next page begins.
    last: Option<(u64, Id)>,
    /// The rows of the pages so far.
    seen: HashSet<Id>,
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
            ties: Ties::default(),
            is_at_end,
        })
    }

    /// The next page: from the first start to the last that could be on it.
    pub(super) fn request(&self, direction: Direction, page_size: u64) -> PageRequest {
        let limit = self.limit.min(page_size.max(LEAST_LIMIT));
        let last = self.starts.iter().take(limit as usize).next_back();
        let offset = self.ties.last.as_ref().map_or(0, |(offset, _)| *offset);
        PageRequest {
            anchor: self
                .starts
                .front()
                .map(|start| direction.bound_before(*start)),
            until: last.map(|start| direction.bound_behind(*start)),
            ..PageRequest::rows(offset, limit)
        }
    }

    /// Whether a page does not begin where the one before ended.
    fn has_moved(&self, page: &Page) -> bool {
        let last = self.ties.last.as_ref();
        last.is_some_and(|(_, last)| page.first_key() != Some(last))
    }

    /// Begins with the first start once more.
    fn restart(&mut self) {
        self.ties = Ties {
            pages: self.ties.pages + 1,
            ..Ties::default()
        };
        if self.ties.pages > MOST_PAGES_OF_TIES {
            self.give_up();
        }
    }

    /// Leaves the runs of the first start for the next time.
    fn give_up(&mut self) {
        self.starts.pop_front();
        self.ties = Ties::default();
    }

    /// Crosses off what an answer has shown. `useful` is how many of its rows were of use.
    fn cross_off(
        &mut self,
        request: PageRequest,
        page: &Page,
        shown: &Shown,
        useful: u64,
        page_size: u64,
    ) {
        let (before, rows) = (self.starts.len(), page.row_count() as u64);
        while self
            .starts
            .front()
            .is_some_and(|start| shown.covers(*start))
        {
            self.starts.pop_front();
        }
        if self.starts.len() < before {
            self.ties = Ties::default();
            return self.adapt(rows >= request.limit, rows, useful);
        }
        self.ties.pages += 1;
        match page.last_key() {
            _ if request.limit < page_size => self.limit = u64::from(MAX_PAGE_SIZE),
            Some(last) if rows > 1 && self.ties.pages <= MOST_PAGES_OF_TIES => {
                self.ties.last = Some((request.offset + rows - 1, last.clone()));
                let seen = page.entries().map(|entry| entry.id.clone());
                self.ties.seen.extend(seen);
            }
            _ => self.give_up(),
        }
    }

    fn adapt(&mut self, is_full: bool, rows: u64, useful: u64) {
        if is_full && useful * 16 >= rows {
            self.limit = (self.limit * 2).min(u64::from(MAX_PAGE_SIZE));
        } else if is_full && useful * 64 < rows {
            self.limit = (self.limit / 2).max(LEAST_LIMIT);
        }
    }
}

/// Which starts an answer shows every row of.
struct Shown {
    direction: Direction,
    /// Everything up to there, or only what is before it.
    to: Option<DateTime<Utc>>,
    is_inclusive: bool,
}

impl Shown {
    fn new(direction: Direction, request: PageRequest, page: &Page) -> Self {
        let is_whole = !is_full(request, page) && !promises_more(request, page);
        let last = page.entries().filter_map(|entry| entry.start).last();
        match last {
            Some(last) if !is_whole => Self {
                direction,
                to: Some(last),
                is_inclusive: false,
            },
            // Of rows without a start nobody knows where they lie.
            None if page.row_count() > 0 && !is_whole => Self {
                direction,
                to: request.anchor,
                is_inclusive: false,
            },
            _ => Self {
                direction,
                to: request.until,
                is_inclusive: true,
            },
        }
    }

    fn covers(&self, start: DateTime<Utc>) -> bool {
        let Some(to) = self.to else { return true };
        match self.direction.side(start, to) {
            Side::Before => true,
            Side::Same => self.is_inclusive,
            Side::Beyond => false,
        }
    }
}

impl Walk {
    /// Takes a page of runs that are read again.
    pub(super) fn take_reread(&mut self, request: PageRequest, page: &Page) -> Taken {
        let State::Rereading(mut reread) = std::mem::replace(&mut self.state, State::Done) else {
            return Taken::default();
        };
        if is_out_of_bounds(request, page, self.memory.direction) {
            self.ignores_anchors = true;
            self.begin_pass();
            return Taken::default();
        }
        if reread.has_moved(page) {
            reread.restart();
            self.go_on_rereading(reread);
            return Taken::default();
        }
        let mut taken = self.select(page, 0, |entry| match self.cursor.known(entry.id) {
            Known::Open(open) if entry.run.is_some() => Some(Known::Open(open)),
            _ => None,
        });
        taken.duplicates = 0;
        let shown = Shown::new(self.memory.direction, request, page);
        let missing = self.missing(request, page, &shown, &reread.ties.seen);
        let useful = page
            .entries()
            .filter(|entry| self.is_open(entry.id))
            .count();
        reread.cross_off(request, page, &shown, useful as u64, self.page_size());
        taken.steps.extend(self.miss(missing));
        self.note(&taken);
        self.go_on_rereading(reread);
        taken
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
        matches!(self.cursor.known(id), Known::Open(_))
    }

    /// The runs that would be on the page, or on those of the same start before it, if they
    /// were still there.
    fn missing(
        &self,
        request: PageRequest,
        page: &Page,
        shown: &Shown,
        seen: &HashSet<Id>,
    ) -> Vec<Id> {
        let is_doubtful = page.row_count() == 0 && promises_more(request, page);
        if is_doubtful {
            return Vec::new();
        }
        let direction = self.memory.direction;
        let on_page: HashSet<&Id> = page.entries().map(|entry| entry.id).collect();
        let is_shown = |start| {
            let side = request.anchor.map(|anchor| direction.side(start, anchor));
            side != Some(Side::Before) && shown.covers(start)
        };
        let missing = self
            .cursor
            .open()
            .filter(|(id, start)| is_shown(*start) && !on_page.contains(id) && !seen.contains(*id));
        missing.map(|(id, _)| id.clone()).collect()
    }
}
