//! How many requests may be repeated, over all pages of a client.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::turn::Turn;

/// Retries that a good response pays for.
const PER_RESPONSE: f64 = 0.25;
/// Retries that each second pays for.
const PER_SECOND: f64 = 5.0;
/// Retries that are saved up at most, and at first.
const MAX_SAVED: f64 = 20.0;

/// Keeps the pages in flight from repeating their requests all at once while the service is down.
///
/// Good responses and time pay for retries, as in
/// [Finagle](https://twitter.github.io/finagle/guide/Clients.html#retries). A retry that is
/// not paid for waits. Whether a page gives up is left to its policy.
pub(crate) struct RetryBudget {
    turn: Turn,
    balance: Mutex<Balance>,
}

/// The retries that are paid for.
#[derive(Debug)]
struct Balance {
    retries: f64,
    at: Option<Instant>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        let balance = Balance {
            retries: MAX_SAVED,
            at: None,
        };
        Self {
            turn: Turn::default(),
            balance: Mutex::new(balance),
        }
    }
}

impl RetryBudget {
    /// A good response has come.
    pub(crate) fn deposit(&self) {
        self.with_balance(|balance| balance.add(PER_RESPONSE));
    }

    /// Waits until a retry is paid for.
    ///
    /// Cancel-safe: who gives up while waiting takes nothing from the others.
    pub(crate) async fn withdraw(&self) {
        let withdraw = |now| self.with_balance(|balance| balance.withdraw(now));
        self.turn.wait(withdraw).await;
    }

    fn with_balance<T>(&self, f: impl FnOnce(&mut Balance) -> T) -> T {
        f(&mut self.balance.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Balance {
    fn add(&mut self, retries: f64) {
        self.retries = (self.retries + retries).min(MAX_SAVED);
    }

    /// Pays for a retry, or says when there will be enough for one.
    fn withdraw(&mut self, now: Instant) -> Result<(), Instant> {
        let since = self.at.replace(now).map_or(Duration::ZERO, |at| now - at);
        self.add(since.as_secs_f64() * PER_SECOND);
        if self.retries >= 1.0 {
            self.retries -= 1.0;
            return Ok(());
        }
        // A millisecond more, so that no rounding leaves the retry short of its price.
        let missing = (1.0 - self.retries) / PER_SECOND;
        Err(now + Duration::from_secs_f64(missing) + Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many retries are paid for at this moment.
    fn paid(balance: &mut Balance, now: Instant) -> usize {
        std::iter::from_fn(|| balance.withdraw(now).ok()).count()
    }

    #[test]
    fn time_and_good_responses_pay_for_retries() {
        let RetryBudget { balance, .. } = RetryBudget::default();
        let mut balance = balance.into_inner().unwrap();
        let start = Instant::now();
        assert_eq!(paid(&mut balance, start), 20, "a few fail at any time");
        assert_eq!(paid(&mut balance, start + SECOND), 5);
        for _ in 0..40 {
            balance.add(PER_RESPONSE);
        }
        assert_eq!(paid(&mut balance, start + SECOND), 10);
        assert_eq!(paid(&mut balance, start + 1000 * SECOND), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn retries_wait_until_they_are_paid_for() {
        let budget = RetryBudget::default();
        let start = Instant::now();
        for _ in 0..20 {
            budget.withdraw().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..50 {
            budget.withdraw().await;
        }
        let elapsed = start.elapsed();
        assert!((10 * SECOND..11 * SECOND).contains(&elapsed), "{elapsed:?}");
    }
}
