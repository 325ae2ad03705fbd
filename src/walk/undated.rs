//! Looking for runs without a start, which a request with bounds in time does not show.
//!
//! They lie together at one end of the list: where the service sorts what has no value. So the
//! walk reads from one end to the first run that has a start, and if there was none without,
//! from the other.

use super::{Broken, Direction, PageRequest, Selection, State, Walk, begins_undated_with, is_full};
use crate::emit::SeenState;
use crate::limits::MAX_PAGE_SIZE;
use crate::page::{Entry, Page};
use crate::run::Id;

/// How many rows the first request asks for: usually none of them is without a start.
const FIRST_LIMIT: u64 = 10;

/// How far the look has come.
#[derive(Debug, Clone)]
pub(super) struct UndatedScan {
    /// From which end on the list is read: first the newest, as such runs are new.
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
        let rows = match &self.last {
            None => PageRequest::rows(0, FIRST_LIMIT.min(page_size)),
            Some((offset, _)) => {
                let limit = (page_size + 1).min(u64::from(MAX_PAGE_SIZE));
                PageRequest::rows(*offset, limit)
            }
        };
        PageRequest {
            whole: Some(self.direction),
            ..rows
        }
    }
}

impl Walk {
    /// Takes a page of one end of the whole list.
    ///
    /// # Errors
    ///
    /// [`Broken::Unstable`] if the list moves again and again, [`Broken::Stalled`] if it goes on
    /// and on with runs that are known.
    pub(super) fn take_undated(
        &mut self,
        request: PageRequest,
        page: &Page,
    ) -> Result<Selection, Broken> {
        let State::LookingForUndated(UndatedScan { direction, last }) = &self.state else {
            return Ok(Selection::default());
        };
        let (direction, overlap) = (*direction, usize::from(last.is_some()));
        let expected = last.as_ref().map(|(_, last)| last);
        if expected.is_some_and(|last| !begins_undated_with(page, last)) {
            return self.look_again(direction);
        }
        self.check_stall(request)?;
        // The others are of no interest here: nobody has dealt with them.
        let taken = self.select(page, overlap, page.row_count(), |entry, _| {
            let is_new = is_undated(entry) && self.cursor.known(entry.id) == SeenState::New;
            is_new.then_some(SeenState::New)
        });
        self.note(&taken, page);
        self.measure_progress(None, None);
        let shows_start = page.entries().any(|entry| entry.start.is_some());
        let goes_on = !shows_start && is_full(request, page) && page.row_count() > overlap;
        let found_some = page.entries().any(|entry| is_undated(&entry));
        match page.last_key() {
            _ if self.remaining() == 0 => self.state = State::Done,
            Some(last) if goes_on => {
                let offset = request.offset + page.row_count() as u64 - 1;
                self.state = State::LookingForUndated(UndatedScan {
                    direction,
                    last: Some((offset, last.clone())),
                });
            }
            _ if !found_some && direction == Direction::Descending => {
                self.state = State::LookingForUndated(UndatedScan::from_end(Direction::Ascending));
            }
            _ => self.begin(),
        }
        Ok(taken)
    }

    /// The list moved: begins with its end once more. What has been handed out is known.
    fn look_again(&mut self, direction: Direction) -> Result<Selection, Broken> {
        self.note_drift()?;
        self.state = State::LookingForUndated(UndatedScan::from_end(direction));
        Ok(Selection::default())
    }
}

/// Whether a run has no start. Of one that cannot be read, nobody knows.
fn is_undated(entry: &Entry<'_>) -> bool {
    entry.run.is_some() && entry.start.is_none()
}
