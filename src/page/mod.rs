//! The body of a response as a page of rows.

pub(crate) mod decode;
pub(crate) mod fast;
pub(crate) mod lenient;
pub(crate) mod raw;

use chrono::{DateTime, Utc};

use crate::clocks::Clocks;
use crate::run::{Id, RunSummary};
use raw::RawRows;

/// One response of the list, as the service sent it.
///
/// What it says of the list is `None` if it is missing or makes no sense: the rows are good
/// without it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) total: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) limit: Option<u64>,
    pub(crate) desc: Option<bool>,
    /// The rows that could be read, in the order of the list.
    pub(crate) rows: Vec<RunSummary>,
    /// The rows that could not, by ascending index.
    pub(crate) unreadable: Vec<UnreadableRow>,
    /// What clocks showed when the page came, if it came over the network.
    pub(crate) clocks: Option<Clocks>,
    /// The rows as they were received, readable or not, if they were requested.
    pub(crate) raw_rows: Option<RawRows>,
}

/// One row of a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// What it is recognized by: its ID, or, if it has none that can be read, a hash.
    pub(crate) id: &'a Id,
    pub(crate) start: Option<DateTime<Utc>>,
    /// The row itself, if it could be read.
    pub(crate) run: Option<&'a RunSummary>,
}

/// A row that is valid JSON but not a run.
#[derive(Debug)]
pub(crate) struct UnreadableRow {
    /// Its place among all rows of the page, from 0.
    pub(crate) index: usize,
    pub(crate) id: Option<Id>,
    /// What the row is recognized by on another page: its ID, or else a hash of its text.
    pub(crate) key: Id,
    pub(crate) start: Option<DateTime<Utc>>,
    pub(crate) reason: String,
    /// The row as it was received.
    pub(crate) text: String,
}

fn entry(row: &RunSummary) -> Entry<'_> {
    Entry {
        id: &row.id,
        start: row.started_at,
        run: Some(row),
    }
}

impl UnreadableRow {
    fn entry(&self) -> Entry<'_> {
        Entry {
            id: &self.key,
            start: self.start,
            run: None,
        }
    }
}

impl Page {
    /// A page without rows.
    pub(crate) fn empty() -> Self {
        Self {
            total: None,
            offset: None,
            limit: None,
            desc: None,
            rows: Vec::new(),
            unreadable: Vec::new(),
            clocks: None,
            raw_rows: None,
        }
    }

    /// How many rows the service sent, readable or not.
    pub(crate) fn row_count(&self) -> usize {
        self.rows.len() + self.unreadable.len()
    }

    /// What each row is recognized by, and when it started, in the order of the list.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut rows = self.rows.iter();
        let mut unreadable = self.unreadable.iter().peekable();
        (0..self.row_count()).map_while(move |index| {
            match unreadable.next_if(|row| row.index == index) {
                Some(row) => Some(row.entry()),
                None => rows.next().map(entry),
            }
        })
    }

    /// The row at this index of the page.
    pub(crate) fn entry(&self, index: usize) -> Option<Entry<'_>> {
        let unreadable = &self.unreadable;
        let before = unreadable.partition_point(|row| row.index < index);
        match unreadable.get(before) {
            Some(row) if row.index == index => Some(row.entry()),
            _ => self.rows.get(index - before).map(entry),
        }
    }

    /// The rows in the order of the list, readable or not.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = Result<RunSummary, UnreadableRow>> {
        let count = self.row_count();
        let mut rows = self.rows.into_iter();
        let mut unreadable = self.unreadable.into_iter().peekable();
        (0..count).map_while(
            move |index| match unreadable.next_if(|row| row.index == index) {
                Some(row) => Some(Err(row)),
                None => rows.next().map(Ok),
            },
        )
    }

    /// What the last row is recognized by.
    pub(crate) fn last_key(&self) -> Option<&Id> {
        match self.unreadable.last() {
            Some(row) if row.index + 1 == self.row_count() => Some(&row.key),
            _ => self.rows.last().map(|row| &row.id),
        }
    }
}
