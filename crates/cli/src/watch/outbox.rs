//! The alerts that wait for the sinks, and the state they are stored with.

use std::sync::{Mutex, MutexGuard, PoisonError};

use apify_runs::Cursor;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::alert::{Alert, Content};
use super::digest::Digest;
use super::state::{ListState, Queue, State};
use crate::exit::{Exit, Failure};
use crate::metrics::Metrics;

/// How many alerts may wait for a sink before reading pauses.
const CAPACITY: usize = 10_000;
/// How long a run with an alert of `--max-running` is remembered after it was last seen.
const RUNNING_MEMORY: TimeDelta = TimeDelta::hours(1);

/// The state of a watch, in memory.
///
/// An alert and the cursor after its row are added together, and are stored together. So each alert
/// before a stored cursor is stored too, or has been delivered.
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// The sinks of this start.
    sinks: Vec<&'static str>,
    /// Whether alerts are counted for a summary.
    is_summary: bool,
    metrics: Metrics,
    /// Counts the changes.
    revision: watch::Sender<u64>,
}

impl Outbox {
    pub(crate) fn new(
        mut state: State,
        sinks: Vec<&'static str>,
        is_summary: bool,
        metrics: Metrics,
    ) -> Self {
        for sink in &sinks {
            let queue = state.queues.entry((*sink).to_owned()).or_default();
            queue.try_refused_again();
        }
        let pending = match is_summary {
            true => {
                state.digest.get_or_insert_with(|| Digest::new(Utc::now()));
                None
            }
            // An earlier start counted these alerts for a summary, which is sent now.
            false => state.digest.take().filter(|digest| digest.total > 0),
        };
        let outbox = Self {
            state: Mutex::new(state),
            sinks,
            is_summary,
            metrics,
            revision: watch::Sender::new(0),
        };
        outbox.change(|state, sinks| {
            if let Some(mut digest) = pending {
                digest.to = Utc::now();
                send(state, sinks, Alert::summary(digest));
            }
        });
        outbox
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State, &[&'static str]) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state, &self.sinks);
        for sink in &self.sinks {
            let waiting = state.queues.get(*sink).map_or(0, Queue::len);
            let waiting = waiting as u64;
            self.metrics
                .count_alerts(sink, |counts| counts.waiting = waiting);
        }
        drop(state);
        self.revision.send_modify(|revision| *revision += 1);
        result
    }

    /// Notifies of changes from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Reads the state of a list. `None` if the list is not in the state.
    pub(crate) fn list<T>(&self, name: &str, read: impl FnOnce(&ListState) -> T) -> Option<T> {
        self.state().lists.get(name).map(read)
    }

    /// Adds the alerts of rows of a list, and the cursor after these rows.
    pub(crate) fn advance(&self, name: &str, alerts: Vec<Alert>, cursor: &Cursor) {
        let is_known = self.list(name, |list| list.cursor == *cursor);
        if alerts.is_empty() && is_known == Some(true) {
            return;
        }
        self.change(|state, sinks| {
            if let Some(list) = state.lists.get_mut(name) {
                list.cursor = cursor.clone();
            }
            for alert in alerts {
                self.add(state, sinks, alert);
            }
        });
    }

    /// Adds alerts for unfinished runs of a list, unless a run has one already.
    pub(crate) fn running(&self, name: &str, alerts: Vec<(String, Alert)>, now: DateTime<Utc>) {
        if alerts.is_empty() && self.list(name, |list| list.running.is_empty()) == Some(true) {
            return;
        }
        self.change(|state, sinks| {
            for (run, alert) in alerts {
                let Some(list) = state.lists.get_mut(name) else {
                    return;
                };
                if list.running.insert(run, now).is_none() {
                    self.add(state, sinks, alert);
                }
            }
            if let Some(list) = state.lists.get_mut(name) {
                list.running.retain(|_, seen| now - *seen < RUNNING_MEMORY);
            }
        });
    }

    fn add(&self, state: &mut State, sinks: &[&'static str], alert: Alert) {
        match (alert.content, &mut state.digest) {
            (Content::Ended(facts) | Content::Running(facts), Some(digest)) if self.is_summary => {
                digest.add(facts);
            }
            (content, _) => send(state, sinks, Alert { content, ..alert }),
        }
    }

    /// Sends the summary if it is due, and returns when the next one is.
    pub(crate) fn summarize(&self, every: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
        let due = |from: DateTime<Utc>| from.checked_add_signed(every).unwrap_or(now + every);
        let from = self
            .state()
            .digest
            .as_ref()
            .map_or(now, |digest| digest.from);
        if due(from) > now {
            return due(from);
        }
        self.change(|state, sinks| {
            let digest = state.digest.replace(Digest::new(now));
            if let Some(mut digest) = digest.filter(|digest| digest.total > 0) {
                digest.to = now;
                send(state, sinks, Alert::summary(digest));
            }
        });
        due(now)
    }

    /// The alert that a sink has to deliver next.
    pub(crate) fn front(&self, sink: &str) -> Option<Alert> {
        self.state().queues.get(sink)?.waiting.front().cloned()
    }

    /// An attempt to deliver the alert in front has failed.
    pub(crate) fn failed(&self, sink: &'static str) {
        self.metrics
            .count_alerts(sink, |counts| counts.failures += 1);
    }

    /// The alert in front is delivered.
    pub(crate) fn delivered(&self, sink: &'static str) {
        self.metrics
            .count_alerts(sink, |counts| counts.delivered += 1);
        self.change(|state, _| {
            if let Some(queue) = state.queues.get_mut(sink) {
                queue.waiting.pop_front();
            }
        });
    }

    /// The alert in front is refused: those after it are delivered first.
    pub(crate) fn refused(&self, sink: &str) {
        self.change(|state, _| {
            if let Some(queue) = state.queues.get_mut(sink) {
                let refused = queue.waiting.pop_front();
                queue.refused.extend(refused);
            }
        });
    }

    pub(crate) fn try_refused_again(&self, sink: &str) {
        self.change(|state, _| {
            if let Some(queue) = state.queues.get_mut(sink) {
                queue.try_refused_again();
            }
        });
    }

    /// How many alerts are not delivered to a sink.
    pub(crate) fn len(&self, sink: &str) -> usize {
        self.state().queues.get(sink).map_or(0, |queue| queue.len())
    }

    /// How many alerts are kept for the next summary.
    pub(crate) fn summed(&self) -> u64 {
        let state = self.state();
        state.digest.as_ref().map_or(0, |digest| digest.total)
    }

    /// The sinks of earlier starts that alerts wait for, and how many.
    pub(crate) fn left_over(&self) -> Vec<(String, usize)> {
        let state = self.state();
        let others = state.queues.iter();
        let others = others
            .filter(|(sink, queue)| queue.len() > 0 && !self.sinks.iter().any(|now| now == sink));
        others
            .map(|(sink, queue)| (sink.clone(), queue.len()))
            .collect()
    }

    fn is_full(&self) -> bool {
        self.sinks.iter().any(|sink| self.len(sink) >= CAPACITY)
    }

    /// Waits until no sink has too many alerts to deliver. `wait` is called if one has.
    pub(crate) async fn room(&self, wait: impl FnOnce()) {
        let mut changes = self.changes();
        if self.is_full() {
            wait();
        }
        // It never closes: this is the sender.
        let _ = changes.wait_for(|_| !self.is_full()).await;
    }

    /// The state as it is stored.
    pub(crate) fn stored(&self) -> Result<Vec<u8>, Failure> {
        serde_json::to_vec(&*self.state())
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))
    }
}

