//! Fetching pages: pace, budget and retries around each request.

use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use reqwest::Url;
use tokio::task::{JoinError, JoinHandle, spawn};
use tokio::time::{Instant, sleep};

use super::averages::PagesInFlight;
use super::counters::RequestCounters;
use super::pace::{PaceReport, Pacer, Permit};
use super::response::{self, ResponseHead};
use super::retry::Attempts;
use super::settings::Settings;
use super::url;
use crate::clocks::Clocks;
use crate::error::{Error, ErrorKind, Result};
use crate::page::Page;
use crate::page::raw::{RawRows, Spans};
use crate::pool::Pool;
use crate::query::{RunQuery, RunSource};
use crate::run::RunSummary;
use crate::trace::{debug, in_current_span, warn};
use crate::walk::PageRequest;

/// Fetches the pages of one query, any number of them at once.
pub(crate) struct Fetcher {
    settings: Arc<Settings>,
    query: RunQuery,
    /// The list's address.
    list: Url,
    /// The pace of the list, for all its readers.
    pacer: Arc<Pacer>,
    counters: Arc<RequestCounters>,
    bodies: Arc<Pool<u8>>,
    rows: Arc<Pool<RunSummary>>,
    keeps_raw_rows: bool,
    /// When the walk began.
    began: Instant,
}

impl Fetcher {
    /// `rows` provides memory for the rows.
    pub(crate) fn new(
        settings: Arc<Settings>,
        source: RunSource,
        counters: Arc<RequestCounters>,
        rows: Arc<Pool<RunSummary>>,
    ) -> Self {
        let list = url::of_list(&settings.base_url, &source.query);
        Self {
            pacer: settings.pacers.of_list(&list),
            list,
            settings,
            query: source.query,
            counters,
            bodies: Arc::default(),
            rows,
            keeps_raw_rows: false,
            began: Instant::now(),
        }
    }

    /// Whether pages come with their rows as they were received.
    pub(crate) fn keep_raw_rows(mut self, keeps_raw_rows: bool) -> Self {
        self.keeps_raw_rows = keeps_raw_rows;
        self
    }

    /// Fetches one page, with as many attempts as the client's policy allows.
    ///
    /// An attempt is the request, the whole body, and reading it, so that a response that breaks
    /// off is retried like one that never came.
    pub(crate) async fn page(&self, request: PageRequest) -> Result<Page> {
        let url = url::of_page(&self.list, &self.query, request);
        let attempt = |permit, time_left| self.attempt(permit, &url, time_left);
        let (settings, offset) = (&self.settings, request.offset());
        let page = with_retries(settings, &self.pacer, &self.counters, &url, offset, attempt);
        let (page, attempts) = page.await?;
        self.note(request, &page, attempts);
        Ok(page)
    }

    /// Reports a page that has come.
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

    /// The pace of the list.
    pub(crate) fn pacer(&self) -> Arc<Pacer> {
        Arc::clone(&self.pacer)
    }

    /// How many pages of the list a walk has in flight, whose bodies take `max_bytes` at most.
    pub(crate) fn pages_in_flight(&self, max_bytes: usize) -> PagesInFlight {
        self.pacer.pages_in_flight(max_bytes)
    }

