//! How often, and after which delays, a failed request is sent again.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::setting::{InvalidSetting, check_duration};

/// The minimum of a time, where zero is not allowed.
pub(crate) const MIN_DURATION: Duration = Duration::from_millis(1);
/// No delay may be longer than this.
const MAX_DELAY: Duration = Duration::from_secs(60 * 60);
/// No page may be tried for longer than this.
const MAX_ELAPSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long to look for a service that has never responded.
const MAX_UNREACHABLE: Duration = Duration::from_secs(60);

/// How a failed request is retried: how often, for how long, and after which delays.
///
/// The defaults follow the recipe of the
/// [API reference](https://docs.apify.com/api/v2#rate-limiting): up to 8 retries, each after
/// a random delay from `d` to `2 d`, where `d` starts at 500 ms and doubles up to
/// 60 s. One page may take 5 minutes, requests and delays together. A `Retry-After` of the
/// service is the minimum of the delay. If a delay is longer than the time left, the error is
/// returned at once.
///
/// Which errors are retried: see [`Error::is_transient`]. While the service has not responded to a
/// client, failed connections are retried for a minute at most: the host is probably wrong.
///
/// During an outage, the retries of all pages of a client and its clones share a budget: 20 at
/// first, then five a second and one for every four successful responses. A retry that exceeds it
/// waits; this wait does not count against the time for its page. Requests that were refused (429)
/// do not use the budget.
///
/// # Example: retry for half an hour, and log each retry
///
/// ```
/// use std::time::Duration;
/// use apify_runs::{Client, RetryPolicy};
///
/// let client = Client::builder()
///     .token("secret")
///     .retry(
///         RetryPolicy::default()
///             .max_retries(20)
///             .max_elapsed(Duration::from_secs(30 * 60))
///             .on_retry(|event| eprintln!("{}; again in {:?}", event.error, event.delay)),
///     )
///     .build()?;
/// # Ok::<(), apify_runs::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct RetryPolicy {
    max_retries: u32,
    initial_delay: Duration,
    max_delay: Duration,
    multiplier: f32,
    max_elapsed: Duration,
    jitter: bool,
    on_retry: Option<Arc<OnRetry>>,
}

type OnRetry = dyn Fn(&RetryEvent<'_>) + Send + Sync;

/// A request failed and is about to be retried.
#[derive(Debug)]
#[non_exhaustive]
pub struct RetryEvent<'a> {
    /// How often the request has been sent so far, from 1.
    pub attempts: u32,
    /// How long the crate waits before it sends the request again.
    pub delay: Duration,
    /// Why it failed.
    pub error: &'a Error,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 8,
            initial_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(60),
            multiplier: 2.0,
            max_elapsed: Duration::from_secs(5 * 60),
            jitter: true,
            on_retry: None,
        }
    }
}

impl RetryPolicy {
    /// No retries: the first error is returned.
    pub fn none() -> Self {
        Self::default().max_retries(0)
    }

    /// How often a request is sent again after it failed. Default 8; 0 for never.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// The lower bound of the first delay. Default 500 ms; from 1 ms to 1 hour.
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// The maximum of the lower bound of a delay. Default 60 s; from the initial delay to 1 hour.
    /// With jitter, a delay is at most twice as long.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// The factor by which the lower bound of a delay grows from one retry to the next. Default 2;
    /// from 1 to 10.
    pub fn multiplier(mut self, multiplier: f32) -> Self {
        self.multiplier = multiplier;
        self
    }

    /// How long one page may take, requests and delays together. Default 5 minutes; from 1 ms to
    /// 30 days. An attempt that takes longer is ended. The time that a request waits for the rate
    /// limit, or because of a 429, does not count.
    pub fn max_elapsed(mut self, elapsed: Duration) -> Self {
        self.max_elapsed = elapsed;
        self
    }

    /// Whether a delay is random, from `d` to `2 d` (the default), or exactly `d`.
    ///
    /// Jitter keeps many clients that failed at the same time from retrying at the same time.
    pub fn jitter(mut self, jitter: bool) -> Self {
        self.jitter = jitter;
        self
    }

