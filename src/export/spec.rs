//! What an export is: which rows, written how.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::format::Format;
use crate::emit::Emit;
use crate::query::RunSource;

/// What an export is. An export that resumes must have the same specification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportSpec {
    #[serde(rename = "query")]
    pub(super) source: RunSource,
    pub(super) emit: Emit,
    pub(super) format: Format,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) fields: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
}

impl ExportSpec {
    /// What is different in another export, and how.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |name: &str, theirs: &str, ours: &str| {
            if theirs != ours {
                let (theirs, ours) = (or_none(theirs), or_none(ours));
                differences.push(format!("{name} {theirs} (now {ours})"));
            }
        };
        compare("format", &self.format.to_string(), &now.format.to_string());
        compare("emit", emit_name(self.emit), emit_name(now.emit));
        let labels = self.labels.keys().chain(now.labels.keys());
        for label in labels.collect::<BTreeSet<_>>() {
            let of = |spec: &Self| spec.labels.get(label).cloned().unwrap_or_default();
            compare(label, &of(self), &of(now));
        }
        // Names may have commas in them.
        if self.fields != now.fields {
            let (theirs, ours) = (self.fields.join(", "), now.fields.join(", "));
            let (theirs, ours) = (or_none(&theirs), or_none(&ours));
            differences.push(format!("fields {theirs} (now {ours})"));
        }
        let (theirs, ours) = (self.source.identity(), now.source.identity());
        differences.extend(theirs.differences(&ours));
        differences
    }
}

/// The name of an emit rule, as it is stored.
pub(super) fn emit_name(emit: Emit) -> &'static str {
    match emit {
        Emit::Snapshot => "snapshot",
        Emit::Finished => "finished",
        Emit::Changes => "changes",
    }
}

fn or_none(value: &str) -> &str {
    if value.is_empty() { "none" } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_with_a_comma_is_not_two_fields() {
        let with = |fields: &[&str]| ExportSpec {
            source: RunSource::from("a"),
            emit: Emit::Snapshot,
            format: Format::default(),
            fields: fields.iter().copied().map(String::from).collect(),
            labels: BTreeMap::new(),
        };
        let one = with(&["a,b"]);
        assert_eq!(
            one.differences(&with(&["a", "b"])),
            ["fields a,b (now a, b)"]
        );
        assert!(one.differences(&one).is_empty());
    }
}
