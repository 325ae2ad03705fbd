//! The rows of a page from JSON, each built where it stays.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::summary::{RowVisitor, RunSummary};
use crate::limits::{MAX_PAGE_SIZE, MAX_ROWS};

/// The rows of a page, each built where it stays.
pub(crate) struct RowsInto(pub(crate) Vec<RunSummary>);

impl RowsInto {
    /// Room for a full page at once: rows that move while the list grows cost more than memory
    /// that is never touched.
    pub(crate) fn with_room() -> Self {
        Self(Vec::with_capacity(MAX_PAGE_SIZE as usize))
    }
}

impl<'de> Deserialize<'de> for RowsInto {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RowsVisitor)
    }
}

struct RowsVisitor;

impl<'de> Visitor<'de> for RowsVisitor {
    type Value = RowsInto;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of runs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RowsInto, A::Error> {
        let mut rows = RowsInto::with_room();
        while items.next_element_seed(NextRow(&mut rows.0))?.is_some() {
            if rows.0.len() > MAX_ROWS {
                return Err(de::Error::invalid_length(rows.0.len(), &self));
            }
        }
        Ok(rows)
    }
}

/// Reads one more row into the list. After an error, the last row is not complete.
struct NextRow<'a>(&'a mut Vec<RunSummary>);

impl<'de> DeserializeSeed<'de> for NextRow<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.push(RunSummary::blank());
        let Some(row) = self.0.last_mut() else {
            return Ok(());
        };
        deserializer.deserialize_map(RowVisitor(row))
    }
}
