//! How many rows there are.

/// What a file holds.
#[derive(Default)]
pub(super) struct Count {
    pub(super) rows: u64,
    /// Rows that are no run.
    pub(super) unreadable: u64,
}
