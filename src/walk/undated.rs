//! Reading runs without a start, which a request with bounds on the start does not show.
//!
//! They lie together at one end of the list: where the service sorts missing values. So the walk
//! reads from one end to the first run that has a start, and, if it has found none without a
//! start, from the other end.

use super::response::{begins_undated_with, is_full};
use super::{PageRequest, Selection, State, Transition, Walk};
use crate::direction::Direction;
use crate::emit::SeenState;
use crate::limits::MAX_PAGE_SIZE;
use crate::page::{Entry, Page};
use crate::run::Id;

/// The limit of the first request. Usually none of its rows is without a start.
const FIRST_LIMIT: u64 = 10;

/// How far the list has been read.
#[derive(Debug, Clone)]
pub(super) struct UndatedScan {
    /// The end that the list is read from: first that of the newest runs, as runs without a start
    /// are new.
    direction: Direction,
    /// The offset and the ID of the last row, with which the next page begins.
    last: Option<(u64, Id)>,
}

impl Default for UndatedScan {
    fn default() -> Self {
        Self::from_end(Direction::Descending)
    }
}

impl UndatedScan {
    fn from_end(direction: Direction) -> Self {
        Self {
            direction,
            last: None,
        }
    }

    pub(super) fn request(&self, page_size: u64) -> PageRequest {
        let (offset, limit) = match &self.last {
            None => (0, FIRST_LIMIT.min(page_size)),
            Some((offset, _)) => (*offset, (page_size + 1).min(u64::from(MAX_PAGE_SIZE))),
        };
        PageRequest::whole(self.direction, offset, limit)
    }
}

impl Walk {
    /// Takes a page of one end of the whole list.
    ///
    /// # Errors
    ///
    /// [`WalkError::Unstable`] if the list has changed too often, [`WalkError::Stalled`] if page
    /// after page has only known runs.
    pub(super) fn take_undated(
        &mut self,
        scan: UndatedScan,
        request: PageRequest,
        page: &Page,
    ) -> Transition {
        let UndatedScan { direction, last } = scan;
        let overlap = usize::from(last.is_some());
        if last.is_some_and(|(_, last)| !begins_undated_with(page, &last)) {
            return self.restart_scan(direction);
        }
        self.check_stall(request)?;
        // Runs that have a start are ignored: the passes process them.
        let selection = self.select(page, overlap, page.row_count(), |entry, _| {
            let is_new = is_undated(entry) && self.cursor.known(entry.id) == SeenState::New;
            is_new.then_some(SeenState::New)
        });
        self.apply(&selection, page);
        self.note_progress(None, None);
        let shows_start = page.entries().any(|entry| entry.start.is_some());
        let is_last = shows_start || !is_full(request, page) || page.row_count() <= overlap;
        let shows_undated = page.entries().any(|entry| is_undated(&entry));
        let state = match page.last_key() {
            _ if self.remaining() == 0 => State::Done,
            Some(last) if !is_last => State::ScanningUndated(UndatedScan {
                direction,
                last: Some((request.offset() + page.row_count() as u64 - 1, last.clone())),
            }),
            _ if !shows_undated && direction == Direction::Descending => {
                State::ScanningUndated(UndatedScan::from_end(Direction::Ascending))
            }
            _ => self.next_pass(),
        };
        Ok((selection, state))
    }

    /// The list has changed: begins at the same end again. Runs that have been handed out are
    /// known.
    fn restart_scan(&mut self, direction: Direction) -> Transition {
        self.note_drift()?;
        let state = State::ScanningUndated(UndatedScan::from_end(direction));
        Ok((Selection::default(), state))
    }
}

/// Whether a run has no start. Of an unreadable row, that is unknown.
fn is_undated(entry: &Entry<'_>) -> bool {
    entry.run.is_some() && entry.start.is_none()
}
