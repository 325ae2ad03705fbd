//! The walk, page by page.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_stream::stream;
use chrono::{DateTime, Utc};
use futures_core::Stream;
use futures_core::stream::FusedStream;

use crate::client::Client;
use crate::decode::{self, Page, UnreadableRow, Unusable, excerpt};
use crate::error::{Error, ErrorKind, Result};
use crate::fetch::Fetcher;
use crate::query::RunQuery;
use crate::run::RunSummary;
use crate::stats::{Counters, WalkStats};
use crate::timestamp;
use crate::trace::warn;
use crate::walk::{Broken, Incidents, PageRequest, Taken, Walk};

/// One page of the list.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunPage {
    /// How many rows the list has, by the service's count. After a walk has gone on from its
    /// watermark, the list is the part of it from there on.
    pub total: u64,
    /// Where in that list the first of `items` is, from 0.
    pub offset: u64,
    /// The most rows the service would have put on this page.
    pub limit: u64,
    /// Whether the list is newest first.
    pub desc: bool,
    /// The runs of the page. In a walk, rows handed out before are not among them.
    pub items: Vec<RunSummary>,
    /// An error of kind [`Item`](ErrorKind::Item) for each row that could not be read.
    ///
    /// Always empty in a walk, which hands them out as errors of their own.
    pub unreadable: Vec<Error>,
}

impl RunPage {
    /// Reads a page from the JSON of an answer that is already there: from a file, a cache,
    /// or another HTTP client.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Api`] if the answer is an error object, and [`ErrorKind::Decode`] if it
    /// is no list of runs. Rows that cannot be read are in [`unreadable`](Self::unreadable).
    ///
    /// # Example: read an answer from a file
    ///
    /// ```
    /// use apify_runs::RunPage;
    ///
    /// let body = br#"{"data": {"total": 1, "offset": 0, "limit": 1000, "desc": false,
    ///     "count": 1, "items": [{"id": "HG7ML7M8z78YcAPEB", "status": "READY"}]}}"#;
    /// let page = RunPage::from_json(body)?;
    /// assert_eq!(page.items[0].id, "HG7ML7M8z78YcAPEB");
    /// # Ok::<(), apify_runs::Error>(())
    /// ```
    pub fn from_json(body: &[u8]) -> Result<Self> {
        let redact = |text: &str| text.to_owned();
        match decode::page(body) {
            Ok(page) => {
                let request = PageRequest {
                    anchor: None,
                    offset: page.offset.unwrap_or(0),
                    limit: page.row_count() as u64,
                };
                Ok(Self::new(page, request, false, &redact))
            }
            Err(Unusable::ApiError(error)) => {
                let text = excerpt(error.message.as_deref().unwrap_or("without a message"));
                let message = format!("the answer is an error: {text}");
                Err(Error::new(ErrorKind::Api, message).with_api_type(error.api_type))
            }
            Err(Unusable::NotAList(reason)) => {
                let message = decode::not_a_list(&reason, body, &redact);
                Err(Error::new(ErrorKind::Decode, message))
            }
        }
    }

    /// A page on its own, outside of a walk. What the answer does not say of itself is taken
    /// from the request.
    pub(crate) fn new(
        page: Page,
        request: PageRequest,
        descending: bool,
        redact: &dyn Fn(&str) -> String,
    ) -> Self {
        let head = Head::new(&page, request, descending);
        let offset = page.offset.unwrap_or(request.offset);
        let unreadable = page.unreadable.iter();
        Self {
            total: head.total,
            offset,
            limit: head.limit,
            desc: head.desc,
            unreadable: unreadable
                .map(|row| unreadable_row(row, offset, request.anchor, redact))
                .collect(),
            items: page.rows,
        }
    }
}

fn unreadable_row(
    row: &UnreadableRow,
    page_offset: u64,
    anchor: Option<DateTime<Utc>>,
    redact: &dyn Fn(&str) -> String,
) -> Error {
    let shown = |text: &str| excerpt(&redact(text));
    let id = row
        .id
        .as_deref()
        .map_or("without a readable id".into(), shown);
    let position = page_offset.saturating_add(row.index as u64);
    let list = match anchor {
        None => "the list".into(),
        Some(anchor) => format!("the list from {} on", timestamp::to_query(anchor)),
    };
    let reason = shown(&row.reason);
    let message = format!("run {id} at offset {position} of {list} cannot be read: {reason}");
    Error::new(ErrorKind::Item, message)
}

/// Every run of a query, page by page: [`Runs::pages`](crate::Runs::pages).
///
/// The same walk as [`RunStream`](crate::RunStream), in larger pieces. A row that cannot be
/// read ends its page early and is an `Err` of kind [`Item`](ErrorKind::Item) after it; the
/// rest of the page follows. After any other `Err` the stream is over.
///
/// Nothing is requested before the first poll. Dropping it aborts the request in flight.
///
/// # Cancel safety
///
/// `next()` may be dropped at any await, as in `select!`: no page is lost, and the next call
/// goes on where it was.
///
/// # Panics
///
/// Polling panics outside of a tokio runtime with I/O and time enabled.
#[must_use = "streams do nothing unless polled"]
pub struct RunPages {
    batches: Pin<Box<dyn Stream<Item = Result<Batch>> + Send>>,
    counters: Arc<Counters>,
    rows: u64,
    is_over: bool,
}

