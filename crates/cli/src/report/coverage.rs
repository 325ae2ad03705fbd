//! What a report covers.

use std::collections::HashMap;

use apify_runs::{Actor, Id};
use chrono::{DateTime, Utc};

/// The source of the runs of a report, and what is missing in it.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    /// Without a password.
    pub(crate) source: String,
    pub(crate) lists: Vec<CoveredList>,
    pub(crate) names: HashMap<Id, Actor>,
    /// Why runs are missing, or may be, one message each.
    pub(crate) problems: Vec<String>,
    /// Fields that no row has.
    pub(crate) missing_fields: Vec<&'static str>,
}

/// A list of runs.
#[derive(Debug)]
pub(crate) struct CoveredList {
    /// Its query in words.
    pub(crate) query: String,
    /// The number of its runs.
    pub(crate) rows: u64,
    /// When it was read to its end last.
    pub(crate) synced_at: Option<DateTime<Utc>>,
}

impl Coverage {
    /// What an Actor is called: `username/name` or its title.
    pub(crate) fn name(&self, id: &str) -> Option<String> {
        let actor = self.names.get(id)?;
        match (&actor.username, &actor.name, &actor.title) {
            (Some(username), Some(name), _) => Some(format!("{username}/{name}")),
            (None, Some(name), _) => Some(name.clone()),
            (_, None, title) => title.clone(),
        }
    }

    /// When the list that was synced first was synced: all others are as new.
    pub(crate) fn synced_at(&self) -> Option<DateTime<Utc>> {
        let times = self.lists.iter().map(|list| list.synced_at);
        times.collect::<Option<Vec<_>>>()?.into_iter().min()
    }

    /// Whether no run is known to be missing.
    pub(crate) fn is_complete(&self) -> bool {
        self.problems.is_empty()
    }
}
