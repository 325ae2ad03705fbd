//! Changes that become due as time passes.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::clock::{Clock, later};

type ScheduledChange<T> = dyn FnOnce(&mut T) + Send;

/// Changes that are still to be applied, and the clock they wait for.
pub(super) struct Schedule<T> {
    clock: Clock,
    /// By the time they become due; those of the same time in the order they were added.
    changes: BTreeMap<(DateTime<Utc>, u64), Box<ScheduledChange<T>>>,
    added: u64,
    /// When the change became due that is being applied.
    applying: Option<DateTime<Utc>>,
}

impl<T> Schedule<T> {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            changes: BTreeMap::new(),
            added: 0,
            applying: None,
        }
    }

    /// The time of the clock. While a change is applied, the time it became due.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.applying.unwrap_or_else(|| self.clock.now())
    }

    /// Adds a change, and returns when it becomes due.
    pub(super) fn add(
        &mut self,
        delay: Duration,
        change: impl FnOnce(&mut T) + Send + 'static,
    ) -> DateTime<Utc> {
        let due = later(self.now(), delay);
        self.changes.insert((due, self.added), Box::new(change));
        self.added += 1;
        due
    }

    /// Removes the first change that is due, to be applied. `None` if all have been applied.
    pub(super) fn next_due(&mut self) -> Option<Box<ScheduledChange<T>>> {
        self.applying = None;
        let first = self.changes.first_entry()?;
        let (due, _) = *first.key();
        if due > self.clock.now() {
            return None;
        }
        self.applying = Some(due);
        Some(first.remove())
    }
}