/// Rows of one page that follow each other in the list.
pub(crate) struct Batch {
    head: Head,
    offset: u64,
    pub(crate) rows: std::vec::IntoIter<RunSummary>,
}

/// What an answer says of the list. What it does not say is taken from the request.
#[derive(Clone, Copy)]
struct Head {
    total: u64,
    limit: u64,
    desc: bool,
}

impl Head {
    fn new(page: &Page, request: PageRequest, descending: bool) -> Self {
        Self {
            total: page.total,
            limit: page.limit.unwrap_or(request.limit),
            desc: page.desc.unwrap_or(descending),
        }
    }
}

impl RunPages {
    pub(crate) fn new(client: Client, query: RunQuery) -> Self {
        let counters = Arc::new(Counters::default());
        Self {
            batches: Box::pin(batches(client, query, Arc::clone(&counters))),
            counters,
            rows: 0,
            is_over: false,
        }
    }

    /// What the walk has done so far. Rows count when their page is handed out.
    pub fn stats(&self) -> WalkStats {
        self.counters.snapshot(self.rows)
    }

    /// The next rows as they come off the walk; `None` for ever once it is over.
    pub(crate) fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let next = self.batches.as_mut().poll_next(cx);
        if let Poll::Ready(next) = &next {
            self.is_over = match next {
                None => true,
                Some(Ok(_)) => false,
                Some(Err(error)) => error.kind() != ErrorKind::Item,
            };
        }
        next
    }

    /// Counts rows that were handed out.
    pub(crate) fn handed_out(&mut self, rows: usize) {
        self.rows += rows as u64;
    }
}

impl Stream for RunPages {
    type Item = Result<RunPage>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_batch(cx).map_ok(|batch| {
            self.handed_out(batch.rows.len());
            RunPage {
                total: batch.head.total,
                offset: batch.offset,
                limit: batch.head.limit,
                desc: batch.head.desc,
                items: batch.rows.collect(),
                unreadable: Vec::new(),
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.is_over.then_some(0))
    }
}

impl FusedStream for RunPages {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}

impl fmt::Debug for RunPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunPages")
            .field("stats", &self.stats())
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

fn batches(
    client: Client,
    query: RunQuery,
    counters: Arc<Counters>,
) -> impl Stream<Item = Result<Batch>> + Send {
    stream! {
        if let Err(error) = query.validate() {
            yield Err(error);
            return;
        }
        let mut walk = Walk::new(&query);
        let descending = query.descending;
        let mut fetcher = Fetcher::new(client.clone(), query, Arc::clone(&counters));
        while let Some(request) = walk.next_request() {
            let page = match fetcher.page(request).await {
                Ok(page) => page,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            };
            match walk.take(request, &page) {
                Ok(taken) => {
                    note_drift(&counters, request, walk.incidents());
                    for batch in split(&client, request, descending, page, taken) {
                        yield batch;
                    }
                }
                Err(broken) => {
                    yield Err(cannot_go_on(&client, request, &broken));
                    return;
                }
            }
        }
    }
}

fn cannot_go_on(client: &Client, request: PageRequest, broken: &Broken) -> Error {
    let message = excerpt(&client.settings().token.redact(&broken.to_string()));
    warn!(offset = request.offset, %message, "the walk cannot go on");
    Error::new(ErrorKind::Protocol, message)
}

/// Counts what the walk has met, and tells of a list that moved.
fn note_drift(counters: &Counters, request: PageRequest, incidents: Incidents) {
    if counters.met(incidents) {
        let offset = request.offset;
        warn!(
            offset = offset,
            ?incidents,
            "the list moved: going on from the watermark"
        );
    }
}

/// The rows to hand out, in pieces: a row that cannot be read stands between two of them.
fn split(
    client: &Client,
    request: PageRequest,
    descending: bool,
    page: Page,
    taken: Taken,
) -> Vec<Result<Batch>> {
    let head = Head::new(&page, request, descending);
    let batch = |from: usize, rows: std::vec::IntoIter<RunSummary>| Batch {
        head,
        offset: request.offset + from as u64,
        rows,
    };
    if page.unreadable.is_empty() && taken.known.is_empty() {
        let mut rows = page.rows;
        rows.truncate(taken.rows.end);
        let mut rows = rows.into_iter();
        rows.by_ref().take(taken.rows.start).for_each(drop);
        let is_empty = rows.len() == 0;
        return if is_empty {
            Vec::new()
        } else {
            vec![Ok(batch(taken.rows.start, rows))]
        };
    }

    let mut pieces = Vec::new();
    let (mut piece, mut from) = (Vec::new(), taken.rows.start);
    for (index, row) in page.into_rows().enumerate() {
        if !taken.includes(index) {
            continue;
        }
        match row {
            Ok(row) => {
                if piece.is_empty() {
                    from = index;
                }
                piece.push(row);
            }
            Err(row) => {
                if !piece.is_empty() {
                    pieces.push(Ok(batch(from, std::mem::take(&mut piece).into_iter())));
                }
                let redact = |text: &str| client.settings().token.redact(text);
                let (offset, anchor) = (request.offset, request.anchor);
                pieces.push(Err(unreadable_row(&row, offset, anchor, &redact)));
            }
        }
    }
    if !piece.is_empty() {
        pieces.push(Ok(batch(from, piece.into_iter())));
    }
    pieces
}
