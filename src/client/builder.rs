//! Settings of a client.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use reqwest::header::HeaderValue;

use super::Client;
use crate::error::{Error, Result};
use crate::http::base_url;
use crate::http::pacers::Pacers;
use crate::http::retry::{self, RetryPolicy};
use crate::http::retry_budget::RetryBudget;
use crate::http::settings::{self, Settings};
use crate::http::token::Token;
use crate::limits::{DEFAULT_TOTAL_REQUEST_RATE, REQUEST_RATES, TOTAL_REQUEST_RATES};
use crate::setting::check_duration;

const DEFAULT_BASE_URL: &str = "https://api.apify.com";
const DEFAULT_USER_AGENT: &str = concat!("apify-runs/", env!("CARGO_PKG_VERSION"));
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// What the service allows for one list.
const DEFAULT_RATE: f64 = 60.0;
const DEFAULT_MAX_PAGE_BYTES: usize = 64 << 20;
const MIN_BODY_BYTES: usize = 1 << 10;
const MAX_BODY_BYTES: usize = 1 << 30;

/// Settings for a [`Client`], from [`Client::builder`]. Only the token is required.
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    token: Option<String>,
    base_url: String,
    http: Option<reqwest::Client>,
    user_agent: Option<String>,
    timeout: Duration,
    retry: RetryPolicy,
    max_requests_per_second: f64,
    max_total_requests_per_second: f64,
    compression: bool,
    max_page_bytes: usize,
    allow_http: bool,
    /// Whether the token was read from the environment.
    reads_env: bool,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            token: None,
            base_url: DEFAULT_BASE_URL.into(),
            http: None,
            user_agent: None,
            timeout: DEFAULT_TIMEOUT,
            retry: RetryPolicy::default(),
            max_requests_per_second: DEFAULT_RATE,
            max_total_requests_per_second: DEFAULT_TOTAL_REQUEST_RATE,
            compression: true,
            max_page_bytes: DEFAULT_MAX_PAGE_BYTES,
            allow_http: false,
            reads_env: false,
        }
    }
}

impl ClientBuilder {
    /// A builder with the token in `APIFY_TOKEN` and the address in `APIFY_API_BASE_URL`. Apify's
    /// own tools read the same variables. If one is empty or not set, the default applies.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a variable is not valid Unicode.
    pub fn from_env() -> Result<Self> {
        let mut builder = Self {
            reads_env: true,
            ..Self::default()
        };
        builder.token = variable("APIFY_TOKEN")?;
        if let Some(base_url) = variable("APIFY_API_BASE_URL")? {
            builder = builder.base_url(base_url);
        }
        Ok(builder)
    }

