//! Limits of the service, and of what this crate accepts.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The most rows the service puts on a page
/// ([API reference](https://docs.apify.com/api/v2/act-runs-get)).
pub(crate) const MAX_PAGE_SIZE: u32 = 1000;
/// The most rows of a page that are read: ten times as many as the service sends. A body holds
/// millions of tiny ones, which take a hundred times its memory.
pub(crate) const MAX_ROWS: usize = 10 * MAX_PAGE_SIZE as usize;
/// Requests a second that a client may be limited to.
pub(crate) const REQUEST_RATES: RangeInclusive<f64> = 0.001..=1000.0;
/// Requests a second, for all lists together.
pub(crate) const TOTAL_REQUEST_RATES: RangeInclusive<f64> = 0.001..=100_000.0;
/// The service allows 250,000 a minute for one user.
pub(crate) const DEFAULT_TOTAL_REQUEST_RATE: f64 = 4000.0;
/// Pages of one walk in flight.
pub(crate) const MAX_CONCURRENCY: usize = 64;
/// How long before the watermark a walk that resumes begins, by default.
pub(crate) const DEFAULT_LOOKBACK: Duration = Duration::from_secs(60);
