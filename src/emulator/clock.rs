//! The service's clock, and the changes that become due by it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::store::Store;

/// A wall clock that moves with tokio's, and so also on paused time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    shown_at_start: DateTime<Utc>,
    start: Instant,
}

impl Clock {
    /// A clock that shows this time now.
    pub(super) fn showing(time: DateTime<Utc>) -> Self {
        Self {
            shown_at_start: time,
            start: Instant::now(),
        }
    }

    pub(super) fn now(self) -> DateTime<Utc> {
        later(self.shown_at_start, self.elapsed())
    }

    pub(super) fn elapsed(self) -> Duration {
        self.start.elapsed()
    }
}

/// A time as HTTP headers have it, its fraction of a second cut off.
pub(super) fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

type Change = dyn FnOnce(&mut Store) + Send;

/// Changes of the list that are still to come, and the clock they wait for.
pub(super) struct Schedule {
    clock: Clock,
    /// By the time they become due; those of the same time in the order they were added.
    changes: BTreeMap<(DateTime<Utc>, u64), Box<Change>>,
    added: u64,
    /// When the change became due that is being applied.
    applying: Option<DateTime<Utc>>,
}

impl Schedule {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            changes: BTreeMap::new(),
            added: 0,
            applying: None,
        }
    }

    /// What the clock shows, to a change that is being applied: when it became due.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.applying.unwrap_or_else(|| self.clock.now())
    }

    /// Adds a change, and tells when it will be due.
    pub(super) fn add(&mut self, delay: Duration, change: Box<Change>) -> DateTime<Utc> {
        let due = later(self.now(), delay);
        self.changes.insert((due, self.added), change);
        self.added += 1;
        due
    }

    /// Takes the first change that is due, to be applied. With `None`, all of them were.
    pub(super) fn next_due(&mut self) -> Option<Box<Change>> {
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

/// The time after a delay; the last there is, if the delay leads beyond it.
fn later(time: DateTime<Utc>, delay: Duration) -> DateTime<Utc> {
    let delay = TimeDelta::from_std(delay).ok();
    delay
        .and_then(|delay| time.checked_add_signed(delay))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn start() -> DateTime<Utc> {
        crate::timestamp::parse("2025-03-01T00:00:00Z").unwrap()
    }

    fn store() -> Store {
        Store::given(&[], Clock::showing(start()))
    }

    fn ids(store: &Store) -> Vec<String> {
        let id = |place| store.run(place).unwrap()["id"].as_str().unwrap().into();
        (0..store.len()).map(id).collect()
    }

    #[test]
    fn dates_have_the_form_of_http() {
        let time = crate::timestamp::parse("1994-11-06T08:49:37.999Z").unwrap();
        assert_eq!(http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_moves_with_tokios() {
        let clock = Clock::showing(start());
        sleep(Duration::from_millis(90_500)).await;
        assert_eq!(clock.now(), start() + Duration::from_millis(90_500));
        assert_eq!(later(start(), Duration::MAX), DateTime::<Utc>::MAX_UTC);
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_applied_in_order_once_they_are_due() {
        let mut store = store();
        store.after(20 * SECOND, |store| store.insert(&json!({"id": "second"})));
        store.after(10 * SECOND, |store| {
            let now = crate::timestamp::to_query(store.now());
            store.insert(&json!({"id": now}));
            store.after(5 * SECOND, |store| store.delete(..));
        });
        assert!(!store.catch_up());
        sleep(10 * SECOND).await;
        assert!(store.catch_up());
        assert_eq!(ids(&store), ["2025-03-01T00:00:10.000Z"]);
        assert!(!store.catch_up());
        sleep(30 * SECOND).await;
        assert!(store.catch_up());
        assert_eq!(ids(&store), ["second"]);
        assert_eq!(store.now(), start() + 40 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_finds_the_clock_as_it_was_when_it_became_due() {
        let mut store = store();
        let due = start() + 10 * SECOND;
        store.after(10 * SECOND, |store| store.start_run("run"));
        sleep(60 * SECOND).await;
        store.catch_up();
        assert_eq!(store.started_at(0), Some(due));
    }
}
