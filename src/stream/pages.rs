//! The walk, page by page.

use std::collections::VecDeque;
use std::fmt;
#[cfg(feature = "export")]
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_stream::stream;
use chrono::{DateTime, Utc};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_util::stream::empty;
use tokio::time::sleep;

use crate::client::Client;
use crate::cursor::{Cursor, CursorTracker, CursorUpdate};
use crate::error::{Error, ErrorKind, Result};
use crate::http::fetch::Fetcher;
use crate::page::decode::{self, Page, UnreadableRow, Unusable, excerpt};
use crate::page::raw::RawRows;
use crate::pool::Pool;
use crate::run::RunSummary;
use crate::stream::read_ahead::Prefetch;
use crate::stream::rows::Runs;
use crate::stream::stats::{Counters, WalkStats};
use crate::timestamp;
use crate::trace::{debug, warn};
use crate::walk::{Broken, Incidents, Next, PageRequest, Selection, Walk};

/// One page of the list.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunPage {
    /// How many rows the list has, by the service's count. After a walk has gone on from its
    /// watermark, the list is the part of it from there on. `None` if the service does not say,
    /// or if what it says is no whole number.
    pub total: Option<u64>,
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
    /// [`ErrorKind::Api`] if the answer is an error object, [`ErrorKind::Protocol`] if it has
    /// more than 10,000 rows, and [`ErrorKind::Decode`] if it is no list of runs. Rows that
    /// cannot be read are in [`unreadable`](Self::unreadable).
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
                let (offset, rows) = (page.offset.unwrap_or(0), page.row_count() as u64);
                let request = PageRequest::rows(offset, rows);
                Ok(Self::new(page, request, false, &redact))
            }
            Err(Unusable::ApiError(error)) => {
                let text = excerpt(error.message.as_deref().unwrap_or("without a message"));
                let message = format!("the answer is an error: {text}");
                Err(Error::new(ErrorKind::Api, message).with_api_type(error.api_type))
            }
            Err(Unusable::TooManyRows) => {
                Err(Error::new(ErrorKind::Protocol, decode::TOO_MANY_ROWS))
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
    Error::new(ErrorKind::Item, message).with_row(redact(&row.text))
}

/// Every run of a query, page by page: [`Runs::pages`](crate::Runs::pages).
///
/// The same walk as [`RunStream`](crate::RunStream), in larger pieces. A row that cannot be
/// read ends its page early and is an `Err` of kind [`Item`](ErrorKind::Item) after it; the
/// rest of the page follows. After any other `Err` the stream is over.
///
/// Nothing is requested before the first poll. Dropping it aborts the requests in flight.
///
/// # Cancel safety
///
/// `next()` may be dropped at any await, as in `select!`: no page is lost, and the next call
/// goes on where it was.
///
/// # Panics
///
/// Polling panics outside of a tokio runtime with I/O and time enabled.
///
/// # Example: a row group for each page
///
/// ```
/// use apify_runs::RunQuery;
/// use apify_runs::emulator::Emulator;
/// use futures::TryStreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> apify_runs::Result<()> {
/// let emulator = Emulator::builder().runs(2500).start().await?;
/// let mut pages = emulator.client().runs("janedoe/my-actor").pages();
/// let mut sizes = Vec::new();
/// while let Some(page) = pages.try_next().await? {
///     sizes.push(page.items.len());
/// }
/// assert_eq!(sizes.len(), 3);
/// assert_eq!(sizes.iter().sum::<usize>(), 2500);
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct RunPages {
    pieces: Pin<Box<dyn Stream<Item = Piece> + Send>>,
    trail: CursorTracker,
    counters: Arc<Counters>,
    /// Retention for the rows of the next pages.
    pool: Arc<Pool<RunSummary>>,
    /// What the cursor has gone over, if it is kept.
    #[cfg(feature = "export")]
    updates: Option<Vec<CursorUpdate>>,
    rows: u64,
    is_over: bool,
}

/// What comes off the walk at a time, and where that leaves the cursor.
struct Piece {
    batch: Result<Batch>,
    steps: Vec<CursorUpdate>,
}

