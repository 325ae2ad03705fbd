//! The rows of a page as they were received.

use std::ops::Range;
use std::sync::Arc;

use crate::pool::Pool;

/// Where each row of a page is in its body, in the order of the list.
pub(crate) type Spans = Vec<Range<u32>>;

/// The place of a row. A body is shorter than 4 GiB.
pub(crate) fn span(start: usize, end: usize) -> Range<u32> {
    start as u32..end as u32
}

/// The text of each row of a page, readable or not, in the order of the list.
pub(crate) struct RawRows {
    body: Vec<u8>,
    spans: Spans,
    /// Where the memory of the body goes.
    pool: Arc<Pool<u8>>,
}

impl RawRows {
    pub(crate) fn new(body: Vec<u8>, spans: Spans, pool: Arc<Pool<u8>>) -> Self {
        Self { body, spans, pool }
    }

    /// The row at a place of the page. Empty past its end.
    #[cfg_attr(
        not(any(feature = "export", feature = "sync")),
        allow(dead_code, reason = "for exports and syncs")
    )]
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let span = self.spans.get(index).cloned().unwrap_or_default();
        let text = self.body.get(span.start as usize..span.end as usize);
        text.unwrap_or_default()
    }
}

impl Drop for RawRows {
    fn drop(&mut self) {
        self.pool.keep(std::mem::take(&mut self.body));
    }
}

impl std::fmt::Debug for RawRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows", self.spans.len())
    }
}
