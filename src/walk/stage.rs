//! What each stage of a pass requests, and what it knows of the rows in the response.

use super::offset::{Offset, Rebase};
use super::service::MIN_OVERLAP;
use super::{PageRequest, Probe, Stage, Walk};
use crate::emit::Emit;
use crate::limits::MAX_PAGE_SIZE;
use crate::page::Page;

impl Walk {
    /// The next request of a pass.
    pub(super) fn request_of(&self, stage: &Stage) -> PageRequest {
        let (offset, limit) = match stage {
            // If the pass starts again, known rows without a start come first.
            &Stage::Start { preceding } => {
                let known = self.cursor.undated() as u64;
                let offset = Offset::new(None, self.query.offset - preceding);
                (offset, self.wanted(0) + preceding + known)
            }
            Stage::Reading(position) => {
                let overlap = position.overlap;
                let more = if position.is_stuck { overlap } else { 0 };
                (position.next, overlap + self.wanted(0).max(more))
            }
            // Known rows come first.
            &Stage::Anchored { reached } => {
                let anchor = self.direction().bound_before(reached);
                let known = self.cursor.known_from(anchor, self.direction()) as u64;
                (Offset::new(Some(anchor), 0), self.wanted(0) + known)
            }
            &Stage::SteppingBack { offset, .. } => (offset, self.page_size() + MIN_OVERLAP),
            Stage::ReadingTies(ties) => return ties.request(),
            &Stage::Probing { offset, .. } => (offset, 1),
        };
        PageRequest::list(offset, limit.min(u64::from(MAX_PAGE_SIZE)))
    }

    /// How many rows may still be handed out.
    pub(super) fn remaining(&self) -> u64 {
        let limit = self.query.limit.unwrap_or(u64::MAX);
        limit.saturating_sub(self.cursor.rows())
    }

    /// How many new rows to request if `in_flight` are already requested.
    pub(super) fn wanted(&self, in_flight: u64) -> u64 {
        let skips_rows = self.rules.emit == Emit::Finished || self.query.has_filter();
        if skips_rows {
            // It is unknown how many rows it takes to find the remaining ones.
            return self.page_size();
        }
        let remaining = self.remaining().saturating_sub(in_flight);
        remaining.min(self.page_size())
    }
}

impl Stage {
    /// How many rows of a page that begins at `offset` have been read before.
    pub(super) fn overlap(&self, offset: Offset) -> usize {
        let overlap = match self {
            Self::Reading(position) => position.rows_read_from(offset),
            &Self::Start { preceding } => preceding,
            _ => 0,
        };
        usize::try_from(overlap).unwrap_or(usize::MAX)
    }

    /// How many rows of the page the query's offset skips.
    pub(super) fn skipped(&self) -> usize {
        match self {
            &Self::Start { preceding } => usize::try_from(preceding).unwrap_or(usize::MAX),
            _ => 0,
        }
    }

    /// The last change of the anchor.
    pub(super) fn rebase(&self) -> Option<Rebase> {
        match self {
            Self::Reading(position) => position.rebase,
            _ => None,
        }
    }
}

impl Probe {
    /// What is known after the response to another probe.
    pub(super) fn after(self, page: &Page) -> Self {
        match (page.row_count(), self) {
            (0, _) => Self::FoundNothing,
            (_, Self::FoundMore { times }) => Self::FoundMore { times: times + 1 },
            _ => Self::FoundMore { times: 1 },
        }
    }
}
