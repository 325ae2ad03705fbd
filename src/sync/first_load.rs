//! The first load of an empty table, without the key on its IDs.
//!
//! Building an index once over all rows is much faster than adding random IDs to it one by one. The
//! key is dropped before the first rows are stored, and added before the last ones. If the sync
//! breaks off in between, the next one adds the key before it begins.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::batch::SyncBatch;
use super::target::Committed;

/// Above this number of rows, the key is added before the list ends: each ID takes eight bytes of
/// memory.
const MAX_ROWS: usize = if cfg!(test) { 10 } else { 1 << 20 };

/// What is done to the key before the next rows are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyChange {
    None,
    /// If the table is empty, and this list is the only one.
    Drop,
    Add,
}

/// How far a first load is.
#[derive(Debug, Default, PartialEq)]
pub(super) enum FirstLoad {
    /// Nothing has been stored.
    Ahead,
    /// The table has no key, and these rows: sorted hashes of their IDs.
    Begun(Vec<u64>),
    #[default]
    Over,
}

impl FirstLoad {
    /// What may come after this commit.
    pub(super) fn new(committed: &Committed) -> Self {
        match committed.rows {
            0 => Self::Ahead,
            _ => Self::Over,
        }
    }

    /// What is done to the key before the rows of a batch are stored.
    ///
    /// Without a key, no run may be stored twice. Two IDs with the same hash are taken for one run.
    pub(super) fn before(&mut self, batch: &SyncBatch) -> KeyChange {
        let goes_on = batch.is_full() && !batch.is_complete();
        let mut ids = match std::mem::take(self) {
            Self::Begun(ids) => ids,
            Self::Ahead if goes_on => Vec::new(),
            Self::Ahead | Self::Over => return KeyChange::None,
        };
        let is_first = ids.is_empty();
        ids.reserve_exact(batch.runs().len());
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        ids.extend(batch.runs().iter().map(|run| hasher.hash_one(&run.id)));
        // The first part is sorted, which makes this a merge.
        ids.sort();
        let is_repeated = ids.windows(2).any(|pair| pair[0] == pair[1]);
        if !goes_on || is_repeated || ids.len() > MAX_ROWS {
            return KeyChange::Add;
        }
        *self = Self::Begun(ids);
        match is_first {
            true => KeyChange::Drop,
            false => KeyChange::None,
        }
    }

    /// What is done to the key after the last batch.
    pub(super) fn end(&mut self) -> KeyChange {
        match std::mem::take(self) {
            Self::Begun(_) => KeyChange::Add,
            Self::Ahead | Self::Over => KeyChange::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::PendingRows;
    use super::*;
    use crate::cursor::Cursor;

    fn batch(ids: impl IntoIterator<Item = u32>, max_rows: usize, is_complete: bool) -> SyncBatch {
        let run = |id: u32| {
            let row = serde_json::json!({"id": id.to_string()});
            serde_json::from_value(row).unwrap()
        };
        let rows: Vec<_> = ids.into_iter().map(run).collect();
        let mut pending = PendingRows::default();
        pending.add(rows.into_iter(), None);
        pending.take(Cursor::default(), max_rows, false, is_complete)
    }

    /// Full batches of different runs.
    fn begun() -> FirstLoad {
        let mut load = FirstLoad::new(&Committed::default());
        assert_eq!(load.before(&batch(1..=3, 3, false)), KeyChange::Drop);
        assert_eq!(load.before(&batch(4..=6, 3, false)), KeyChange::None);
        load
    }

    #[test]
    fn the_key_is_dropped_once_and_added_at_the_end() {
        let mut load = begun();
        assert_eq!(load.end(), KeyChange::Add);
        assert_eq!(load.end(), KeyChange::None);
        for last in [
            batch(7..=9, 3, true),
            batch(7..=8, 3, false),
            batch([], 3, true),
        ] {
            let mut load = begun();
            assert_eq!(load.before(&last), KeyChange::Add, "{last:?}");
            assert_eq!(load.before(&batch(10..=12, 3, false)), KeyChange::None);
            assert_eq!(load.end(), KeyChange::None);
        }
    }

    #[test]
    fn a_second_row_of_a_run_and_too_many_rows_need_the_key() {
        let mut load = begun();
        assert_eq!(load.before(&batch([7, 2, 8], 3, false)), KeyChange::Add);
        let mut load = begun();
        assert_eq!(load.before(&batch(7..=9, 3, false)), KeyChange::None);
        assert_eq!(load.before(&batch(10..=12, 3, false)), KeyChange::Add);
        assert_eq!(load, FirstLoad::Over);
    }

    #[test]
    fn a_short_list_and_one_that_has_rows_keep_the_key() {
        let full = batch(1..=3, 3, false);
        for first in [batch(1..=3, 3, true), batch(1..=3, 4, false)] {
            let mut load = FirstLoad::new(&Committed::default());
            assert_eq!(load.before(&first), KeyChange::None, "{first:?}");
            assert_eq!(load.before(&full), KeyChange::None);
        }
        let mut load = FirstLoad::new(&Committed::new(Cursor::default(), 1));
        assert_eq!(load.before(&full), KeyChange::None);
    }
}
