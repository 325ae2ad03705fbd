//! One page over the network: an attempt, and the loop that repeats it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, LOCATION, USER_AGENT};
use reqwest::{Response, StatusCode, Url};
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::{Client, Settings};
use crate::clocks::Clocks;
use crate::error::{Error, ErrorKind, Result};
use crate::http::pace::{self, Pacer, Permit};
use crate::http::retry;
use crate::page::decode::{self, ApiError, Page, Unusable, excerpt};
use crate::page::raw::{RawRows, Spans};
use crate::pool::{KEPT_BYTES, Pool};
use crate::query::RunQuery;
use crate::run::RunSummary;
use crate::split::Share;
use crate::stream::stats::Counters;
use crate::trace::{debug, warn};
use crate::walk::PageRequest;

/// How much of the body of an error is read.
const ERROR_BYTES: usize = 16 << 10;

/// Fetches the pages of one query: any number at a time.
pub(crate) struct Fetcher {
    client: Client,
    query: RunQuery,
    counters: Arc<Counters>,
    bodies: Arc<Pool<u8>>,
    rows: Arc<Pool<RunSummary>>,
    keeps_raw_rows: bool,
    /// When the walk began.
    began: Instant,
    /// Where this query is one of several parts of a list.
    share: Option<(Share, Pacer)>,
}

impl Fetcher {
    /// `rows` is where memory for the rows comes from.
    pub(crate) fn new(
        client: Client,
        query: RunQuery,
        counters: Arc<Counters>,
        rows: Arc<Pool<RunSummary>>,
    ) -> Self {
        Self {
            share: query.share.map(|share| (share, Pacer::of_share(share))),
            client,
            query,
            counters,
            bodies: Arc::default(),
            rows,
            keeps_raw_rows: false,
            began: Instant::now(),
        }
    }

    /// Whether pages come with the texts of their rows.
    pub(crate) fn keep_raw_rows(mut self, keeps_raw_rows: bool) -> Self {
        self.keeps_raw_rows = keeps_raw_rows;
        self
    }

    /// Fetches one page, with as many attempts as the client's policy allows.
    ///
    /// An attempt is the request, the whole body, and reading it, so that an answer that
    /// breaks off is repeated like one that never came.
    pub(crate) async fn page(&self, request: PageRequest) -> Result<Page> {
        let settings = self.client.settings();
        let policy = &settings.retry;
        let url = self.query.url(&settings.base_url, request);
        let mut delays = policy.delays();
        // To wait for one's turn costs nothing of the time that a page may take.
        let (mut attempts, mut spent) = (0, Duration::ZERO);
        let mut before: Option<Error> = None;
        loop {
            let permits = self.permits().await;
            attempts += 1;
            let time_left = policy.max_elapsed.saturating_sub(spent);
            let sent_at = Instant::now();
            let result = self.attempt(permits, &url, time_left).await;
            spent += sent_at.elapsed();
            let error = match result {
                Ok(page) => {
                    self.note(request, &page, attempts);
                    return Ok(page);
                }
                Err(error) => error,
            };
            // One that the end of the budget cut short says less than the one before.
            let is_cut_short = error.kind() == ErrorKind::Timeout && spent >= policy.max_elapsed;
            let error = match before.take() {
                Some(before) if is_cut_short => before,
                _ => error,
            };
            let error = error.with_request(named(&url), attempts, spent);
            let delay = delays.next().unwrap_or_default();
            let delay = delay.max(error.retry_after().unwrap_or_default());
            let is_in_time = delay < policy.max_elapsed.saturating_sub(spent);
            if error.kind() == ErrorKind::RateLimited && is_in_time {
                settings.pacer.pause(delay);
            }
            if !error.is_transient() || attempts > policy.max_retries || !is_in_time {
                return Err(error);
            }
            warn!(offset = request.offset(), attempts = attempts, ?delay, %error, "retry");
            policy.notify(attempts, delay, &error);
            self.counters.retried();
            before = Some(error);
            sleep(delay).await;
            spent += delay;
        }
    }

