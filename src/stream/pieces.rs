//! The loop of a walk: request, take, hand out.

use std::collections::VecDeque;
use std::sync::Arc;

use async_stream::stream;
use futures_core::Stream;
use tokio::time::sleep;

use super::batch::{Batch, RawBatch};
use super::options::WalkOptions;
use super::read_ahead::PageReader;
use super::run_page::{Head, unreadable_row};
use super::stats::Meter;
use crate::cursor::{Cursor, CursorUpdate};
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::excerpt;
use crate::http::fetch::Fetcher;
use crate::http::settings::Settings;
use crate::http::token::Token;
use crate::page::Page;
use crate::page::raw::RawRows;
use crate::pool::Pool;
use crate::run::RunSummary;
use crate::trace::{debug, warn};
use crate::walk::{Incidents, Next, PageRequest, Selection, Walk, WalkError};

/// Rows that a walk hands out together, or an error, and what they do to the cursor.
pub(super) struct Piece {
    pub(super) batch: Result<Batch>,
    pub(super) updates: Vec<CursorUpdate>,
}

/// Reads the list page by page, from the cursor in `begun`.
pub(super) fn pieces(
    settings: Arc<Settings>,
    options: WalkOptions,
    begun: Result<Cursor>,
    meter: Arc<Meter>,
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
        let query = options.source.query.clone();
        let mut walk = Walk::new(&query, options.rules(), cursor);
        meter.met(walk.incidents(), walk.unfinished());
        let requests = Arc::clone(&meter.requests);
        let fetcher = Fetcher::new(Arc::clone(&settings), options.wire_source(), requests, pool)
            .keep_raw_rows(options.keeps_raw_rows);
        if let Some(monitor) = &options.monitor {
            monitor.begin(Arc::clone(&meter), fetcher.pacer());
        }
        let mut pages = PageReader::new(fetcher, options.concurrency);
        let mut has_read = false;
        loop {
            let request = match walk.next() {
                Next::Fetch(request) => request,
                Next::Wait => {
                    note_pass(&options);
                    sleep(options.follow.unwrap_or_default()).await;
                    walk.begin_pass();
                    continue;
                }
                Next::End => {
                    note_pass(&options);
                    return;
                }
            };
            let (request, page) = pages.page(&walk, request).await;
            let page = match page {
                Ok(page) => page,
                // Some services refuse an offset behind the end of the list. The first pages show
                // that the rest of the request is good.
                Err(error) if has_read && request.offset() > 0 && error.status() == Some(400) => {
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
                Ok(selection) => {
                    note_incidents(&meter, request, before, &walk);
                    // The next pages come while the consumer is busy with this one.
                    pages.go_ahead(&walk);
                    let token = &settings.token;
                    for piece in into_pieces(token, request, query.descending, page, selection) {
                        yield piece;
                    }
                }
                Err(error) => {
                    yield Piece::failure(cannot_go_on(&settings.token, request, &error));
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
            updates: Vec::new(),
        }
    }
}

fn cannot_go_on(token: &Token, request: PageRequest, reason: &WalkError) -> Error {
    let message = excerpt(&token.redact(&reason.to_string()));
    warn!(offset = request.offset(), %message, "the walk cannot continue");
    let error = Error::new(ErrorKind::Protocol, message);
    match reason {
        // Nothing retries it: it does not come out of a request.
        WalkError::Unstable => error.transient(),
        WalkError::Stalled { .. } | WalkError::Unsorted { .. } => error,
    }
}

/// Reports to the monitor that the walk has reached the end of the list.
fn note_pass(options: &WalkOptions) {
    if let Some(monitor) = &options.monitor {
        monitor.passed();
    }
}

/// Counts what the walk has met, and logs it.
fn note_incidents(meter: &Meter, request: PageRequest, before: Incidents, walk: &Walk) {
    let now = walk.incidents();
    meter.met(now, walk.unfinished());
    let offset = request.offset();
    let drifts = now.drifts - before.drifts;
    if drifts > 0 {
        warn!(
            offset = offset,
            "the list moved: resuming from the watermark"
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
            "skipped rows that had been handed out"
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
            offset: self.request.offset() + from as u64,
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
    token: &Token,
    request: PageRequest,
    descending: bool,
    mut page: Page,
    selection: Selection,
) -> Vec<Piece> {
    let context = PageContext {
        head: Head::new(&page, request, descending),
        request,
        raw_rows: page.raw_rows.take().map(Arc::new),
    };
    if !page.unreadable.is_empty() || !selection.skipped.is_empty() {
        return around_others(token, &context, page, selection);
    }
    let mut rows = page.rows;
    rows.truncate(selection.rows.end);
    let mut rows = VecDeque::from(rows);
    for _ in 0..selection.rows.start {
        rows.pop_front();
    }
    let batch = context.batch(selection.rows.start, selection.rows.clone(), rows);
    let updates = selection.updates;
    vec![Piece { batch, updates }]
}

/// The rows to hand out where others in between are skipped or cannot be read.
fn around_others(
    token: &Token,
    context: &PageContext,
    page: Page,
    mut selection: Selection,
) -> Vec<Piece> {
    let redact = |text: &str| token.redact(text);
    let (offset, anchor) = (context.request.offset(), context.request.anchor());
    let mut pieces = Vec::new();
    let (mut rows, mut places) = (VecDeque::new(), Vec::new());
    let mut ahead = std::mem::take(&mut selection.updates).into_iter();
    let mut updates = Vec::new();
    for (index, row) in page.into_rows().enumerate() {
        if !selection.includes(index) {
            continue;
        }
        match row {
            Ok(row) => {
                rows.push_back(row);
                places.push(index);
                take_item(&mut ahead, &mut updates);
            }
            Err(row) => {
                let from = places.first().copied().unwrap_or(index);
                pieces.push(Piece {
                    batch: context.batch(from, places.drain(..), std::mem::take(&mut rows)),
                    updates: std::mem::take(&mut updates),
                });
                take_item(&mut ahead, &mut updates);
                pieces.push(Piece {
                    batch: Err(unreadable_row(&row, offset, anchor, &redact)),
                    updates: std::mem::take(&mut updates),
                });
            }
        }
    }
    updates.extend(ahead);
    let from = places.first().copied().unwrap_or(selection.rows.end);
    pieces.push(Piece {
        batch: context.batch(from, places.into_iter(), rows),
        updates,
    });
    pieces
}

/// Moves the updates of the next item over: its own, and those of rows before it that are not
/// handed out.
fn take_item(ahead: &mut impl Iterator<Item = CursorUpdate>, updates: &mut Vec<CursorUpdate>) {
    for update in ahead {
        let is_item = update.hand_out;
        updates.push(update);
        if is_item {
            return;
        }
    }
}
