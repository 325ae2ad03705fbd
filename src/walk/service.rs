//! What responses show of the service.

use super::request::PageRequest;
use crate::limits::MAX_PAGE_SIZE;
use crate::page::Page;

/// The fewest rows in which a page overlaps with the one before: the last row, and the row in
/// front of it.
pub(super) const MIN_OVERLAP: u64 = 2;
/// The most rows in which pages requested ahead overlap. If more runs started in one millisecond,
/// each page is requested after the one before has been taken.
pub(super) const MAX_OVERLAP: u64 = MAX_PAGE_SIZE as u64 / 4;

/// What a walk has learned of the service and its list.
#[derive(Debug)]
pub(super) struct ServiceProfile {
    /// Whether the service ignores the bound that an anchor is.
    pub(super) ignores_anchors: bool,
    /// Whether some start has digits beyond the millisecond.
    pub(super) has_finer_starts: bool,
    pub(super) page_length: PageLength,
    /// In how many rows pages requested ahead overlap.
    pub(super) overlap: u64,
}

/// How many rows the service returns on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageLength {
    /// As many as were requested.
    AsRequested,
    /// Fewer, the last time: the next page may have any length.
    Short(u64),
    /// At most this many.
    Capped(u64),
}

impl ServiceProfile {
    pub(super) fn new() -> Self {
        Self {
            ignores_anchors: false,
            has_finer_starts: false,
            page_length: PageLength::AsRequested,
            overlap: MIN_OVERLAP,
        }
    }

    /// How many rows a request with this limit is expected to return. `None` if that is unknown.
    pub(super) fn expected_rows(&self, limit: u64) -> Option<u64> {
        match self.page_length {
            PageLength::AsRequested => Some(limit),
            PageLength::Short(_) => None,
            PageLength::Capped(rows) => Some(limit.min(rows)),
        }
    }

    /// Learns from the length of a page that is not the last one.
    pub(super) fn learn_page_length(&mut self, request: PageRequest, page: &Page) {
        let rows = page.row_count() as u64;
        self.page_length = match self.page_length {
            _ if rows >= request.limit() => PageLength::AsRequested,
            _ if page.limit == Some(rows) => PageLength::Capped(rows),
            PageLength::Short(before) | PageLength::Capped(before) if before == rows => {
                PageLength::Capped(rows)
            }
            _ => PageLength::Short(rows),
        };
    }

    /// Learns in how many rows the next page has to overlap. The overlap of pages requested ahead
    /// grows to that at once, and shrinks by an eighth of the difference each time.
    pub(super) fn learn_overlap(&mut self, needed: u64) {
        let needed = needed.clamp(MIN_OVERLAP, MAX_OVERLAP);
        let excess = self.overlap - needed.min(self.overlap);
        self.overlap = needed.max(self.overlap - excess.div_ceil(8));
    }
}
