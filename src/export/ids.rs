//! Finds duplicate IDs with eight bytes for each.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher};

use serde::Deserialize;

/// A number that two different IDs have in common once in 2⁶⁴ times.
pub(super) fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(id.as_bytes());
    hasher.finish()
}

/// The same for a row that cannot be read: of its ID, or of all of it if it has none.
pub(super) fn of_unreadable(row: &str) -> u64 {
    #[derive(Deserialize)]
    struct Identified<'a> {
        #[serde(borrow)]
        id: Cow<'a, str>,
    }
    serde_json::from_str::<Identified<'_>>(row).map_or_else(|_| hash(row), |row| hash(&row.id))
}

/// How many different ones there are.
pub(super) fn distinct(mut ids: Vec<u64>) -> u64 {
    ids.sort_unstable();
    ids.dedup();
    ids.len() as u64
}
