//! How many requests a second are sent for one list.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::time::Instant;

/// Requests a second at first: half of what the service allows for one list, since others may
/// read it too.
const INITIAL_RATE: f64 = 30.0;
/// A refusal makes the rate smaller by this factor.
const DECREASE: f64 = 0.85;
/// After a refusal, the rate grows by this divided by itself in a second: from 30 by 1.3. A smaller
/// rate grows faster, so that the readers of one list approach equal rates.
const INCREASE: f64 = 40.0;
/// After this long without a refusal it grows faster: four times as fast after twice as long.
const QUIET: Duration = Duration::from_secs(2);
/// The largest part of itself that the rate grows by with one response after a refusal. It limits
/// how many requests are refused if a list has many readers.
const MAX_INCREASE: f64 = 0.03;
/// No refusal makes the rate smaller than this.
const MIN_RATE: f64 = 0.5;
const SECOND: Duration = Duration::from_secs(1);

/// How many requests a second are sent for one list.
///
/// The rate grows with each good response, up to what the service announces and the client's
/// settings allow. A refusal (429) makes it smaller: additive increase, multiplicative decrease.
/// Until the first refusal it grows quickly: by 1 with each response, or by 4 if the service
/// announces what it allows.
#[derive(Debug)]
pub(crate) struct Rate {
    /// The client's setting. Infinite if there is none.
    max: f64,
    /// What the service allows, by its last response.
    announced: f64,
    /// Infinite if no limit is set or announced and the service has refused nothing.
    current: f64,
    /// When the rate last became smaller.
    decreased_at: Option<Instant>,
    /// When the good responses of the last second came.
    good_responses: VecDeque<Instant>,
}

impl Rate {
    /// A rate that grows up to `max`.
    pub(crate) fn new(max: f64) -> Self {
        let is_limited = max.is_finite();
        Self {
            max,
            announced: f64::INFINITY,
            current: if is_limited {
                max.min(INITIAL_RATE)
            } else {
                max
            },
            decreased_at: None,
            good_responses: VecDeque::new(),
        }
    }

    /// A rate that stays as it is.
    pub(crate) fn fixed(per_second: f64) -> Self {
        Self {
            current: per_second,
            ..Self::new(per_second)
        }
    }

    /// Requests a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.current.min(self.limit())
    }

    fn limit(&self) -> f64 {
        self.max.min(self.announced)
    }

    /// The service says what it allows.
    pub(crate) fn announce(&mut self, per_second: f64) {
        self.announced = per_second;
    }

    /// A request got a good response. If it used the rate, the rate grows: it is unknown whether
    /// the service would allow one that has not been tried.
    pub(crate) fn on_good_response(&mut self, used_rate: bool, now: Instant) {
        if self.current.is_infinite() {
            return;
        }
        self.forget_responses(now);
        self.good_responses.push_back(now);
        if used_rate {
            let step = match self.decreased_at {
                Some(time) => recovery(self.current, now - time),
                None if self.announced.is_finite() => 4.0,
                None => 1.0,
            };
            self.current = (self.current + step).min(self.limit());
        }
    }

    /// A request that was sent at `sent_at` was refused. Requests that were in flight together are
    /// refused together, and count once.
    pub(crate) fn on_refusal(&mut self, sent_at: Instant, now: Instant) {
        if self.decreased_at.is_some_and(|time| sent_at <= time) {
            return;
        }
        self.decreased_at = Some(now);
        let refused = self.per_second();
        if refused.is_infinite() {
            self.current = INITIAL_RATE;
            return;
        }
        // So many a second were good.
        self.forget_responses(now);
        let good = self.good_responses.len() as f64;
        let least = (good * DECREASE).max(MIN_RATE).min(refused);
        self.current = (refused * DECREASE).max(least);
    }

    fn forget_responses(&mut self, now: Instant) {
        let is_old = |time: &Instant| *time + SECOND < now;
        while self.good_responses.front().is_some_and(is_old) {
            self.good_responses.pop_front();
        }
    }
}

/// What a good response adds to a rate, this long after a refusal.
fn recovery(rate: f64, since: Duration) -> f64 {
    let quiet = since.div_duration_f64(QUIET).max(1.0);
    (INCREASE * quiet.powi(2) / rate.powi(2)).min(MAX_INCREASE * rate)
}

/// `X-RateLimit-Limit`: how many requests a second the service allows for one resource
/// ([rate limiting](https://docs.apify.com/api/v2#rate-limiting)).
pub(crate) fn announced(headers: &HeaderMap) -> Option<f64> {
    let limit: u32 = headers
        .get("x-ratelimit-limit")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    (limit > 0).then(|| limit.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_tells_its_limit_in_a_header() {
        let limit = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("X-RateLimit-Limit", value.parse().unwrap());
            announced(&headers)
        };
        assert_eq!(limit("60"), Some(60.0));
        for nonsense in ["0", "-1", "", "many", "60.5", "99999999999"] {
            assert_eq!(limit(nonsense), None, "{nonsense}");
        }
        assert_eq!(announced(&HeaderMap::new()), None);
    }
}