    /// The API token, from *Settings → API & Integrations* in the Apify Console. Whitespace
    /// around it is removed.
    ///
    /// It is sent in the `Authorization` header. No error, log or `Debug` output of this crate
    /// shows it: it is redacted where a response contains it, and a setting that contains it is
    /// refused. Only rows that can be read are returned unchanged. A token shorter than 8
    /// characters is not redacted.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The address of the API, with or without the final `/v2`. Default `https://api.apify.com`.
    ///
    /// `http://` is accepted for loopback addresses only, unless
    /// [`allow_http`](Self::allow_http) is set.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = base_url.into();
        self
    }

    /// A `reqwest` client of your own, for proxies, certificates, connection limits or the TLS of
    /// the operating system.
    ///
    /// Its redirect policy applies. Whatever the policy, `reqwest` does not send the token to
    /// another host. The default client follows redirects only within the same origin (scheme,
    /// host and port), refuses those whose address contains the token, and uses no proxy for
    /// loopback addresses.
    pub fn http_client(mut self, http: reqwest::Client) -> Self {
        self.http = Some(http);
        self
    }

    /// The `User-Agent` header. Default `apify-runs/<version>`, or that of the
    /// [`http_client`](Self::http_client).
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }

    /// How long one attempt may take, from the connection to the last byte of the body.
    /// Default 60 s; from 1 ms to 1 hour. [`RetryPolicy::max_elapsed`], 5 minutes by default,
    /// also limits it, even if nothing is retried.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How failed requests are retried. Anything that converts into a [`RetryPolicy`].
    pub fn retry(mut self, retry: impl Into<RetryPolicy>) -> Self {
        self.retry = retry.into();
        self
    }

    /// The maximum number of requests a second for one list: an Actor's, a task's or the
    /// account's. All clones of the client count together, retries included. Default 60, which is
    /// what [the service allows](https://docs.apify.com/api/v2#rate-limiting); from 0.001, one in
    /// 1000 seconds, to 1000, or `f64::INFINITY` for no limit but the service's own.
    ///
    /// The client finds the rate by itself. Requests begin at 30 a second, and the rate grows with
    /// each good response, up to the maximum or to what the service announces
    /// (`X-RateLimit-Limit`), whichever is less. A 429 reduces the rate by 15 %, and it grows
    /// slowly from then on, so that programs that read one list approach equal rates. If a 429 has
    /// a `Retry-After`, every request for the list waits that long. Other lists are not affected.
    /// A rate of `f64::INFINITY` begins with the announced limit, or without a limit if none is
    /// announced.
    ///
    /// Requests are sent at even intervals, in the order in which they were made: 2.5 means one
    /// every 0.4 s. No second has more than the rate, rounded up. The wait does not count against
    /// [`RetryPolicy::max_elapsed`].
    ///
    /// The client treats an Actor's ID and its name as two lists.
    pub fn max_requests_per_second(mut self, rate: f64) -> Self {
        self.max_requests_per_second = rate;
        self
    }

    /// The maximum number of requests a second for all lists together, over all clones of the
    /// client. Default 4000; from 0.001 to 100,000, or `f64::INFINITY` for no maximum.
    ///
    /// The service allows [250,000 a minute](https://docs.apify.com/api/v2#rate-limiting) for one
    /// user.
    pub fn max_total_requests_per_second(mut self, rate: f64) -> Self {
        self.max_total_requests_per_second = rate;
        self
    }

    /// Whether the service may compress its responses. Default `true`: with each encoding that
    /// the crate's features or [`http_client`](Self::http_client) can read.
    ///
    /// A page of 1000 runs has about 640 KB, and compressed 87 KB with gzip, 79 KB with brotli or
    /// 84 KB with zstd. Decompressing takes up to 0.5 ms. Turn it off where the network is faster
    /// than that: on the same machine, or at a few gigabits a second.
    pub fn compression(mut self, compression: bool) -> Self {
        self.compression = compression;
        self
    }

    /// The maximum size of a body, in bytes after decompression. Default 64 MiB; from 1 KiB to
    /// 1 GiB. A full page has about 0.6 MB. A page has 10,000 rows at most, whatever this is.
    pub fn max_page_bytes(mut self, bytes: usize) -> Self {
        self.max_page_bytes = bytes;
        self
    }

    /// Whether a base URL may be plain `http://` to another machine. Anyone on the network path
    /// can then read the token. Default `false`.
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.allow_http = allow;
        self
    }

    /// Checks every setting and builds the client. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the setting and its value
    /// (for the token, without its value).
    pub fn build(self) -> Result<Client> {
        if self.token.is_none() && self.reads_env {
            let expected = "it must hold the token of an Apify account";
            return Err(Error::config("APIFY_TOKEN", "(not set)", expected));
        }
        let token = Token::new(self.token.as_deref())?;
        token.reject_in("base_url", &self.base_url)?;
        token.reject_in("user_agent", self.user_agent.as_deref().unwrap_or_default())?;
        let base_url = base_url::parse(&self.base_url, self.allow_http)?;
        check_duration("timeout", self.timeout, retry::MIN_DURATION..=MAX_TIMEOUT)?;
        self.retry.validate()?;
        if !(MIN_BODY_BYTES..=MAX_BODY_BYTES).contains(&self.max_page_bytes) {
            let expected = "it must be from 1024 (1 KiB) to 1073741824 (1 GiB)";
            return Err(Error::config(
                "max_page_bytes",
                self.max_page_bytes,
                expected,
            ));
        }
        let rate = self.max_requests_per_second;
        check_rate("max_requests_per_second", rate, REQUEST_RATES)?;
        let total_rate = self.max_total_requests_per_second;
        let rates = TOTAL_REQUEST_RATES;
        check_rate("max_total_requests_per_second", total_rate, rates)?;
        let user_agent = match (&self.user_agent, &self.http) {
            (Some(text), _) => Some(settings::user_agent(text)?),
            (None, Some(_)) => None,
            (None, None) => Some(HeaderValue::from_static(DEFAULT_USER_AGENT)),
        };
        let http = match self.http {
            Some(http) => http,
            None => settings::http_client(&base_url, token.clone())?,
        };
        Ok(Client(Arc::new(Settings {
            http,
            base_url,
            token,
            user_agent,
            timeout: self.timeout,
            retry: self.retry,
            retry_budget: RetryBudget::default(),
            has_responded: AtomicBool::new(false),
            pacers: Pacers::new(rate, total_rate),
            compression: self.compression,
            max_page_bytes: self.max_page_bytes,
        })))
    }
}

/// Checks a number of requests a second, which may also be infinite.
fn check_rate(name: &'static str, rate: f64, range: RangeInclusive<f64>) -> Result<()> {
    if range.contains(&rate) || rate == f64::INFINITY {
        return Ok(());
    }
    let (min, max) = range.into_inner();
    let expected = format!("it must be from {min} to {max}, or infinity");
    Err(Error::config(name, rate, &expected))
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A base URL that has not been checked may have a secret in it.
        f.debug_struct("ClientBuilder")
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .field("max_requests_per_second", &self.max_requests_per_second)
            .field(
                "max_total_requests_per_second",
                &self.max_total_requests_per_second,
            )
            .field("compression", &self.compression)
            .field("max_page_bytes", &self.max_page_bytes)
            .field("allow_http", &self.allow_http)
            .finish_non_exhaustive()
    }
}

/// An environment variable. `None` if it is not set or blank.
fn variable(name: &'static str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Error::config(
            name,
            "(not shown)",
            "it must be valid Unicode",
        )),
    }
}
