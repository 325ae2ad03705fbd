//! Errors.

use std::error::Error as StdError;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::cursor::{Cursor, CursorMismatch};
use crate::setting::InvalidSetting;

/// The result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a walk, a request or a setting failed.
///
/// [`Display`](fmt::Display) prints one line, without the cause. The cause, if there is one, is
/// [`source`](StdError::source). Neither contains the token.
///
/// # Example: distinguish errors
///
/// ```
/// use apify_runs::{Client, ErrorKind};
///
/// let error = Client::new("").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert_eq!(error.to_string(), "invalid token: it is empty");
/// assert!(!error.is_transient());
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    request: Option<String>,
    status: Option<u16>,
    api_type: Option<String>,
    attempts: u32,
    elapsed: Duration,
    retry_after: Option<Duration>,
    cursor: Option<Box<Cursor>>,
    row: Option<String>,
    setting: Option<InvalidSetting>,
    /// Whether an error of kind `Protocol` or `Output` is transient.
    is_transient: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of failure an [`Error`] is.
///
/// "Retried" says whether the crate itself tries again, under the
/// [`RetryPolicy`](crate::RetryPolicy), before it returns the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting of the client or the query is wrong. Nothing was sent. Not retried.
    Config,
    /// 401 or 403: the token is missing, unknown, or may not read this list. Not retried.
    Auth,
    /// 404: the Actor or task does not exist, or the token's owner may not see it. Not retried.
    NotFound,
    /// 429: more requests than the service allows. Retried.
    RateLimited,
    /// Any other error that the service reports. Retried if the status is 408 or 5xx, or if a
    /// response with status 200 has an error instead of data.
    Api,
    /// An attempt took longer than the client's timeout, or than the rest of the policy's
    /// [`max_elapsed`](crate::RetryPolicy::max_elapsed). Retried.
    Timeout,
    /// There was no connection, or it was lost before the response was complete. Retried.
    Transport,
    /// A complete response with a successful status that is not a list of runs: HTML, truncated
    /// JSON, an empty body. Retried.
    Decode,
    /// The responses contradict each other, or exceed a limit of the client: the list moved in a
    /// way, or so often, that the walk cannot continue, a body is larger than the client accepts
    /// or has more than 10,000 rows, or a redirect cannot be followed. Not retried. A walk may
    /// resume from the error's cursor. The error is [transient](Error::is_transient) only if the
    /// list moved too often.
    Protocol,
    /// The cursor to resume from belongs to another walk: the message names what differs.
    /// Nothing was sent. Not retried.
    CursorMismatch,
    /// One row could not be read. The stream continues with the next row. Not retried.
    Item,
    /// An export or a sync cannot write or read its output: the disk is full, a folder is missing
    /// or read-only, or object storage or a database does not respond. Committed rows are
    /// unchanged. If the connection to a database was lost, the error is
    /// [transient](Error::is_transient).
    Output,
    /// An output does not match its checkpoint because another program has changed or removed it,
    /// the file in the place of the checkpoint is not one, or the tables of a sync were made by
    /// another program or by a newer version. Nothing more is written. If it was noticed during a
    /// commit, the rows of that commit may follow the committed ones.
    Damaged,
    /// Another export writes to the same output, or has taken it over, or `export::verify` reads
    /// it; or another sync of the same list writes to the same database.
    Locked,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            request: None,
            status: None,
            api_type: None,
            attempts: 0,
            elapsed: Duration::ZERO,
            retry_after: None,
            cursor: None,
            row: None,
            setting: None,
            is_transient: false,
            source: None,
        }))
    }

    /// A setting that cannot be used: its name, the value, and what is expected.
    pub(crate) fn config(setting: &'static str, value: impl fmt::Display, expected: &str) -> Self {
        InvalidSetting::new(setting, value, expected.to_owned()).into()
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_api_type(mut self, api_type: Option<String>) -> Self {
        self.0.api_type = api_type;
        self
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    pub(crate) fn with_cursor(mut self, cursor: &Cursor) -> Self {
        self.0.cursor = Some(Box::new(cursor.clone()));
        self
    }

    /// Makes an error of kind [`Protocol`](ErrorKind::Protocol) or [`Output`](ErrorKind::Output)
    /// transient.
    pub(crate) fn transient(mut self) -> Self {
        self.0.is_transient = true;
        self
    }

    pub(crate) fn with_row(mut self, row: String) -> Self {
        self.0.row = Some(row);
        self
    }

    /// Names the request that failed, and what was spent on it.
    pub(crate) fn with_request(
        mut self,
        request: String,
        attempts: u32,
        elapsed: Duration,
    ) -> Self {
        self.0.request = Some(request);
        self.0.attempts = attempts;
        self.0.elapsed = elapsed;
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone. [`Display`](fmt::Display) adds the request and the number of attempts,
    /// and `Debug` also the [cause](StdError::source).
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status of the last response, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The service's own name for the error, such as `record-not-found`
    /// (`error.type` in the [API reference](https://docs.apify.com/api/v2)), if it gave one.
    pub fn api_type(&self) -> Option<&str> {
        self.0.api_type.as_deref()
    }

    /// How often the request was sent before the crate gave up. 0 if the error is not about one
    /// request, but about a setting, a row, or pages that contradict each other.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// How long all attempts and the delays between them took, without the time they waited for the
    /// rate limit. Zero if [`attempts`](Self::attempts) is 0.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// The wait in the `Retry-After` header of the last response, if it had one. Capped at 30 days.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Where to resume: the cursor after the last item before this error, or after the row whose
    /// place the error takes. `None` if the error was not returned by a stream.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.0.cursor.as_deref()
    }

    /// The row that could not be read, as it was received: valid JSON of any kind. Only errors
    /// of kind [`Item`](ErrorKind::Item) have one.
    pub fn row(&self) -> Option<&str> {
        self.0.row.as_deref()
    }

    /// The setting that cannot be used, if the error is about one. Only errors of kind
    /// [`Config`](ErrorKind::Config) have one.
    ///
    /// ```
    /// use apify_runs::Client;
    ///
    /// let error = Client::new("").unwrap_err();
    /// assert_eq!(error.setting().unwrap().name(), "token");
    /// ```
    pub fn setting(&self) -> Option<&InvalidSetting> {
        self.0.setting.as_ref()
    }

    /// Whether the same request may succeed later without any change on this side.
    ///
    /// Requests that fail with such an error are retried, so one that a walk returns has outlasted
    /// its [`RetryPolicy`](crate::RetryPolicy). The exception is an error of kind
    /// [`Protocol`](ErrorKind::Protocol) that says that the list moved too often while it was
    /// read: no request failed, and none is retried. Resume from the error's cursor later. A
    /// database that could not be reached for five minutes is an error of kind
    /// [`Output`](ErrorKind::Output) that is transient, too.
    pub fn is_transient(&self) -> bool {
        match self.0.kind {
            ErrorKind::RateLimited
            | ErrorKind::Timeout
            | ErrorKind::Transport
            | ErrorKind::Decode => true,
            ErrorKind::Api => matches!(self.0.status, Some(200..=299 | 408 | 500..=599)),
            ErrorKind::Protocol | ErrorKind::Output => self.0.is_transient,
            ErrorKind::Config
            | ErrorKind::Auth
            | ErrorKind::NotFound
            | ErrorKind::CursorMismatch
            | ErrorKind::Item
            | ErrorKind::Damaged
            | ErrorKind::Locked => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        if let Some(request) = &inner.request {
            write!(f, "GET {request}: ")?;
        }
        f.write_str(&inner.message)?;
        if inner.attempts > 1 {
            let (attempts, seconds) = (inner.attempts, inner.elapsed.as_secs_f64());
            write!(f, " (after {attempts} attempts in {seconds:.1} s)")?;
        }
        Ok(())
    }
}

/// One line: the message, all causes, and details of the request. A program whose `main` returns
/// the error prints this.
///
/// ```text
/// GET /v2/acts/janedoe~a/runs?offset=0&limit=1000: 404 Not Found (record-not-found): Actor was not found [NotFound, status 404]
/// ```
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut message = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors print their cause themselves.
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        write!(
            f,
            "{} [{:?}",
            message.replace(['\n', '\r'], " "),
            self.kind()
        )?;
        if let Some(status) = self.status() {
            write!(f, ", status {status}")?;
        }
        if let Some(delay) = self.retry_after() {
            write!(f, ", retry after {delay:?}")?;
        }
        f.write_str("]")
    }
}