    /// Tells of a page that has come.
    fn note(&self, request: PageRequest, page: &Page, attempts: u32) {
        let (offset, rows) = (request.offset(), page.row_count());
        debug!(offset = offset, rows = rows, attempts = attempts, "page");
        if request.anchor().is_none()
            && request.whole_list().is_none()
            && let Some(total) = page.total
        {
            self.counters.listed(total);
        }
    }

    /// Waits until a request may be sent: by the pace of the reader, if there are several, and by
    /// that of the client.
    async fn permits(&self) -> Permits<'_> {
        let of_share = match &self.share {
            Some((share, pacer)) => Some((*share, pacer.permit().await)),
            None => None,
        };
        Permits {
            of_share,
            of_client: self.client.settings().pacer.permit().await,
        }
    }

    async fn attempt(&self, permits: Permits<'_>, url: &Url, time_left: Duration) -> Result<Page> {
        let settings = self.client.settings();
        self.counters.sent();
        let mut body = self.bodies.take();
        let limit = settings.timeout.min(time_left);
        let answer = exchange(settings, url, limit, &mut body).await?;
        permits.answered(&answer);
        self.counters.received(body.len());
        let clocks = Clocks::read(answer.date, self.began);
        let mut spans = self.keeps_raw_rows.then(Spans::new);
        let mut page = read(settings, answer, &body, self.rows.take(), spans.as_mut());
        if let Ok(page) = &mut page {
            page.clocks = Some(clocks);
            if let Some(spans) = spans {
                let body = std::mem::take(&mut body);
                page.raw_rows = Some(RawRows::new(body, spans, Arc::clone(&self.bodies)));
            }
        }
        self.bodies.keep(body);
        page
    }
}

/// A request that may be sent.
struct Permits<'a> {
    of_share: Option<(Share, Permit<'a>)>,
    of_client: Permit<'a>,
}

impl Permits<'_> {
    /// Takes over what an answer says of the pace.
    fn answered(self, answer: &ResponseHead) {
        if let Some((share, permit)) = self.of_share {
            let rate_limit = answer.rate_limit.map(|rate| share.part_of(rate));
            permit.answered(answer.status, rate_limit);
        }
        self.of_client.answered(answer.status, answer.rate_limit);
    }
}

/// A request as errors name it: its path and query, which hold no secret.
fn named(url: &Url) -> String {
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

/// What a whole answer says before its body.
struct ResponseHead {
    status: StatusCode,
    retry_after: Option<Duration>,
    /// The service's clock, if the response tells.
    date: Option<DateTime<Utc>>,
    /// How many requests a second the service allows, if it tells.
    rate_limit: Option<f64>,
    /// Whom a redirect that was not followed points to: scheme, host and port.
    redirect: Option<String>,
}

/// Sends a request and appends the body of its answer, all of it within `limit`.
async fn exchange(
    settings: &Settings,
    url: &Url,
    limit: Duration,
    body: &mut Vec<u8>,
) -> Result<ResponseHead> {
    let deadline = Instant::now() + limit;
    let late = |_| {
        let message = format!("no complete answer within {limit:?}");
        Error::new(ErrorKind::Timeout, message)
    };
    let mut request = settings
        .http
        .get(url.clone())
        .header(AUTHORIZATION, settings.token.header.clone())
        .header(ACCEPT, "application/json");
    if let Some(user_agent) = &settings.user_agent {
        request = request.header(USER_AGENT, user_agent.clone());
    }
    if !settings.compression {
        request = request.header(ACCEPT_ENCODING, "identity");
    }
    let response = timeout_at(deadline, request.send()).await.map_err(late)?;
    let response = response.map_err(transport)?;
    let (status, headers) = (response.status(), response.headers());
    let answer = ResponseHead {
        status,
        retry_after: retry::retry_after(headers),
        date: retry::date(headers),
        rate_limit: pace::rate_limit(headers),
        redirect: headers
            .get(LOCATION)
            .filter(|_| status.is_redirection())
            .map(|location| redirect_origin(url, location.to_str().unwrap_or_default())),
    };
    if status.is_success() {
        let read = read_body(response, settings.max_page_bytes, body);
        timeout_at(deadline, read).await.map_err(late)??;
    } else {
        // The status says enough, even if the rest does not come.
        let deadline = deadline.min(Instant::now() + settings.timeout / 2);
        let _ = timeout_at(deadline, read_beginning(response, body)).await;
    }
    Ok(answer)
}

/// Appends the beginning of an error's body, as far as it comes.
async fn read_beginning(mut response: Response, body: &mut Vec<u8>) {
    while body.len() < ERROR_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
}

fn redirect_origin(url: &Url, location: &str) -> String {
    match url.join(location) {
        Ok(target) if target.has_host() => target.origin().ascii_serialization(),
        _ => "an unknown host".into(),
    }
}

/// Appends the body of an answer, as long as it is not too long.
async fn read_body(mut response: Response, max_bytes: usize, body: &mut Vec<u8>) -> Result<()> {
    let too_long = || {
        let message = format!("the answer is longer than max_page_bytes {max_bytes}");
        Err(Error::new(ErrorKind::Protocol, message))
    };
    let announced = response.content_length().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > max_bytes {
        return too_long();
    }
    body.reserve(announced.min(KEPT_BYTES));
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if chunk.len() > max_bytes - body.len() {
            return too_long();
        }
        body.extend_from_slice(&chunk);
    }
    Ok(())
}