fn send(state: &mut State, sinks: &[&'static str], alert: Alert) {
    for sink in sinks {
        let queue = state.queues.entry((*sink).to_owned()).or_default();
        queue.waiting.push_back(alert.clone());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn alert(number: usize) -> Alert {
        let row = format!(r#"{{"id": "run{number}", "status": "FAILED"}}"#);
        Alert::ended(&serde_json::from_str(&row).unwrap())
    }

    #[test]
    fn no_more_is_read_while_a_sink_has_too_much_to_deliver() {
        let sinks = vec!["stdout", "webhook"];
        let outbox = Outbox::new(State::default(), sinks, false, Metrics::default());
        let alerts = (0..CAPACITY).map(alert).collect();
        outbox.advance("account", alerts, &Cursor::default());
        for _ in 0..CAPACITY {
            outbox.delivered("stdout");
        }
        let mut waits = false;
        assert!(outbox.room(|| waits = true).now_or_never().is_none());
        assert!(waits);
        // What is refused is still to be delivered.
        outbox.refused("webhook");
        assert!(outbox.room(|| {}).now_or_never().is_none());
        outbox.delivered("webhook");
        assert!(outbox.room(|| {}).now_or_never().is_some());
    }

    #[test]
    fn refused_alerts_do_not_delay_alerts_that_were_not_tried() {
        let outbox = Outbox::new(State::default(), vec!["exec"], false, Metrics::default());
        let alerts = (0..3).map(alert).collect();
        outbox.advance("account", alerts, &Cursor::default());
        outbox.refused("exec");
        outbox.delivered("exec");
        outbox.try_refused_again("exec");
        assert_eq!(outbox.front("exec"), Some(alert(2)));
        outbox.delivered("exec");
        assert_eq!(outbox.front("exec"), Some(alert(0)));
        assert_eq!(outbox.len("exec"), 1);
    }

    #[test]
    fn a_summary_with_more_runs_is_another_alert() {
        let begun = Utc::now();
        let id = |count: usize, now: DateTime<Utc>| {
            let mut state = State::default();
            state.digest = Some(Digest::new(begun));
            let outbox = Outbox::new(state, vec!["exec"], true, Metrics::default());
            let alerts = (0..count).map(alert).collect();
            outbox.advance("account", alerts, &Cursor::default());
            outbox.summarize(TimeDelta::hours(1), now);
            outbox.front("exec").unwrap().id
        };
        // The program was killed after it sent the first one, before it stored that.
        let (now, later) = (begun + TimeDelta::hours(1), begun + TimeDelta::hours(2));
        assert_ne!(id(1, now), id(2, later));
    }
}
