//! What a response shows of the list.

use chrono::{DateTime, Utc};

use super::request::PageRequest;
use crate::page::Page;
use crate::run::Id;

/// What follows a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    /// Another page.
    More,
    /// Nothing: it is the last page.
    Nothing,
    /// The service says that there are more rows, and the page has no new row. A probe has to show
    /// whether there are.
    Doubtful,
}

impl Follows {
    /// What follows a page with this number of new rows, by the response alone.
    ///
    /// A page that is as long as it can be is never the last one: the next request shows what
    /// follows. A shorter page is the last one unless `total` says that there are more rows. A
    /// page without new rows is the last one too, but in doubt if `total` says otherwise.
    pub(super) fn by_response(request: PageRequest, page: &Page, new_rows: usize) -> Self {
        match (new_rows > 0, promises_more(request, page)) {
            (false, _) if has_no_counts(page) && page.row_count() > 0 => Self::Doubtful,
            _ if is_full(request, page) => Self::More,
            (true, true) => Self::More,
            (false, true) => Self::Doubtful,
            (_, false) => Self::Nothing,
        }
    }
}

/// Whether the service says neither how many rows a page can have nor how many the list has.
fn has_no_counts(page: &Page) -> bool {
    page.limit.is_none_or(|limit| limit == 0) && page.total.is_none()
}

/// Whether a page has as many rows as it can have. If the service does not say how many that is,
/// any page with rows may be full.
pub(super) fn is_full(request: PageRequest, page: &Page) -> bool {
    if has_no_counts(page) {
        return page.row_count() > 0;
    }
    let applied = page.limit.filter(|limit| *limit > 0);
    let limit = applied.map_or(request.limit(), |limit| limit.min(request.limit()));
    page.row_count() as u64 >= limit
}

/// Whether there are more rows after a page, by the service's `total`. Without a `total`, there
/// are none.
pub(super) fn promises_more(request: PageRequest, page: &Page) -> bool {
    let end = request.offset().saturating_add(page.row_count() as u64);
    page.total.is_some_and(|total| end < total)
}

/// Whether the list ends before a page, by the service's `total`. It had more rows when the offset
/// was chosen, so rows may have moved to smaller offsets.
pub(super) fn has_shrunk(request: PageRequest, page: &Page) -> bool {
    page.total.is_some_and(|total| total < request.offset())
}

/// The start of the last row that has one.
pub(super) fn last_start(page: &Page) -> Option<DateTime<Utc>> {
    let mut indices = (0..page.row_count()).rev();
    indices.find_map(|index| page.entry(index)?.start)
}

/// Whether the first row is this run, and it still has no start.
pub(super) fn begins_undated_with(page: &Page, id: &Id) -> bool {
    let first = page.entry(0);
    first.is_some_and(|first| first.id == id && first.start.is_none())
}
