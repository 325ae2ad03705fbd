//! Rows on their way to the consumer.

use std::collections::VecDeque;
use std::sync::Arc;

use super::run_page::Head;
use crate::page::raw::RawRows;
use crate::run::RunSummary;

/// Rows of one page that follow each other in the list.
pub(crate) struct Batch {
    pub(super) head: Head,
    pub(super) offset: u64,
    pub(crate) rows: VecDeque<RunSummary>,
    /// The rows as they were received, if they were requested.
    #[cfg_attr(
        not(any(feature = "export", feature = "sync")),
        allow(dead_code, reason = "for exports and syncs")
    )]
    pub(crate) raw_rows: Option<RawBatch>,
}

/// The rows of a batch as they were received.
#[cfg_attr(
    not(any(feature = "export", feature = "sync")),
    allow(dead_code, reason = "for exports and syncs")
)]
pub(crate) struct RawBatch {
    pub(super) page: Arc<RawRows>,
    /// Where in the page each row is.
    pub(super) places: Vec<usize>,
}

#[cfg(any(feature = "export", feature = "sync"))]
impl RawBatch {
    /// The rows as they were received, in the order of the batch.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().map(|place| self.page.get(*place))
    }
}
