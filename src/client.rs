//! The client: who asks, whom, and how patiently.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;

use crate::error::{Error, ErrorKind, Result};
use crate::http::base_url;
use crate::http::fetch::Fetcher;
use crate::http::pace::Pacer;
use crate::http::retry::{self, RetryPolicy};
use crate::http::token::Token;
use crate::page::decode::Page;
use crate::query::RunQuery;
use crate::stream::pages::RunPage;
use crate::stream::read_ahead::Task;
use crate::stream::rows::Runs;
use crate::stream::stats::Counters;
use crate::walk::PageRequest;

const DEFAULT_BASE_URL: &str = "https://api.apify.com";
const DEFAULT_USER_AGENT: &str = concat!("apify-runs/", env!("CARGO_PKG_VERSION"));
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Half of what the service allows for one Actor, so that its other users are not shut out.
const DEFAULT_RATE: f64 = 30.0;
pub(crate) const RATES: RangeInclusive<f64> = 0.001..=1000.0;
const DEFAULT_MAX_PAGE_BYTES: usize = 64 << 20;
const MIN_BODY_BYTES: usize = 1 << 10;
const MAX_BODY_BYTES: usize = 1 << 30;
/// Redirects on the same origin that are followed before one is taken for the answer.
const MAX_REDIRECTS: usize = 5;

/// Reads lists of runs on behalf of one token.
///
/// Cheap to clone: clones share connections and settings. It is `Send` and `Sync`.
///
/// # Example: count the runs of an Actor
///
/// ```no_run
/// # async fn example() -> apify_runs::Result<()> {
/// use apify_runs::Client;
///
/// let client = Client::from_env()?;
/// println!("{}", client.count("janedoe~my-actor").await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Settings>);

/// What a client was built with.
pub(crate) struct Settings {
    pub(crate) http: reqwest::Client,
    pub(crate) base_url: Url,
    pub(crate) token: Token,
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) max_requests_per_second: f64,
    pub(crate) pacer: Pacer,
    pub(crate) compression: bool,
    pub(crate) max_page_bytes: usize,
}

impl Client {
    /// A client for this token, with default settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the token is empty or cannot be
    /// sent in a header, and without a feature for TLS, as the address begins with `https`.
    pub fn new(token: impl Into<String>) -> Result<Self> {
        Self::builder().token(token).build()
    }

    /// A client for the token in `APIFY_TOKEN`, at the address in `APIFY_API_BASE_URL` if
    /// that is set: the variables that Apify's own tools read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if `APIFY_TOKEN` is not set, or if
    /// either variable has a value that cannot be used.
    pub fn from_env() -> Result<Self> {
        let token = env("APIFY_TOKEN")?.ok_or_else(|| {
            let expected = "it must hold the token of an Apify account";
            Error::config("APIFY_TOKEN", "(not set)", expected)
        })?;
        let mut builder = Self::builder().token(token);
        if let Some(base_url) = env("APIFY_API_BASE_URL")? {
            builder = builder.base_url(base_url);
        }
        builder.build()
    }

    /// Settings for a client, to be changed one by one.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A walk over the runs of `query`, not started yet: end it with
    /// [`stream`](Runs::stream) or [`pages`](Runs::pages).
    pub fn runs(&self, query: impl Into<RunQuery>) -> Runs {
        Runs::new(self.clone(), query.into())
    }

    /// One page of the list: [`page_size`](RunQuery::page_size) rows from the row at
    /// `offset` on, which takes the place of the query's own. The query's
    /// [`limit`](RunQuery::limit) does not apply.
    ///
    /// Two pages read this way may overlap or leave a gap if the list changes between
    /// them; [`runs`](Self::runs) guards against that.
    ///
    /// # Errors
    ///
    /// Any kind but `Item`: rows that cannot be read are in [`RunPage::unreadable`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the request; nothing is kept.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn page(&self, query: &RunQuery, offset: u64) -> Result<RunPage> {
        let request = PageRequest::rows(offset, query.page_size.into());
        let query = query.clone().offset(offset);
        let descending = query.descending;
        let page = self.fetch(query, request).await?;
        let redact = |text: &str| self.0.token.redact(text);
        Ok(RunPage::new(page, request, descending, &redact))
    }

    /// How many runs the list has. One request, for one row.
    ///
    /// The query's filters count; its `offset`, `limit` and `page_size` do not.
    ///
    /// # Errors
    ///
    /// Any kind but `Item`; [`ErrorKind::Protocol`] if the response does not say how many runs
    /// there are.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the request; nothing is kept.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn count(&self, query: impl Into<RunQuery>) -> Result<u64> {
        self.total(query.into()).await?.ok_or_else(|| {
            let message = "the response does not say how many runs there are";
            Error::new(ErrorKind::Protocol, message)
        })
    }

    /// How many runs the list has, if the service says so.
    pub(crate) async fn total(&self, query: RunQuery) -> Result<Option<u64>> {
        let page = self.fetch(query, PageRequest::rows(0, 1)).await?;
        Ok(page.total)
    }

    /// Fetches one page that is not part of a walk.
    pub(crate) async fn fetch(&self, query: RunQuery, request: PageRequest) -> Result<Page> {
        query.reject_token(&self.0.token)?;
        query.validate()?;
        let counters = Arc::new(Counters::default());
        let fetcher = Fetcher::new(self.clone(), query, counters, Arc::default());
        Task::start(Arc::new(fetcher), request).finish().await
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.0.base_url.as_str())
            .field("timeout", &self.0.timeout)
            .field("retry", &self.0.retry)
            .field("max_requests_per_second", &self.0.max_requests_per_second)
            .field("compression", &self.0.compression)
            .field("max_page_bytes", &self.0.max_page_bytes)
            .finish_non_exhaustive()
    }
}

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
    compression: bool,
    max_page_bytes: usize,
    allow_http: bool,
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
            compression: true,
            max_page_bytes: DEFAULT_MAX_PAGE_BYTES,
            allow_http: false,
        }
    }
}

