//! Fetching pages: pace, budget and retries around each request.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::task::{JoinHandle, spawn};
use tokio::time::{Instant, sleep};

use super::counters::RequestCounters;
use super::pace::{Pacer, Permit};
use super::response::{self, ResponseHead};
use super::retry::Budget;
use super::settings::Settings;
use super::url;
use crate::clocks::Clocks;
use crate::error::{Error, ErrorKind, Result};
use crate::page::Page;
use crate::page::raw::{RawRows, Spans};
use crate::pool::Pool;
use crate::query::{RunQuery, RunSource, Share};
use crate::run::RunSummary;
use crate::trace::{debug, in_current_span, warn};
use crate::walk::PageRequest;

/// Fetches the pages of one query: any number at a time.
pub(crate) struct Fetcher {
    settings: Arc<Settings>,
    query: RunQuery,
    counters: Arc<RequestCounters>,
    bodies: Arc<Pool<u8>>,
    rows: Arc<Pool<RunSummary>>,
    keeps_raw_rows: bool,
    /// When the walk began.
    began: Instant,
    /// The pace of the reader, where this is one of several splits of a list.
    share: Option<(Share, Pacer)>,
    /// The pace of the list, for all its readers.
    list: Arc<Pacer>,
}

impl Fetcher {
    /// `rows` is where memory for the rows comes from.
    pub(crate) fn new(
        settings: Arc<Settings>,
        source: RunSource,
        counters: Arc<RequestCounters>,
        rows: Arc<Pool<RunSummary>>,
    ) -> Self {
        let list = url::of_list(&settings.base_url, &source.query);
        Self {
            list: settings.pacers.of_list(&list),
            settings,
            share: source.share.map(|share| (share, Pacer::of_share(share))),
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
        let policy = &self.settings.retry;
        let url = url::of_page(&self.settings.base_url, &self.query, request);
        let mut budget = Budget::new(policy);
        loop {
            // Pace. Waiting for a permit does not count against the budget.
            let permits = self.permits().await;

            // Budget. An attempt is cut short when the time for the page is over.
            let attempt = self.attempt(permits, &url, budget.time_left());
            let error = match budget.spend_on(attempt).await {
                Ok(page) => {
                    self.note(request, &page, budget.attempts());
                    return Ok(page);
                }
                Err(error) => error.with_request(named(&url), budget.attempts(), budget.spent()),
            };

            // Retry. A 429 holds back every request for the list, even if this one gives up.
            let delay = budget.next_delay(&error);
            if let Some(delay) = delay
                && error.kind() == ErrorKind::RateLimited
            {
                self.list.pause(delay);
            }
            let Some(delay) = delay.filter(|_| budget.may_retry(&error)) else {
                return Err(error);
            };
            let attempts = budget.attempts();
            warn!(offset = request.offset(), attempts = attempts, ?delay, %error, "retry");
            policy.notify(attempts, delay, &error);
            self.counters.retried();
            sleep(delay).await;
            budget.waited(delay, error);
        }
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

    /// Waits until a request may be sent: by the pace of the split's reader, if there is one, then
    /// by that of the list, and then by that of the client.
    async fn permits(&self) -> Permits<'_> {
        let of_share = match &self.share {
            Some((share, pacer)) => Some((*share, pacer.permit().await)),
            None => None,
        };
        Permits {
            of_share,
            of_list: self.list.permit().await,
            _of_client: self.settings.pacers.of_client().permit().await,
        }
    }

    async fn attempt(&self, permits: Permits<'_>, url: &Url, time_left: Duration) -> Result<Page> {
        let settings = &self.settings;
        self.counters.sent();
        let mut body = self.bodies.take();
        let limit = settings.timeout.min(time_left);
        let head = response::exchange(settings, url, limit, &mut body).await?;
        permits.on_response(&head);
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
pub(crate) struct Task(JoinHandle<Result<Page>>);

impl Task {
    pub(crate) fn start(fetcher: Arc<Fetcher>, request: PageRequest) -> Self {
        let page = async move { fetcher.page(request).await };
        Self(spawn(in_current_span(page)))
    }

    pub(crate) async fn finish(mut self) -> Result<Page> {
        let error = match (&mut self.0).await {
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
        self.0.abort();
    }
}

/// A request that may be sent.
struct Permits<'a> {
    of_share: Option<(Share, Permit<'a>)>,
    of_list: Permit<'a>,
    _of_client: Permit<'a>,
}

impl Permits<'_> {
    /// Takes over what a response says of the pace.
    fn on_response(self, head: &ResponseHead) {
        if let Some((share, permit)) = self.of_share {
            let rate_limit = head.rate_limit.map(|rate| share.part_of(rate));
            permit.on_response(head.status, rate_limit);
        }
        self.of_list.on_response(head.status, head.rate_limit);
    }
}

/// A request as errors name it: its path and query, which hold no secret.
fn named(url: &Url) -> String {
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}
