//! What an export is: which rows, written how.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::format::Format;
use crate::emit::Emit;
use crate::query::RunQuery;

/// What an export is. One that goes on must be the same as the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    pub(super) query: RunQuery,
    pub(super) emit: Emit,
    pub(super) format: Format,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) fields: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
}

impl Job {
    /// What is different in another job, and how.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |name: &str, theirs: &str, ours: &str| {
            if theirs != ours {
                let (theirs, ours) = (or_none(theirs), or_none(ours));
                differences.push(format!("{name} {theirs} (now {ours})"));
            }
        };
        compare("format", &self.format.to_string(), &now.format.to_string());
        compare("fields", &self.fields.join(","), &now.fields.join(","));
        compare("emit", name(self.emit), name(now.emit));
        let labels = self.labels.keys().chain(now.labels.keys());
        for label in labels.collect::<BTreeSet<_>>() {
            let of = |job: &Self| job.labels.get(label).cloned().unwrap_or_default();
            compare(label, &of(self), &of(now));
        }
        let (theirs, ours) = (self.query.identity(), now.query.identity());
        differences.extend(theirs.differences(&ours));
        differences
    }
}

/// The name of an emit rule, as it is stored.
pub(super) fn name(emit: Emit) -> &'static str {
    match emit {
        Emit::Snapshot => "snapshot",
        Emit::Finished => "finished",
        Emit::Changes => "changes",
    }
}

fn or_none(value: &str) -> &str {
    if value.is_empty() { "none" } else { value }
}
