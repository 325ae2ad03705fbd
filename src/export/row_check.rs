//! Checks the rows of an output when it is verified.

use std::io::{self, Read, Take};

use super::ids;
use super::verification::Verification;
use crate::emit::Emit;

/// How many problems with rows are listed.
const MAX_PROBLEMS: usize = 10;

/// Counts rows, and finds those that come twice.
pub(super) struct RowCheck {
    emit: Emit,
    count: u64,
    ids: Vec<u64>,
    /// What no two rows may have in common, if that is not the ID.
    keys: Vec<u64>,
    problems: Vec<String>,
}

impl RowCheck {
    pub(super) fn new(emit: Emit) -> Self {
        Self {
            emit,
            count: 0,
            ids: Vec::new(),
            keys: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// How many rows there were so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// One more row.
    pub(super) fn row(&mut self, id: Option<&str>, finished_at: Option<&str>) {
        self.count += 1;
        let Some(id) = id else { return };
        self.ids.push(ids::hash(id));
        if self.emit == Emit::Finished
            && let Some(finished_at) = finished_at
        {
            self.keys.push(ids::hash(&format!("{id} {finished_at}")));
        }
    }

    /// Something is wrong with a row. What is wrong with many is said of the first ones.
    pub(super) fn problem(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// What was found, compared with the number of rows that there should be. `problems` are
    /// others than those of rows.
    pub(super) fn finish(
        mut self,
        expected: u64,
        bytes: u64,
        parts: u64,
        mut problems: Vec<String>,
    ) -> Verification {
        problems.append(&mut self.problems);
        if self.count != expected {
            let count = self.count;
            problems.push(format!(
                "it has {count} rows, and its checkpoint says {expected}"
            ));
        }
        let repeated = |numbers: usize, distinct: u64| numbers as u64 - distinct;
        let (ids, keys) = (self.ids.len(), self.keys.len());
        let distinct_ids = ids::distinct(self.ids);
        let repeated = match self.emit {
            Emit::Snapshot => repeated(ids, distinct_ids),
            Emit::Finished => repeated(keys, ids::distinct(self.keys)),
            Emit::Changes => 0,
        };
        if repeated > 0 {
            problems.push(format!(
                "{repeated} rows have an ID that another row has too"
            ));
        }
        let has_ids = ids > 0 || self.count == 0;
        Verification {
            rows: self.count,
            distinct_ids: has_ids.then_some(distinct_ids),
            bytes,
            parts,
            uncommitted_bytes: 0,
            problems,
        }
    }
}

/// Lets a reader continue with the next row, which may be as long as any. What is compressed in a
/// few bytes may have a row without end.
pub(super) fn next_row<R: Read>(reader: &mut Take<R>, longest: u64) -> io::Result<()> {
    if reader.limit() == 0 {
        let message = format!("a row has more than {longest} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    reader.set_limit(longest);
    Ok(())
}
