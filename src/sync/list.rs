//! A list of runs, as a database knows it.

use std::fmt;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::query::RunSource;

/// A list that is synced: its key in a database, and its description.
///
/// ```
/// use apify_runs::RunQuery;
/// use apify_runs::sync::SyncList;
///
/// let list = SyncList::new(RunQuery::actor("janedoe/my-actor").page_size(10))?;
/// let same = SyncList::new("janedoe~my-actor")?;
/// assert_eq!(list.key(), same.key());
/// # Ok::<(), apify_runs::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncList {
    key: String,
    query: String,
    /// Whether it is a window of time, which may have no runs later.
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        allow(dead_code, reason = "for databases")
    )]
    pub(super) has_bounds: bool,
}

impl SyncList {
    /// The list of a query or of a split.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if it cannot be written as JSON.
    pub fn new(source: impl Into<RunSource>) -> Result<Self> {
        let source = source.into().identity();
        let unwritable = |error| {
            Error::new(ErrorKind::Config, "the query cannot be written as JSON").with_source(error)
        };
        let mut key = serde_json::to_value(&source).map_err(unwritable)?;
        if let Value::Object(fields) = &mut key {
            // It does not decide which runs come.
            fields.remove("page_size");
        }
        Ok(Self {
            key: key.to_string(),
            query: source.query.to_string(),
            has_bounds: source.query.has_bounds(),
        })
    }

    /// The key of the list: one line of JSON with all that decides which runs are on it, and in
    /// which order. It does not depend on how the Actor, times and statuses of the query are
    /// written, nor on its page size and limit.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The query in words.
    pub fn query(&self) -> &str {
        &self.query
    }
}

/// The query in words.
impl fmt::Display for SyncList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.query)
    }
}