fn transport(error: reqwest::Error) -> Error {
    let (kind, message) = if error.is_timeout() {
        (ErrorKind::Timeout, "the connection timed out")
    } else if error.is_builder() {
        // Every setting has been checked: it is where a redirect leads.
        (ErrorKind::Protocol, "there is no way to send the request")
    } else if error.is_redirect() {
        (ErrorKind::Protocol, "the redirects lead nowhere")
    } else if error.is_connect() {
        (ErrorKind::Transport, "no connection")
    } else if error.is_body() || error.is_decode() {
        (ErrorKind::Transport, "the answer broke off")
    } else {
        (ErrorKind::Transport, "the connection failed")
    };
    Error::new(kind, message).with_source(error.without_url())
}

/// Makes a page of a whole answer, with its rows in `rows`, which is empty, and their places in
/// `spans`, or an error that says what it is instead.
fn read(
    settings: &Settings,
    answer: ResponseHead,
    body: &[u8],
    rows: Vec<RunSummary>,
    spans: Option<&mut Spans>,
) -> Result<Page> {
    let redact = |text: &str| settings.token.redact(text);
    if answer.status.is_success() {
        let page = decode::page_in(rows, body, spans).map_err(|unusable| match unusable {
            Unusable::ApiError(error) => reported(settings, &answer, ErrorKind::Api, error),
            Unusable::TooManyRows => {
                let message = decode::TOO_MANY_ROWS;
                Error::new(ErrorKind::Protocol, message).with_status(answer.status.as_u16())
            }
            Unusable::NotAList(reason) => {
                let message = decode::not_a_list(&reason, body, &redact);
                Error::new(ErrorKind::Decode, message).with_status(answer.status.as_u16())
            }
        })?;
        return Ok(page);
    }
    let kind = match answer.status.as_u16() {
        401 | 403 => ErrorKind::Auth,
        404 => ErrorKind::NotFound,
        429 => ErrorKind::RateLimited,
        _ => ErrorKind::Api,
    };
    let error = decode::api_error(body).unwrap_or_else(|| ApiError {
        api_type: None,
        message: match &answer.redirect {
            Some(origin) => Some(format!("a redirect to {origin} is not followed")),
            None if body.is_empty() => None,
            None => Some(decode::quote(body, &redact)),
        },
    });
    Err(reported(settings, &answer, kind, error))
}

/// An error that the service itself reports.
fn reported(settings: &Settings, answer: &ResponseHead, kind: ErrorKind, error: ApiError) -> Error {
    let shown = |text: String| excerpt(&settings.token.redact(&text));
    let api_type = error.api_type.map(shown);
    let mut message = answer.status.to_string();
    if let Some(api_type) = &api_type {
        message = format!("{message} ({api_type})");
    }
    if let Some(text) = error.message.map(shown) {
        message = format!("{message}: {text}");
    }
    Error::new(kind, message)
        .with_status(answer.status.as_u16())
        .with_api_type(api_type)
        .with_retry_after(answer.retry_after)
}
