//! The cursor of a stream, which moves with each item.

use std::cell::OnceCell;

use chrono::{DateTime, Utc};

use super::{Cursor, CursorUpdate, Retention};

/// A cursor, and the updates of the next items.
///
/// Rows are counted as they are handed out, and the cursor is moved over them only when it
/// is read, or at the end of a page: few programs read it after each row.
pub(crate) struct CursorTracker {
    retention: Retention,
    cursor: Cursor,
    updates: Vec<CursorUpdate>,
    /// How many of the updates the cursor has applied.
    applied: usize,
    /// How many items have been handed out, counted as the cursor counts them.
    rows: u64,
    /// The cursor after those items, and how many updates it has applied then.
    moved: OnceCell<(Cursor, usize)>,
}

impl CursorTracker {
    pub(crate) fn new(cursor: Cursor, retention: Retention) -> Self {
        Self {
            retention,
            rows: cursor.rows(),
            cursor,
            updates: Vec::new(),
            applied: 0,
            moved: OnceCell::new(),
        }
    }

    /// Which runs the cursor remembers.
    #[cfg(feature = "export")]
    pub(crate) fn retention(&self) -> Retention {
        self.retention
    }

    /// Adds the updates of the next items.
    pub(crate) fn extend(&mut self, updates: Vec<CursorUpdate>) {
        self.finish();
        self.updates = updates;
    }

    /// The start of the latest run that the walk has reached, including rows that are not handed
    /// out yet.
    pub(crate) fn newest(&self) -> Option<DateTime<Utc>> {
        let direction = self.retention.direction;
        let starts = self.updates.iter().filter_map(|update| update.start);
        starts
            .chain(self.cursor.watermark())
            .reduce(|one, other| direction.later(one, other))
    }

    /// How many items have been handed out, over all walks that led here.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// One of the items has been handed out.
    #[inline]
    pub(crate) fn hand_out(&mut self) {
        if self.moved.get().is_some() {
            self.settle();
        }
        self.rows += 1;
    }

    /// Applies all updates: every item has been handed out. Returns those that this call applied.
    pub(crate) fn finish(&mut self) -> Vec<CursorUpdate> {
        self.moved.take();
        self.cursor
            .advance(&self.updates[self.applied..], &self.retention);
        self.rows = self.cursor.rows();
        self.updates.drain(..std::mem::take(&mut self.applied));
        std::mem::take(&mut self.updates)
    }

    /// The cursor after exactly the items that have been handed out.
    pub(crate) fn cursor(&self) -> &Cursor {
        let items = self.rows - self.cursor.rows();
        let Some(before_last) = items.checked_sub(1) else {
            return &self.cursor;
        };
        let (cursor, _) = self.moved.get_or_init(|| {
            let updates = self.updates.iter().enumerate().skip(self.applied);
            let mut items = updates.filter(|(_, update)| update.hand_out);
            let last = items.nth(before_last as usize);
            let applied = last.map_or(self.updates.len(), |(index, _)| index + 1);
            let mut cursor = self.cursor.clone();
            cursor.advance(&self.updates[self.applied..applied], &self.retention);
            (cursor, applied)
        });
        cursor
    }

    /// Takes the requested cursor as the current one.
    #[cold]
    fn settle(&mut self) {
        if let Some((cursor, applied)) = self.moved.take() {
            self.cursor = cursor;
            self.applied = applied;
        }
    }
}
