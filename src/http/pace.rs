//! When requests are sent.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;

use super::averages::{PagesInFlight, ResponseAverages};
use super::rate::Rate;
use super::turn::Turn;

/// A second as the pace counts it. Requests overtake each other on the way, so that as many as
/// the service allows in one second may arrive in a little less.
const SECOND: f64 = 1.02;
/// A request that is sent late by up to this much does not delay the next one.
const TOLERANCE: Duration = Duration::from_millis(10);
/// A request uses the rate if it is sent within this number of intervals after the one before.
const USED: u32 = 4;

/// Lets requests through one after the other, in the order they came.
pub(crate) struct Pacer {
    turn: Turn,
    pace: Mutex<Pace>,
}

/// What decides when the next request may be sent, and how many.
struct Pace {
    rate: Rate,
    /// No request before this time, by the rate.
    next_at: Option<Instant>,
    last_sent: Option<Instant>,
    /// No request before this time.
    paused_until: Option<Instant>,
    averages: ResponseAverages,
}

/// The permission to send one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permit {
    sent_at: Instant,
    /// Whether another was sent so shortly before it that the rate matters.
    uses_rate: bool,
}

/// What a response says of the pace.
pub(crate) struct PaceReport {
    pub(crate) status: StatusCode,
    /// How many requests a second the service allows, if it announces that.
    pub(crate) rate_limit: Option<f64>,
    /// From sending the request to the end of the body.
    pub(crate) latency: Duration,
    pub(crate) body_bytes: usize,
}

impl Pacer {
    /// Lets up to `rate` requests a second through.
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            turn: Turn::default(),
            pace: Mutex::new(Pace::new(rate)),
        }
    }

    /// Waits until a request may be sent.
    ///
    /// Cancel-safe: who gives up while waiting takes nothing from the others.
    pub(crate) async fn permit(&self) -> Permit {
        self.turn.wait(|now| self.pace().admit(now)).await
    }

    /// Takes over what the response to a request says of the pace.
    pub(crate) fn on_response(&self, permit: Permit, report: &PaceReport) {
        self.pace().take(permit, report, Instant::now());
    }

    /// Lets no request through for this long.
    pub(crate) fn pause(&self, delay: Duration) {
        let until = Instant::now() + delay;
        let mut pace = self.pace();
        pace.paused_until = pace.paused_until.max(Some(until));
    }

    /// Requests a second that are let through at most. `None` if nothing limits them.
    pub(crate) fn max_rate(&self) -> Option<f64> {
        Some(self.pace().rate.per_second()).filter(|rate| rate.is_finite())
    }

    /// How many pages a walk of the list keeps in flight, whose bodies take `max_bytes` at most.
    pub(crate) fn pages_in_flight(&self, max_bytes: usize) -> PagesInFlight {
        let pace = self.pace();
        pace.averages
            .pages_in_flight(pace.rate.per_second(), max_bytes)
    }

    /// Whether no earlier request delays the next.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.pace().is_idle(now)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    fn new(rate: Rate) -> Self {
        Self {
            rate,
            next_at: None,
            last_sent: None,
            paused_until: None,
            averages: ResponseAverages::default(),
        }
    }

    /// Sends a request now, or says when one may be sent.
    ///
    /// Requests are sent evenly, so that any second has at most as many as the rate, rounded up. If
    /// readers of one list sent theirs in bursts, it would be the last burst of a second that is
    /// refused, and not the reader with most requests.
    fn admit(&mut self, now: Instant) -> Result<Permit, Instant> {
        let next_at = self.paused_until.max(self.next_at);
        if let Some(time) = next_at.filter(|time| now < *time) {
            return Err(time);
        }
        let interval = Duration::from_secs_f64(SECOND / self.rate.per_second());
        let due = next_at.max(now.checked_sub(TOLERANCE)).unwrap_or(now);
        self.next_at = Some(due + interval);
        let last = self.last_sent.replace(now);
        Ok(Permit {
            sent_at: now,
            uses_rate: last.is_some_and(|last| now <= last + interval * USED),
        })
    }

    fn take(&mut self, permit: Permit, report: &PaceReport, now: Instant) {
        if let Some(rate) = report.rate_limit {
            self.rate.announce(rate);
        }
        if report.status == StatusCode::TOO_MANY_REQUESTS {
            self.rate.on_refusal(permit.sent_at, now);
        } else if report.status.is_success() {
            self.averages.add(report.latency, report.body_bytes);
            self.rate.on_good_response(permit.uses_rate, now);
        }
    }

    fn is_idle(&self, now: Instant) -> bool {
        let next_at = self.paused_until.max(self.next_at);
        next_at.is_none_or(|time| time <= now)
    }
}

#[cfg(test)]
mod tests;