impl ClientBuilder {
    /// The API token, from *Settings → API & Integrations* in the Apify Console. White
    /// space around it is dropped.
    ///
    /// It is sent in the `Authorization` header. The crate shows it nowhere: where an answer or a
    /// setting repeats it, it is taken out, or refused. Only rows that can be read are handed out
    /// as they came. (A token of less than 8 characters is not looked for.)
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Where the API is, with or without the final `/v2`. Default `https://api.apify.com`.
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
    /// Its redirect policy is then its own; `reqwest` does not pass the token on to another
    /// host, whatever the policy. Default: one that follows redirects on the same origin only
    /// (scheme, host and port), unless the token stands in the address, and goes past system
    /// proxies to loopback addresses.
    pub fn http_client(mut self, http: reqwest::Client) -> Self {
        self.http = Some(http);
        self
    }

    /// What to send as `User-Agent`. Default `apify-runs/<version>`, or what
    /// [`http_client`](Self::http_client) sends.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }

    /// How long one attempt may take, from the connection to the last byte of the body.
    /// Default 60 s; from 1 ms to 1 hour. [`RetryPolicy::max_elapsed`], 5 minutes by default,
    /// cuts it short, even where nothing is retried.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How failed requests are repeated. Anything that converts into a [`RetryPolicy`].
    pub fn retry(mut self, retry: impl Into<RetryPolicy>) -> Self {
        self.retry = retry.into();
        self
    }

    /// How many requests the client sends in a second, all its clones together, retries
    /// included. Default 30; from 0.001, one in 1000 seconds, to 1000, or `f64::INFINITY` for
    /// no limit but the service's own.
    ///
    /// In no second there are more; a number that is not whole is rounded up, and so is the
    /// second: 2.5 means at most 3 in any 1.2 s. What is above waits for its turn, in the order
    /// it came, which costs nothing of [`RetryPolicy::max_elapsed`].
    ///
    /// The service allows [60 a second](https://docs.apify.com/api/v2#rate-limiting) for one
    /// Actor, over all who read its list. Where it tells of fewer (`X-RateLimit-Limit`), that
    /// is the limit. After a 429 every request of the client waits as long as the retry of the
    /// one that was refused. Then only half as many as before are in flight at a time, and
    /// more again as long as answers are good.
    pub fn max_requests_per_second(mut self, rate: f64) -> Self {
        self.max_requests_per_second = rate;
        self
    }

    /// Whether the service may compress its answers. Default `true`: with each encoding that
    /// the crate's features or [`http_client`](Self::http_client) can read.
    ///
    /// A page of 1000 runs has about 455 KB, and compressed 85 KB with gzip, 78 KB with brotli
    /// or 82 KB with zstd. To read it takes 0.7, 0.3 or 0.1 ms longer then. Turn it off where
    /// the bytes come faster than that: from the same machine, or a few gigabits a second.
    pub fn compression(mut self, compression: bool) -> Self {
        self.compression = compression;
        self
    }

    /// The longest body that is accepted, in bytes after decompression. Default 64 MiB;
    /// from 1 KiB to 1 GiB. A full page is about 0.4 MB. Whatever this is, a page has 10,000 rows
    /// at most.
    pub fn max_page_bytes(mut self, bytes: usize) -> Self {
        self.max_page_bytes = bytes;
        self
    }

