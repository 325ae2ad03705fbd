//! The client: reads lists of runs on behalf of one token.

mod builder;

use std::fmt;
use std::sync::Arc;

pub use builder::ClientBuilder;

use crate::actor::Actor;
use crate::error::{Error, ErrorKind, Result};
use crate::http::fetch;
use crate::http::object;
use crate::http::settings::Settings;
use crate::lists::RunLists;
use crate::query::RunSource;
use crate::runs::Runs;
use crate::stream::run_page::ListPage;
use crate::walk::PageRequest;

/// The memory for the pages in flight of each list, where many lists are read.
const BUFFERED_BYTES_OF_MANY: usize = 8 << 20;

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
    /// that is set. Apify's own tools read the same variables. To change other settings, use
    /// [`ClientBuilder::from_env`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if `APIFY_TOKEN` is not set, or if
    /// either variable has a value that cannot be used.
    pub fn from_env() -> Result<Self> {
        ClientBuilder::from_env()?.build()
    }

    /// A builder with default settings.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A walk over the runs of a query or of a [`Split`](crate::Split). It has not started yet:
    /// call [`stream`](Runs::stream) or [`pages`](Runs::pages) on it.
    pub fn runs(&self, source: impl Into<RunSource>) -> Runs {
        Runs::new(Arc::clone(&self.0), source.into())
    }

    /// The runs of any number of lists as one stream. A list is an Actor's, a query or a split.
    ///
    /// Up to 64 lists are read at once, and the pages in flight of each take 8 MiB at most. For
    /// walks with other settings, see [`RunLists::new`].
    pub fn runs_of<I>(&self, sources: I) -> RunLists
    where
        I: IntoIterator<Item: Into<RunSource>>,
        I::IntoIter: Send + 'static,
    {
        let client = self.clone();
        let walk = move |source| {
            client
                .runs(source)
                .max_buffered_bytes(BUFFERED_BYTES_OF_MANY)
        };
        RunLists::new(sources.into_iter().map(walk))
    }

    /// Reads one page of the list: [`page_size`](crate::RunQuery::page_size) rows, starting at
    /// `offset`. The query's own offset and [`limit`](crate::RunQuery::limit) are ignored.
    ///
    /// Two pages read this way may overlap or leave a gap if the list changes between
    /// them. [`runs`](Self::runs) guards against that.
    ///
    /// # Errors
    ///
    /// Any kind but `Item`: rows that cannot be read are in [`ListPage::unreadable`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the request; nothing is kept.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn page(&self, source: impl Into<RunSource>, offset: u64) -> Result<ListPage> {
        let mut source = source.into();
        source.query.offset = offset;
        let descending = source.query.descending;
        let request = PageRequest::rows(offset, source.query.page_size.into());
        let page = fetch::single_page(&self.0, source, request).await?;
        let redact = |text: &str| self.0.token.redact(text);
        Ok(ListPage::new(page, request, descending, &redact))
    }

    /// Returns how many runs the list has. Takes one request, for one row.
    ///
    /// The query's filters apply. Its `offset`, `limit` and `page_size` do not.
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
    pub async fn count(&self, source: impl Into<RunSource>) -> Result<u64> {
        let total = fetch::total(&self.0, source.into()).await?;
        total.ok_or_else(|| {
            let message = "the response does not say how many runs there are";
            Error::new(ErrorKind::Protocol, message)
        })
    }

    /// Reads the name, username and title of the Actor with this ID or name. Takes one request.
    ///
    /// # Errors
    ///
    /// Any kind but `Item`; [`ErrorKind::NotFound`] also if the token's owner may not see it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the request; nothing is kept.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Example
    ///
    /// ```
    /// use apify_runs::emulator::Emulator;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> apify_runs::Result<()> {
    /// let emulator = Emulator::builder().actor("janedoe/my-actor").start().await?;
    /// let actor = emulator.client().actor("janedoe/my-actor").await?;
    /// assert_eq!(actor.name.as_deref(), Some("my-actor"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn actor(&self, id: impl AsRef<str>) -> Result<Actor> {
        object::actor(&self.0, id.as_ref()).await
    }

    /// The address of the API: `https://api.apify.com/` unless it was set.
    pub fn base_url(&self) -> &str {
        self.0.base_url.as_str()
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.0
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.0.base_url.as_str())
            .field("timeout", &self.0.timeout)
            .field("retry", &self.0.retry)
            .field("max_requests_per_second", &self.0.pacers.list_rate())
            .field("max_total_requests_per_second", &self.0.pacers.total_rate())
            .field("compression", &self.0.compression)
            .field("max_page_bytes", &self.0.max_page_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::retry::RetryPolicy;

    #[test]
    fn plain_http_to_another_machine_must_be_allowed() {
        let builder = Client::builder().token("t").base_url("http://10.0.0.1");
        let error = builder.clone().build().unwrap_err();
        assert!(error.to_string().contains("plain http"), "{error}");
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
            "invalid timeout 0ns: it must be from 1ms to 1h"
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
