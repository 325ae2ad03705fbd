//! What a walk reads: a query, or a split of one.

use super::RunQuery;
use crate::setting::InvalidSetting;

/// What a [`Client`](crate::Client) reads: a [`RunQuery`], or a [`Split`](crate::Split) of one.
///
/// Methods of the client take anything that converts into it: a query or a reference to one, a
/// split or a reference to one, or the ID or name of an Actor.
///
/// ```
/// use apify_runs::{RunQuery, RunSource};
///
/// assert_eq!(RunSource::from("janedoe/my-actor"), RunQuery::actor("janedoe/my-actor").into());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RunSource {
    pub(crate) query: RunQuery,
    /// Whether the walk begins with the runs that have no start, wherever they are listed. Set
    /// where a split has a bound that hides them.
    pub(crate) undated_first: bool,
    /// Whether it was made by [`Client::split`](crate::Client::split).
    pub(crate) from_split: bool,
}

impl RunSource {
    /// Whether this is a split.
    pub(crate) fn is_split(&self) -> bool {
        self.undated_first || self.from_split
    }

    /// Checks every setting.
    pub(crate) fn validate(&self) -> Result<(), InvalidSetting> {
        self.query.validate()
    }

    /// What a cursor remembers of it: all that decides which runs come, and in which order, in
    /// one spelling.
    pub(crate) fn identity(&self) -> Self {
        Self {
            query: self.query.identity(),
            undated_first: self.undated_first,
            from_split: false,
        }
    }

    /// What is different in another source, and how. Both are identities.
    pub(crate) fn differences(&self, now: &Self) -> Vec<String> {
        let mut differences = self.query.differences(&now.query);
        if self.undated_first != now.undated_first {
            let (theirs, ours) = (self.undated_first, now.undated_first);
            differences.push(format!("undated_first {theirs} (now {ours})"));
        }
        differences
    }
}

impl From<RunQuery> for RunSource {
    fn from(query: RunQuery) -> Self {
        Self {
            query,
            undated_first: false,
            from_split: false,
        }
    }
}

impl From<&RunQuery> for RunSource {
    fn from(query: &RunQuery) -> Self {
        query.clone().into()
    }
}

/// The runs of an Actor.
impl From<&str> for RunSource {
    fn from(actor: &str) -> Self {
        RunQuery::actor(actor).into()
    }
}

/// The runs of an Actor.
impl From<String> for RunSource {
    fn from(actor: String) -> Self {
        RunQuery::actor(actor).into()
    }
}