    /// Whether a base URL may be plain `http://` to another machine, where anybody on the
    /// way can read the token. Default `false`.
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
        let token = Token::new(self.token.as_deref())?;
        token.reject_in("base_url", &self.base_url)?;
        token.reject_in("user_agent", self.user_agent.as_deref().unwrap_or_default())?;
        let base_url = base_url::parse(&self.base_url, self.allow_http)?;
        retry::within("timeout", self.timeout, retry::MIN_DURATION, MAX_TIMEOUT)?;
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
        if !RATES.contains(&rate) && rate != f64::INFINITY {
            let expected = "it must be from 0.001 to 1000, or infinite";
            return Err(Error::config("max_requests_per_second", rate, expected));
        }
        let user_agent = match (&self.user_agent, &self.http) {
            (Some(text), _) => Some(user_agent(text)?),
            (None, Some(_)) => None,
            (None, None) => Some(HeaderValue::from_static(DEFAULT_USER_AGENT)),
        };
        let http = match self.http {
            Some(http) => http,
            None => http_client(&base_url, token.clone())?,
        };
        Ok(Client(Arc::new(Settings {
            http,
            base_url,
            token,
            user_agent,
            timeout: self.timeout,
            retry: self.retry,
            max_requests_per_second: rate,
            pacer: Pacer::new(rate),
            compression: self.compression,
            max_page_bytes: self.max_page_bytes,
        })))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A base URL that has not been checked may have a secret in it.
        f.debug_struct("ClientBuilder")
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .field("max_requests_per_second", &self.max_requests_per_second)
            .field("compression", &self.compression)
            .field("max_page_bytes", &self.max_page_bytes)
            .field("allow_http", &self.allow_http)
            .finish_non_exhaustive()
    }
}

fn env(name: &'static str) -> Result<Option<String>> {
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

fn user_agent(text: &str) -> Result<HeaderValue> {
    let value = HeaderValue::from_str(text)
        .ok()
        .filter(|value| !value.is_empty());
    value.ok_or_else(|| {
        let expected = "it must be text that fits in a header";
        Error::config("user_agent", format!("{text:?}"), expected)
    })
}

fn http_client(base_url: &Url, token: Token) -> Result<reqwest::Client> {
    if base_url.scheme() == "https" && !cfg!(feature = "rustls") {
        let expected = "https needs the feature rustls or an http_client";
        return Err(Error::config("base_url", base_url, expected));
    }
    let mut builder = reqwest::Client::builder().redirect(Policy::custom(move |attempt| {
        let origin = attempt.previous().first().map(Url::origin);
        let is_same_origin = origin == Some(attempt.url().origin());
        let shows_token = token.is_in(attempt.url().as_str());
        if is_same_origin && !shows_token && attempt.previous().len() <= MAX_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    }));
    if base_url::is_loopback(base_url) {
        builder = builder.no_proxy();
    }
    if base_url.scheme() == "http" {
        builder = without_certificates(builder);
    }
    builder.build().map_err(|error| {
        Error::config("http_client", "(default)", "it could not be set up").with_source(error)
    })
}

/// Redirects stay on their origin, so that plain HTTP needs no certificates: to read those of
/// the system takes longer than many a walk.
fn without_certificates(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    #[cfg(feature = "rustls")]
    let builder = builder.tls_backend_rustls().tls_certs_only([]);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn plain_http_to_another_machine_must_be_allowed() {
        let builder = Client::builder().token("t").base_url("http://10.0.0.1");
        let error = builder.clone().build().unwrap_err();
        assert!(error.to_string().contains("allow_http"), "{error}");
        assert!(builder.allow_http(true).build().is_ok());
    }

    #[test]
    fn a_bad_token_is_refused_and_not_shown() {
        for token in ["apify_api\u{e9}", "apify api", "apify\napi", "a\u{7f}b"] {
            let error = Client::new(token).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(!format!("{error:?}").contains(token), "{error:?}");
        }
        for token in ["", " \n"] {
            let error = Client::new(token).unwrap_err();
            assert_eq!(error.to_string(), "invalid token: it is empty");
        }
        let error = Client::builder().build().unwrap_err();
        assert_eq!(error.to_string(), "invalid token (not set): it is required");
    }

    #[test]
    fn the_token_is_in_no_debug_output() {
        let local = "http://localhost";
        let builder = Client::builder().base_url(local).token("apify_api_secret");
        assert!(!format!("{builder:?}").contains("secret"));
        let client = builder.build().unwrap();
        assert!(!format!("{client:?}").contains("secret"));
        assert!(!format!("{:?}", client.settings().token.header).contains("secret"));
        let runs = client.runs("a");
        assert!(!format!("{runs:?}").contains("secret"));
        assert!(!format!("{:?}", runs.stream()).contains("secret"));
    }

    #[test]
    fn absurd_settings_are_refused_by_name_and_value() {
        let message = |builder: ClientBuilder| {
            let error = builder.token("t").build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            error.to_string()
        };
        let builder = Client::builder;

        assert_eq!(
            message(builder().timeout(Duration::ZERO)),
            "invalid timeout 0ns: it must be from 1ms to 3600s"
        );
        assert!(message(builder().timeout(Duration::MAX)).starts_with("invalid timeout"));
        assert!(message(builder().max_page_bytes(0)).starts_with("invalid max_page_bytes 0"));
        assert!(message(builder().max_page_bytes(usize::MAX)).contains("1 GiB"));
        assert!(message(builder().user_agent("")).starts_with("invalid user_agent \"\""));
        assert!(message(builder().user_agent("a\nb")).starts_with("invalid user_agent"));
        let policy = RetryPolicy::default().initial_delay(Duration::ZERO);
        assert!(message(builder().retry(policy)).starts_with("invalid initial_delay 0ns"));
    }
}