impl From<InvalidSetting> for Error {
    fn from(setting: InvalidSetting) -> Self {
        let mut error = Self::new(ErrorKind::Config, setting.to_string());
        error.0.setting = Some(setting);
        error
    }
}

impl From<CursorMismatch> for Error {
    fn from(mismatch: CursorMismatch) -> Self {
        Self::new(ErrorKind::CursorMismatch, mismatch.to_string())
    }
}

/// Reads what `Display` has written.
///
/// # Errors
///
/// [`ErrorKind::Config`] if the text is damaged, or of a version this crate does not know.
impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(Self::parse(text)?)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.0.source.as_deref()?;
        Some(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_about_its_own_layer() {
        let cause = std::io::Error::other("connection reset");
        let error = Error::new(ErrorKind::Transport, "the connection failed")
            .with_source(cause)
            .with_request(
                "/v2/acts/a/runs?offset=0".into(),
                3,
                Duration::from_millis(1500),
            );

        assert_eq!(
            error.to_string(),
            "GET /v2/acts/a/runs?offset=0: the connection failed (after 3 attempts in 1.5 s)"
        );
        assert_eq!(error.source().unwrap().to_string(), "connection reset");
    }

    #[test]
    fn debug_is_one_line_with_the_cause_and_the_status() {
        let cause = std::io::Error::other("connection\nreset");
        let error = Error::new(ErrorKind::Api, "502 Bad Gateway")
            .with_source(cause)
            .with_status(502)
            .with_request("/v2/acts/a/runs?offset=0".into(), 1, Duration::ZERO);
        assert_eq!(
            format!("{error:?}"),
            "GET /v2/acts/a/runs?offset=0: 502 Bad Gateway: connection reset [Api, status 502]"
        );
    }

    #[test]
    fn an_api_error_is_transient_by_its_status() {
        let with = |status| Error::new(ErrorKind::Api, "failed").with_status(status);
        for status in [200, 408, 500, 502, 503, 599] {
            assert!(with(status).is_transient(), "{status}");
        }
        for status in [300, 302, 400, 402, 405, 409, 600, 999] {
            assert!(!with(status).is_transient(), "{status}");
        }
    }
}
