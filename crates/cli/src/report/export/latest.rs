//! Runs of which several rows may come.

use std::collections::HashMap;

use apify_runs::Id;

use crate::report::row::ReportRow;

/// The last row of each run, in the order in which runs came first.
#[derive(Default)]
pub(super) struct Latest {
    rows: Vec<ReportRow>,
    places: HashMap<Id, usize>,
}

impl Latest {
    pub(super) fn add(&mut self, row: ReportRow) {
        let place = self.places.get(&row.id).copied();
        match place.and_then(|place| self.rows.get_mut(place)) {
            Some(before) => *before = row,
            None => {
                self.places.insert(row.id.clone(), self.rows.len());
                self.rows.push(row);
            }
        }
    }

    pub(super) fn into_rows(self) -> impl Iterator<Item = ReportRow> {
        self.rows.into_iter()
    }
}