    /// Calls `f` before each retry, to log or to count. It runs on the task that fetches the page,
    /// and delays it, so it should return soon. Several tasks may call it at once. If it panics,
    /// so does the poll of the stream.
    pub fn on_retry(mut self, f: impl Fn(&RetryEvent<'_>) + Send + Sync + 'static) -> Self {
        self.on_retry = Some(Arc::new(f));
        self
    }

    /// Checks that every setting is within its bounds.
    pub(crate) fn validate(&self) -> Result<(), InvalidSetting> {
        check_duration(
            "initial_delay",
            self.initial_delay,
            MIN_DURATION..=MAX_DELAY,
        )?;
        check_duration("max_delay", self.max_delay, MIN_DURATION..=MAX_DELAY)?;
        check_duration("max_elapsed", self.max_elapsed, MIN_DURATION..=MAX_ELAPSED)?;
        if self.max_delay < self.initial_delay {
            let expected = format!("it is shorter than initial_delay {:?}", self.initial_delay);
            let max_delay = format!("{:?}", self.max_delay);
            return Err(InvalidSetting::new("max_delay", max_delay, expected));
        }
        if !(1.0..=10.0).contains(&self.multiplier) {
            return Err(InvalidSetting::new(
                "multiplier",
                self.multiplier,
                "it must be from 1 to 10",
            ));
        }
        Ok(())
    }

    /// The delays, one for each retry, without end.
    fn delays(&self) -> ExponentialBackoff {
        let mut delays = ExponentialBuilder::new()
            .with_min_delay(self.initial_delay)
            .with_max_delay(self.max_delay)
            .with_factor(self.multiplier)
            .without_max_times();
        if self.jitter {
            delays = delays.with_jitter();
        }
        delays.build()
    }

    pub(crate) fn notify(&self, attempts: u32, delay: Duration, error: &Error) {
        if let Some(on_retry) = &self.on_retry {
            on_retry(&RetryEvent {
                attempts,
                delay,
                error,
            });
        }
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("max_retries", &self.max_retries)
            .field("initial_delay", &self.initial_delay)
            .field("max_delay", &self.max_delay)
            .field("multiplier", &self.multiplier)
            .field("max_elapsed", &self.max_elapsed)
            .field("jitter", &self.jitter)
            .finish_non_exhaustive()
    }
}

/// `backoff`'s randomization becomes this crate's jitter, which only ever lengthens a
/// delay; a policy without an end of its own ends after 30 days.
#[cfg(feature = "backoff")]
impl From<backoff::ExponentialBackoff> for RetryPolicy {
    fn from(policy: backoff::ExponentialBackoff) -> Self {
        Self {
            max_retries: u32::MAX,
            initial_delay: policy.initial_interval,
            max_delay: policy.max_interval,
            multiplier: policy.multiplier as f32,
            max_elapsed: policy.max_elapsed_time.unwrap_or(MAX_ELAPSED),
            jitter: policy.randomization_factor > 0.0,
            on_retry: None,
        }
    }
}

/// The attempts at one page, and what a policy leaves for more of them.
pub(crate) struct Attempts<'a> {
    policy: &'a RetryPolicy,
    delays: ExponentialBackoff,
    count: u32,
    spent: Duration,
    last_error: Option<Error>,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(policy: &'a RetryPolicy) -> Self {
        Self {
            policy,
            delays: policy.delays(),
            count: 0,
            spent: Duration::ZERO,
            last_error: None,
        }
    }

    /// How often the request has been sent.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The time of all attempts and of the delays between them.
    pub(crate) fn spent(&self) -> Duration {
        self.spent
    }

    /// How long the next attempt may take.
    pub(crate) fn time_left(&self) -> Duration {
        self.policy.max_elapsed.saturating_sub(self.spent)
    }

