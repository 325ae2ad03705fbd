//! The limits on a walk that makes no progress.

use chrono::{DateTime, Utc};

use super::{PageRequest, Walk, WalkError};

impl Walk {
    /// Checks that there were not too many pages without progress.
    ///
    /// # Errors
    ///
    /// [`WalkError::Stalled`] if there were.
    pub(super) fn check_stall(&self, request: PageRequest) -> Result<(), WalkError> {
        let offset = request.offset();
        match self.stall.is_stalled() {
            true => Err(WalkError::Stalled { offset }),
            false => Ok(()),
        }
    }

    /// Notes what a sorted page has brought. `reached` is the start that the pass has reached with
    /// it, and `shown` the start of its last row.
    pub(super) fn note_progress(
        &mut self,
        reached: Option<DateTime<Utc>>,
        shown: Option<DateTime<Utc>>,
    ) {
        let direction = self.direction();
        self.stall
            .note_page(&self.cursor, reached, shown, direction);
    }

    /// The list has changed.
    ///
    /// # Errors
    ///
    /// [`WalkError::Unstable`] if it has changed too often without progress.
    pub(super) fn note_drift(&mut self) -> Result<(), WalkError> {
        if !self.stall.note_drift() {
            return Err(WalkError::Unstable);
        }
        self.incidents.drifts += 1;
        Ok(())
    }

    /// A page is not sorted.
    ///
    /// # Errors
    ///
    /// [`WalkError::Unsorted`] if the pages before it were not sorted either.
    pub(super) fn note_unsorted(&mut self, request: PageRequest) -> Result<(), WalkError> {
        let offset = request.offset();
        match self.stall.note_unsorted() {
            true => Ok(()),
            false => Err(WalkError::Unsorted { offset }),
        }
    }
}