    async fn attempt(&self, permit: Permit, url: &Url, time_left: Duration) -> Result<Page> {
        let settings = &self.settings;
        self.counters.sent();
        let mut body = self.bodies.take();
        let head = send(settings, &self.pacer, permit, url, time_left, &mut body).await?;
        self.counters.received(body.len());
        let clocks = Clocks::read(head.date, self.began);
        let mut spans = self.keeps_raw_rows.then(Spans::new);
        let mut page = response::read(settings, head, &body, self.rows.take(), spans.as_mut());
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

/// Sends a request once, appends the body of its response, and reports the result to the pacer.
pub(super) async fn send(
    settings: &Settings,
    pacer: &Pacer,
    permit: Permit,
    url: &Url,
    time_left: Duration,
    body: &mut Vec<u8>,
) -> Result<ResponseHead> {
    let limit = settings.timeout.min(time_left);
    let sent_at = Instant::now();
    let head = response::exchange(settings, url, limit, body).await?;
    let report = PaceReport {
        status: head.status,
        rate_limit: head.rate_limit,
        latency: sent_at.elapsed(),
        body_bytes: body.len(),
    };
    pacer.on_response(permit, &report);
    Ok(head)
}

/// Sends a request again until an attempt succeeds or the client's policy gives up. Returns how
/// many attempts that took, too.
///
/// `offset` is for events.
pub(super) async fn with_retries<T, F>(
    settings: &Settings,
    pacer: &Pacer,
    counters: &RequestCounters,
    url: &Url,
    offset: u64,
    attempt: impl Fn(Permit, Duration) -> F,
) -> Result<(T, u32)>
where
    F: Future<Output = Result<T>>,
{
    let policy = &settings.retry;
    let mut attempts = Attempts::new(policy);
    loop {
        // Pace: that of the list, and then that of the client. Waiting for a permit takes nothing
        // from the time for the request.
        let permit = pacer.permit().await;
        settings.pacers.of_client().permit().await;

        // An attempt is cut short when the time for the request is over.
        let sent = attempt(permit, attempts.time_left());
        let error = match attempts.spend_on(sent).await {
            Ok(response) => {
                settings.retry_budget.deposit();
                return Ok((response, attempts.count()));
            }
            Err(error) => error.with_request(named(url), attempts.count(), attempts.spent()),
        };

        // Retry. A `Retry-After` of a 429 holds back every request for the list, even if this one
        // gives up.
        let has_responded = settings.has_responded.load(Ordering::Relaxed);
        let delay = attempts.next_delay(&error, has_responded);
        let is_refusal = error.kind() == ErrorKind::RateLimited;
        if let (true, Some(delay), Some(_)) = (is_refusal, delay, error.retry_after()) {
            pacer.pause(delay);
        }
        let Some(delay) = delay.filter(|_| attempts.may_retry(&error)) else {
            return Err(error);
        };
        let count = attempts.count();
        warn!(target: "apify_runs::retry", offset = offset, attempts = count, ?delay, %error, "retry");
        policy.notify(count, delay, &error);
        counters.retried();
        sleep(delay).await;
        attempts.waited(delay, error);

        // Budget. The rate of the list has taken refusals into account.
        if !is_refusal {
            settings.retry_budget.withdraw().await;
        }
    }
}

/// Fetches one page that is not part of a walk.
pub(crate) async fn single_page(
    settings: &Arc<Settings>,
    source: RunSource,
    request: PageRequest,
) -> Result<Page> {
    settings.token.reject_in_query(&source.query)?;
    source.validate()?;
    let fetcher = Fetcher::new(Arc::clone(settings), source, Arc::default(), Arc::default());
    Task::start(Arc::new(fetcher), request).finish().await
}

/// How many rows the list has, if the service says so.
pub(crate) async fn total(settings: &Arc<Settings>, source: RunSource) -> Result<Option<u64>> {
    let page = single_page(settings, source, PageRequest::rows(0, 1)).await?;
    Ok(page.total)
}

/// A page in flight. Dropped, its request is aborted.
///
/// It runs whether it is polled or not: a request that waits for its permit holds up others.
pub(crate) struct Task {
    handle: JoinHandle<Result<Page>>,
    /// What the handle has returned.
    page: Option<Result<Result<Page>, JoinError>>,
}

impl Task {
    pub(crate) fn start(fetcher: Arc<Fetcher>, request: PageRequest) -> Self {
        let page = async move { fetcher.page(request).await };
        Self {
            handle: spawn(in_current_span(page)),
            page: None,
        }
    }

    /// Whether the page has come, as far as [`poll_finished`](Self::poll_finished) has seen.
    pub(crate) fn is_finished(&self) -> bool {
        self.page.is_some()
    }

    /// Waits until the page has come.
    pub(crate) fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.page.is_none() {
            self.page = Some(ready!(Pin::new(&mut self.handle).poll(cx)));
        }
        Poll::Ready(())
    }

    pub(crate) async fn finish(mut self) -> Result<Page> {
        let page = match self.page.take() {
            Some(page) => page,
            None => (&mut self.handle).await,
        };
        let error = match page {
            Ok(page) => return page,
            Err(error) => error,
        };
        if error.is_panic() {
            resume_unwind(error.into_panic());
        }
        let message = "the runtime shuts down";
        Err(Error::new(ErrorKind::Transport, message).with_source(error))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// A request as errors name it: its path and query, which hold no secret.
fn named(url: &Url) -> String {
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}