    /// Runs an attempt. If it fails because the time is over, returns the error of the attempt
    /// before, which says more.
    pub(crate) async fn spend_on<T>(
        &mut self,
        attempt: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.count += 1;
        let begun = Instant::now();
        let result = attempt.await;
        self.spent += begun.elapsed();
        let last_error = self.last_error.take();
        result.map_err(|error| {
            let is_cut_short = error.kind() == ErrorKind::Timeout && self.time_left().is_zero();
            last_error.filter(|_| is_cut_short).unwrap_or(error)
        })
    }

    /// The delay before the next attempt: the policy's, or the longer one that the service asks
    /// for. `None` if it would outlast the time left, which is shorter if the service has never
    /// responded.
    pub(crate) fn next_delay(&mut self, error: &Error, has_responded: bool) -> Option<Duration> {
        let delay = self.delays.next().unwrap_or_default();
        let delay = delay.max(error.retry_after().unwrap_or_default());
        let time_left = match has_responded || !is_unreachable(error) {
            true => self.time_left(),
            false => self
                .time_left()
                .min(MAX_UNREACHABLE.saturating_sub(self.spent)),
        };
        Some(delay).filter(|delay| *delay < time_left)
    }

    /// Whether there is another attempt after this error, if there is time.
    pub(crate) fn may_retry(&self, error: &Error) -> bool {
        error.is_transient() && self.count <= self.policy.max_retries
    }

    /// A delay is over.
    pub(crate) fn waited(&mut self, delay: Duration, error: Error) {
        self.spent += delay;
        self.last_error = Some(error);
    }
}

/// Whether there was no connection to the service.
fn is_unreachable(error: &Error) -> bool {
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<reqwest::Error>());
    cause.is_some_and(reqwest::Error::is_connect)
}

/// How long the `Retry-After` of a response asks to wait: seconds or an HTTP date.
///
/// A date is compared with the response's own `Date`, so that a client whose clock is wrong
/// waits as long as it should. A date in the past is no wait. A date far in the future is a long
/// wait, limited to what a clock can represent.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a number holds are as good as for ever.
        let wait = Duration::from_secs(text.parse().unwrap_or(u64::MAX));
        return Some(wait.min(MAX_ELAPSED));
    }
    let until = http_date(text)?;
    let now = date(headers).unwrap_or_else(Utc::now);
    let wait = (until - now).to_std().unwrap_or(Duration::ZERO);
    Some(wait.min(MAX_ELAPSED))
}

/// What the service's clock showed when it responded, in whole seconds.
pub(crate) fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