/// Rows of one page that follow each other in the list.
pub(crate) struct Batch {
    head: Head,
    offset: u64,
    pub(crate) rows: VecDeque<RunSummary>,
    /// The rows as they were received, if that was asked for.
    #[cfg_attr(not(feature = "export"), allow(dead_code, reason = "for exports"))]
    pub(crate) raw_rows: Option<RawBatch>,
}

/// The texts of the rows of a batch.
#[cfg_attr(not(feature = "export"), allow(dead_code, reason = "for exports"))]
pub(crate) struct RawBatch {
    page: Arc<RawRows>,
    /// Where in the page each row is.
    places: Vec<usize>,
}

#[cfg(feature = "export")]
impl RawBatch {
    /// The rows as they were received, in the order of the batch.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().map(|place| self.page.get(*place))
    }
}

/// What an answer says of the list. What it does not say is taken from the request, but for the
/// total.
#[derive(Clone, Copy)]
struct Head {
    total: Option<u64>,
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
    pub(crate) fn new(runs: Runs) -> Self {
        let counters = Arc::new(Counters::default());
        let memory = runs.rules().memory(&runs.query);
        let pool = Arc::default();
        let begun = runs.begin();
        // A walk that cannot begin leaves the cursor as it was.
        let cursor = begun.as_ref().unwrap_or(&runs.resume).clone();
        Self {
            pieces: Box::pin(pieces(
                runs,
                begun,
                Arc::clone(&counters),
                Arc::clone(&pool),
            )),
            trail: CursorTracker::new(cursor, memory),
            counters,
            pool,
            #[cfg(feature = "export")]
            updates: None,
            rows: 0,
            is_over: false,
        }
    }

    /// Where to go on after exactly the pages that have been handed out: see
    /// [`Cursor`]. Before the first one it is the cursor the walk began with.
    pub fn cursor(&self) -> &Cursor {
        self.trail.cursor()
    }

    /// What the walk has done so far. Rows count when their page is handed out.
    pub fn stats(&self) -> WalkStats {
        self.counters.snapshot(self.rows)
    }

    /// The next rows as they come off the walk; `None` for ever once it is over. All rows
    /// before count as handed out.
    pub(crate) fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Batch>>> {
        loop {
            if self.is_over {
                return Poll::Ready(None);
            }
            self.finish();
            let Some(piece) = ready!(self.pieces.as_mut().poll_next(cx)) else {
                self.is_over = true;
                continue;
            };
            self.trail.extend(piece.steps);
            match piece.batch {
                // Rows that only the cursor has to know of.
                Ok(batch) if batch.rows.is_empty() => {}
                Ok(batch) => {
                    self.rows += batch.rows.len() as u64;
                    return Poll::Ready(Some(Ok(batch)));
                }
                Err(error) => {
                    self.finish();
                    if error.kind() != ErrorKind::Item {
                        self.is_over = true;
                        // What is in flight is given up now, not when the stream is dropped.
                        self.pieces = Box::pin(empty());
                    }
                    return Poll::Ready(Some(Err(error.with_cursor(self.trail.cursor()))));
                }
            }
        }
    }

    /// All that has come counts as handed out.
    fn finish(&mut self) {
        let _updates = self.trail.finish();
        #[cfg(feature = "export")]
        if let Some(updates) = &mut self.updates {
            updates.extend(_updates);
        }
    }

    /// Keeps what the next batches do to the cursor, so that another one can follow it.
    #[cfg(feature = "export")]
    pub(crate) fn keep_updates(&mut self) {
        self.updates.get_or_insert_default();
    }

