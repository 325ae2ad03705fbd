//! Memory that is used again.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most that is kept of the memory of one list. Pages are smaller, but for odd ones.
pub(crate) const KEPT_BYTES: usize = 1 << 20;

/// Lists that have been used and whose memory serves for the next ones: fresh memory for half
/// a megabyte costs as much as copying it.
pub(crate) struct Pool<T>(Mutex<Vec<Vec<T>>>);

impl<T> Pool<T> {
    /// An empty list, with memory if there is some.
    pub(crate) fn take(&self) -> Vec<T> {
        self.lists().pop().unwrap_or_default()
    }

    /// Keeps the memory of a list.
    pub(crate) fn keep(&self, mut list: Vec<T>) {
        list.clear();
        list.shrink_to(KEPT_BYTES / size_of::<T>());
        if list.capacity() > 0 {
            self.lists().push(list);
        }
    }

    fn lists(&self) -> MutexGuard<'_, Vec<Vec<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
