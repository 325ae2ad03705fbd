//! Which fields the runs of a report have.

use std::path::Path;

use super::row::ReportRow;
use crate::exit::{Exit, Failure};

/// A field, and whether a run has it.
type Field = (&'static str, fn(&ReportRow) -> bool);

/// The fields that every report needs.
const NEEDED: [Field; 3] = [
    ("id", |row| !row.id.is_empty()),
    ("startedAt", |row| row.started_at.is_some()),
    ("status", |row| !row.status.as_str().is_empty()),
];
/// Without these, some figures are unknown.
const OTHERS: [Field; 5] = [
    ("actId", |row| row.actor.is_some()),
    ("actorTaskId", |row| row.task.is_some()),
    ("finishedAt", |row| row.finished_at.is_some()),
    ("meta.origin", |row| row.origin.is_some()),
    ("usageTotalUsd", |row| row.cost.is_some()),
];

/// The fields that any run has.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    has_runs: bool,
    needed: [bool; 3],
    others: [bool; 5],
}

impl Fields {
    pub(crate) fn note(&mut self, row: &ReportRow) {
        self.has_runs = true;
        for (found, (_, has)) in self.needed.iter_mut().zip(NEEDED) {
            *found = *found || has(row);
        }
        for (found, (_, has)) in self.others.iter_mut().zip(OTHERS) {
            *found = *found || has(row);
        }
    }

    /// Fails if there are runs, and none has a field that is needed.
    pub(crate) fn check(&self, path: &Path) -> Result<(), Failure> {
        let needed = NEEDED.iter().zip(self.needed);
        let mut missing = needed.filter(|(_, found)| self.has_runs && !found);
        let Some(((name, _), _)) = missing.next() else {
            return Ok(());
        };
        let message = format!(
            "{} has no field {name}, which a report needs: export without --fields, or with \
             --fields id,startedAt,status and more",
            path.display()
        );
        Err(Failure::new(Exit::Failed, message))
    }

    /// The other fields that no run has, if there are runs.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let others = OTHERS.iter().zip(self.others);
        let missing = others.filter(|(_, found)| self.has_runs && !found);
        missing.map(|((name, _), _)| *name).collect()
    }
}