/// Reads a date in any of the three forms HTTP knows
/// ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-date-time-formats)).
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(date) = DateTime::parse_from_rfc2822(text) {
        return Some(date.to_utc());
    }
    let old_forms = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date = old_forms
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
    Some(date.and_utc())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn delays_double_from_the_first_to_the_cap() {
        let delays: Vec<_> = RetryPolicy::default()
            .jitter(false)
            .delays()
            .take(9)
            .map(|delay| delay.as_millis())
            .collect();
        assert_eq!(
            delays,
            [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
        );
    }

    #[test]
    fn jitter_draws_every_delay_evenly_from_one_to_two_times_its_length() {
        let exact: Vec<_> = RetryPolicy::default()
            .jitter(false)
            .delays()
            .take(9)
            .collect();
        for (retry, exact) in exact.into_iter().enumerate() {
            let draw = |_| RetryPolicy::default().delays().nth(retry).unwrap();
            let draws: Vec<_> = (0..1000).map(draw).collect();
            assert!(
                draws
                    .iter()
                    .all(|delay| (exact..=exact * 2).contains(delay))
            );
            let low = draws.iter().filter(|delay| **delay < exact * 3 / 2).count();
            assert!((350..650).contains(&low), "{low} of 1000 below the middle");
        }
    }

    #[test]
    fn settings_out_of_bounds_are_named_with_their_value() {
        let message = |policy: RetryPolicy| policy.validate().unwrap_err().to_string();
        let policy = RetryPolicy::default;

        assert_eq!(
            message(policy().initial_delay(Duration::ZERO)),
            "invalid initial_delay 0ns: it must be from 1ms to 1h"
        );
        assert_eq!(
            message(policy().max_delay(Duration::from_millis(400))),
            "invalid max_delay 400ms: it is shorter than initial_delay 500ms"
        );
        assert!(message(policy().max_delay(Duration::MAX)).starts_with("invalid max_delay"));
        assert!(message(policy().max_elapsed(Duration::ZERO)).starts_with("invalid max_elapsed"));
        assert!(message(policy().multiplier(f32::NAN)).starts_with("invalid multiplier NaN"));
        assert!(message(policy().multiplier(0.5)).starts_with("invalid multiplier 0.5"));
        assert!(RetryPolicy::none().validate().is_ok());
    }

    #[tokio::test]
    async fn a_host_that_never_responded_is_given_up_after_a_minute() {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let cause = client.get("http://127.0.0.1:9").send().await.unwrap_err();
        let refused = Error::new(ErrorKind::Transport, "no connection").with_source(cause);
        let time_spent = |error: &Error, has_responded| {
            let policy = RetryPolicy::default().max_retries(u32::MAX);
            let mut attempts = Attempts::new(&policy);
            while let Some(delay) = attempts.next_delay(error, has_responded) {
                attempts.waited(delay, Error::new(ErrorKind::Transport, ""));
            }
            attempts.spent()
        };
        let minute = Duration::from_secs(60);
        assert!(time_spent(&refused, false) < minute);
        assert!(time_spent(&refused, true) > 2 * minute);
        let broken = Error::new(ErrorKind::Transport, "the connection failed");
        assert!(time_spent(&broken, false) > 2 * minute);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "Sun, 06 Nov 1994 08:49:37 GMT";
        let wait = |value| retry_after(&headers(&[(RETRY_AFTER, value), (DATE, now)]));

        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait(" 0 "), Some(Duration::ZERO));
        let later = "Sun, 06 Nov 1994 08:51:00 GMT";
        assert_eq!(wait(later), Some(Duration::from_secs(83)));
        for old_form in ["Sunday, 06-Nov-94 08:51:00 GMT", "Sun Nov  6 08:51:00 1994"] {
            assert_eq!(wait(old_form), Some(Duration::from_secs(83)), "{old_form}");
        }
        let endless = "99999999999999999999999";
        assert_eq!(wait(endless), Some(MAX_ELAPSED));
        assert_eq!(wait("Thu, 01 Jan 2099 00:00:00 GMT"), Some(MAX_ELAPSED));
        let earlier = "Sun, 06 Nov 1994 08:00:00 GMT";
        assert_eq!(wait(earlier), Some(Duration::ZERO));
        for nonsense in ["soon", "-5", "1.5", ""] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
        assert_eq!(retry_after(&headers(&[(DATE, now)])), None);
    }

    #[test]
    fn a_date_without_the_servers_clock_is_measured_by_ours() {
        let soon = (Utc::now() + chrono::TimeDelta::seconds(100)).to_rfc2822();
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, soon.parse().unwrap());

        let wait = retry_after(&headers).unwrap().as_secs();
        assert!((90..=100).contains(&wait), "{wait}");
    }

    #[cfg(feature = "backoff")]
    #[test]
    fn a_policy_of_the_backoff_crate_keeps_its_numbers() {
        let theirs = backoff::ExponentialBackoff {
            initial_interval: Duration::from_millis(200),
            multiplier: 1.5,
            randomization_factor: 0.0,
            max_interval: Duration::from_millis(400),
            max_elapsed_time: Some(Duration::from_secs(9)),
            ..Default::default()
        };
        let ours = RetryPolicy::from(theirs);

        assert!(ours.validate().is_ok());
        let delays: Vec<_> = ours.delays().take(3).map(|d| d.as_millis()).collect();
        assert_eq!(delays, [200, 300, 400]);
        assert_eq!(ours.max_elapsed, Duration::from_secs(9));
        let endless = backoff::ExponentialBackoff {
            max_elapsed_time: None,
            ..Default::default()
        };
        assert!(RetryPolicy::from(endless).validate().is_ok());
    }
}
