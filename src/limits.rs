//! Limits of the service and of what is accepted from it.

/// The maximum number of rows on a page of the service
/// ([API reference](https://docs.apify.com/api/v2/act-runs-get)).
pub(crate) const MAX_PAGE_SIZE: u32 = 1000;

/// The maximum number of rows that a page may have: ten times as many as the service sends. A body
/// holds millions of tiny ones, which take a hundred times its memory.
pub(crate) const MAX_ROWS: usize = 10 * MAX_PAGE_SIZE as usize;
