//! How fast a client sends its requests: all clones of it together.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};

/// A second as the pace counts it. Requests overtake each other on the way, so that as many as
/// the service allows in one second may arrive in a little less.
const SECOND: f64 = 1.02;

/// Lets requests through one after the other, in the order they came.
pub(crate) struct Pacer {
    /// Held by the request that is next.
    turn: Semaphore,
    pace: Mutex<Pace>,
    /// A request has been answered.
    answered: Notify,
}

/// What decides when the next request may be sent.
struct Pace {
    /// Requests a second, by the client's settings.
    own_rate: f64,
    /// Requests a second, by the service's last word.
    told_rate: f64,
    /// When the latest requests were sent.
    sent: VecDeque<Instant>,
    /// No request before this time.
    paused_until: Option<Instant>,
    in_flight: usize,
    /// How many requests may be in flight.
    room: usize,
    /// Good answers since the room last changed.
    good_answers: usize,
    /// When the room was last halved.
    halved_at: Option<Instant>,
}

/// When the next request may be sent.
#[derive(Debug, PartialEq)]
enum Turn {
    Now,
    At(Instant),
    /// When one that is in flight has been answered.
    AfterAnswer,
}

/// A request that may be sent. Dropped when it has been answered, or was given up.
pub(crate) struct Permit<'a> {
    pacer: &'a Pacer,
    sent_at: Instant,
}

impl Pacer {
    pub(crate) fn new(rate: f64) -> Self {
        Self {
            turn: Semaphore::new(1),
            pace: Mutex::new(Pace::new(rate)),
            answered: Notify::new(),
        }
    }

    /// Waits until a request may be sent.
    ///
    /// Cancel-safe: who gives up while waiting takes nothing from the others.
    pub(crate) async fn permit(&self) -> Permit<'_> {
        // The semaphore is never closed.
        let _turn = self.turn.acquire().await;
        loop {
            let sent_at = Instant::now();
            let turn = self.pace().turn(sent_at);
            match turn {
                Turn::Now => {
                    return Permit {
                        pacer: self,
                        sent_at,
                    };
                }
                Turn::At(time) => sleep_until(time).await,
                Turn::AfterAnswer => self.answered.notified().await,
            }
        }
    }

    /// Lets no request through for this long.
    pub(crate) fn pause(&self, delay: Duration) {
        let until = Instant::now() + delay;
        let mut pace = self.pace();
        pace.paused_until = pace.paused_until.max(Some(until));
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Takes over what an answer says of the pace.
    pub(crate) fn answered(self, status: StatusCode, rate_limit: Option<f64>) {
        let mut pace = self.pacer.pace();
        if let Some(rate) = rate_limit {
            pace.told_rate = rate;
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            pace.refused(self.sent_at, Instant::now());
        } else if status.is_success() {
            pace.good();
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.pacer.pace().in_flight -= 1;
        self.pacer.answered.notify_one();
    }
}

impl Pace {
    fn new(rate: f64) -> Self {
        Self {
            own_rate: rate,
            told_rate: f64::INFINITY,
            sent: VecDeque::new(),
            paused_until: None,
            in_flight: 0,
            room: usize::MAX,
            good_answers: 0,
            halved_at: None,
        }
    }

    /// When the next request may be sent. If that is now, it counts as sent.
    fn turn(&mut self, now: Instant) -> Turn {
        if let Some(until) = self.paused_until.filter(|until| now < *until) {
            return Turn::At(until);
        }
        if self.in_flight >= self.room {
            return Turn::AfterAnswer;
        }
        let rate = self.own_rate.min(self.told_rate);
        if rate.is_finite() {
            if let Some(time) = self.window_opens(rate, now) {
                return Turn::At(time);
            }
            self.sent.push_back(now);
        }
        self.in_flight += 1;
        Turn::Now
    }

    /// When one more request fits in the window that ends with it. `None` if one does now.
    ///
    /// A window is a second, or as much longer as it takes for a whole number of requests.
    fn window_opens(&mut self, rate: f64, now: Instant) -> Option<Instant> {
        let requests = rate.ceil();
        let window = Duration::from_secs_f64(requests / rate * SECOND);
        while self
            .sent
            .front()
            .is_some_and(|first| *first + window <= now)
        {
            self.sent.pop_front();
        }
        // If the rate has fallen, more were sent than fit.
        let surplus = self.sent.len().checked_sub(requests as usize)?;
        self.sent.get(surplus).map(|first| *first + window)
    }

    fn good(&mut self) {
        self.good_answers += 1;
        if self.good_answers >= self.room {
            self.room += 1;
            self.good_answers = 0;
        }
    }

    /// Requests that were in flight together are refused together, and are one reason.
    fn refused(&mut self, sent_at: Instant, now: Instant) {
        if self.halved_at.is_some_and(|halved_at| sent_at <= halved_at) {
            return;
        }
        self.room = (self.in_flight / 2).max(1);
        self.good_answers = 0;
        self.halved_at = Some(now);
    }
}

/// `X-RateLimit-Limit`: how many requests a second the service allows for one resource
/// ([rate limiting](https://docs.apify.com/api/v2#rate-limiting)).
pub(crate) fn rate_limit(headers: &HeaderMap) -> Option<f64> {
    let limit: u32 = headers
        .get("x-ratelimit-limit")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    (limit > 0).then(|| limit.into())
}
