//! Whether IDs come twice, in eight bytes for each.

use std::hash::{DefaultHasher, Hasher};

/// A number that two different IDs have in common once in 2⁶⁴ times.
pub(super) fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(id.as_bytes());
    hasher.finish()
}

/// How many different ones there are.
pub(super) fn distinct(mut ids: Vec<u64>) -> u64 {
    ids.sort_unstable();
    ids.dedup();
    ids.len() as u64
}