    /// What was kept since the last call.
    #[cfg(feature = "export")]
    pub(crate) fn take_updates(&mut self) -> Vec<CursorUpdate> {
        self.updates
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// The next rows, or the error in their place. They count as handed out.
    #[cfg(feature = "export")]
    pub(crate) async fn next_batch(&mut self) -> Option<Result<Batch>> {
        let batch = poll_fn(|cx| self.poll_batch(cx)).await;
        self.finish();
        batch
    }

    /// Where the memory of rows goes that have been handed out.
    #[cfg(feature = "export")]
    pub(crate) fn pool(&self) -> Arc<Pool<RunSummary>> {
        Arc::clone(&self.pool)
    }

    /// Takes back the memory of rows that have been handed out.
    pub(crate) fn recycle(&self, rows: VecDeque<RunSummary>) {
        self.pool.keep(rows.into());
    }

    /// How many items have been handed out, over all walks that led here: rows, and errors
    /// in the place of rows.
    pub(crate) fn items(&self) -> u64 {
        self.trail.rows()
    }

    /// One row of the batch that came last has been handed out.
    #[inline]
    pub(crate) fn hand_out(&mut self) {
        self.trail.hand_out();
    }
}

impl Stream for RunPages {
    type Item = Result<RunPage>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_batch(cx).map_ok(|batch| {
            self.finish();
            RunPage {
                total: batch.head.total,
                offset: batch.offset,
                limit: batch.head.limit,
                desc: batch.head.desc,
                items: batch.rows.into(),
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

fn pieces(
    runs: Runs,
    begun: Result<Cursor>,
    counters: Arc<Counters>,
    pool: Arc<Pool<RunSummary>>,
) -> impl Stream<Item = Piece> + Send {
    stream! {
        let cursor = match begun {
            Ok(cursor) => cursor,
            Err(error) => {
                yield Piece::failure(error);
                return;
            }
        };
        let client = runs.client.clone();
        let mut walk = Walk::new(&runs.query, runs.rules(), cursor);
        counters.met(walk.incidents(), walk.unfinished());
        let query = runs.wire_query();
        let fetcher = Fetcher::new(client.clone(), query, Arc::clone(&counters), pool)
            .keep_raw_rows(runs.keeps_raw_rows);
        let mut pages = Prefetch::new(fetcher, runs.concurrency);
        let mut has_read = false;
        loop {
            let request = match walk.next() {
                Next::Fetch(request) => request,
                Next::Wait => {
                    sleep(runs.follow.unwrap_or_default()).await;
                    walk.poll();
                    continue;
                }
                Next::End => return,
            };
            let (request, page) = pages.page(&walk, request).await;
            let page = match page {
                Ok(page) => page,
                // Some services refuse an offset behind the end of the list. The first pages show
                // that the rest of the request is good.
                Err(error) if has_read && request.offset > 0 && error.status() == Some(400) => {
                    Page::empty()
                }
                Err(error) => {
                    yield Piece::failure(error);
                    return;
                }
            };
            has_read = true;
            let before = walk.incidents();
            match walk.take(request, &page) {
                Ok(taken) => {
                    note_incidents(&counters, request, before, &walk);
                    // The next pages come while the consumer is busy with this one.
                    pages.go_ahead(&walk);
                    let descending = runs.query.descending;
                    for piece in into_pieces(&client, request, descending, page, taken) {
                        yield piece;
                    }
                }
                Err(broken) => {
                    yield Piece::failure(cannot_go_on(&client, request, &broken));
                    return;
                }
            }
        }
    }
}

impl Piece {
    fn failure(error: Error) -> Self {
        Self {
            batch: Err(error),
            steps: Vec::new(),
        }
    }
}

fn cannot_go_on(client: &Client, request: PageRequest, broken: &Broken) -> Error {
    let message = excerpt(&client.settings().token.redact(&broken.to_string()));
    warn!(offset = request.offset, %message, "the walk cannot go on");
    let error = Error::new(ErrorKind::Protocol, message);
    match broken {
        // Nothing retries it: it does not come out of a request.
        Broken::Unstable => error.transient(),
        Broken::Stalled { .. } | Broken::Unsorted { .. } => error,
    }
}

/// Counts what the walk has met, and tells of it.
fn note_incidents(counters: &Counters, request: PageRequest, before: Incidents, walk: &Walk) {
    let now = walk.incidents();
    counters.met(now, walk.unfinished());
    let offset = request.offset;
    let drifts = now.drifts - before.drifts;
    if drifts > 0 {
        warn!(
            offset = offset,
            "the list moved: going on from the watermark"
        );
    }
    if now.reanchors - before.reanchors > drifts {
        debug!(offset = offset, "a deep offset: counting from a new anchor");
    }
    let duplicates = now.duplicates - before.duplicates;
    if duplicates > 0 {
        debug!(
            offset = offset,
            rows = duplicates,
            "left out rows that had been handed out"
        );
    }
    let late = now.late - before.late;
    if late > 0 {
        debug!(offset = offset, rows = late, "rows appeared late");
    }
    let vanished = now.vanished - before.vanished;
    if vanished > 0 {
        debug!(
            offset = offset,
            runs = vanished,
            "unfinished runs are gone from the list"
        );
    }
}

/// What all pieces of a page have in common.
struct PageContext {
    head: Head,
    request: PageRequest,
    raw_rows: Option<Arc<RawRows>>,
}

impl PageContext {
    /// The rows at these places of the page, of which `from` is the first.
    fn batch(
        &self,
        from: usize,
        places: impl Iterator<Item = usize>,
        rows: VecDeque<RunSummary>,
    ) -> Result<Batch> {
        Ok(Batch {
            head: self.head,
            offset: self.request.offset + from as u64,
            rows,
            raw_rows: self.raw_rows.as_ref().map(|raw_rows| RawBatch {
                page: Arc::clone(raw_rows),
                places: places.collect(),
            }),
        })
    }
}

/// The rows to hand out, in pieces: a row that cannot be read stands between two of them.
fn into_pieces(
    client: &Client,
    request: PageRequest,
    descending: bool,
    mut page: Page,
    taken: Selection,
) -> Vec<Piece> {
    let origin = PageContext {
        head: Head::new(&page, request, descending),
        request,
        raw_rows: page.raw_rows.take().map(Arc::new),
    };
    if !page.unreadable.is_empty() || !taken.left_out.is_empty() {
        return around_others(client, &origin, page, taken);
    }
    let mut rows = page.rows;
    rows.truncate(taken.rows.end);
    let mut rows = VecDeque::from(rows);
    for _ in 0..taken.rows.start {
        rows.pop_front();
    }
    let batch = origin.batch(taken.rows.start, taken.rows.clone(), rows);
    let steps = taken.steps;
    vec![Piece { batch, steps }]
}

/// The same where there are rows in between that are left out or cannot be read.
fn around_others(
    client: &Client,
    origin: &PageContext,
    page: Page,
    mut taken: Selection,
) -> Vec<Piece> {
    let redact = |text: &str| client.settings().token.redact(text);
    let PageRequest { offset, anchor, .. } = origin.request;
    let mut pieces = Vec::new();
    let (mut rows, mut places) = (VecDeque::new(), Vec::new());
    let mut ahead = std::mem::take(&mut taken.steps).into_iter();
    let mut steps = Vec::new();
    for (index, row) in page.into_rows().enumerate() {
        if !taken.includes(index) {
            continue;
        }
        match row {
            Ok(row) => {
                rows.push_back(row);
                places.push(index);
                take_item(&mut ahead, &mut steps);
            }
            Err(row) => {
                let from = places.first().copied().unwrap_or(index);
                pieces.push(Piece {
                    batch: origin.batch(from, places.drain(..), std::mem::take(&mut rows)),
                    steps: std::mem::take(&mut steps),
                });
                take_item(&mut ahead, &mut steps);
                pieces.push(Piece {
                    batch: Err(unreadable_row(&row, offset, anchor, &redact)),
                    steps: std::mem::take(&mut steps),
                });
            }
        }
    }
    steps.extend(ahead);
    let from = places.first().copied().unwrap_or(taken.rows.end);
    pieces.push(Piece {
        batch: origin.batch(from, places.into_iter(), rows),
        steps,
    });
    pieces
}

/// Moves the steps of the next item over: its own, and those of rows before it that are not
/// handed out.
fn take_item(ahead: &mut impl Iterator<Item = CursorUpdate>, steps: &mut Vec<CursorUpdate>) {
    for step in ahead {
        let is_item = step.hand_out;
        steps.push(step);
        if is_item {
            return;
        }
    }
}
