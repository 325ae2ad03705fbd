//! What fuzzing needs of the inside: each function takes any bytes and panics if something is
//! wrong. No part of the API.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a fuzz target fails by panicking"
)]

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};

use crate::clocks::Clocks;
use crate::cursor::{Cursor, CursorTracker};
use crate::emit::Emit;
use crate::http::{rate, retry, url};
use crate::page::decode::{self, Unusable};
use crate::page::raw::Spans;
use crate::page::{Page, fast};
use crate::query::{RunQuery, RunSource};
use crate::run::RunStatus;
use crate::split::Split;
use crate::timestamp;
use crate::walk::{Next, Rules, Walk};

/// More requests than any walk sends that is given nothing to hand out: a thousand pages in
/// vain, twenty times as many starts to come to as there are, and some to look around.
const MAX_STALLED_REQUESTS: usize = 30_000;

/// More items than the rows of an input make, unless they come in an order that lets a walk
/// forget them and take them for new again: that ends with the list only.
const MAX_ITEMS: usize = 500;

/// The body of a response. What is read without a general parser is what that would read.
pub fn page(body: &[u8]) {
    let mut spans = Spans::new();
    let page = match decode::page_in(Vec::new(), body, Some(&mut spans)) {
        Ok(page) => page,
        Err(unusable) => return refused(body, &unusable),
    };
    assert_eq!(spans.len(), page.row_count());
    assert_eq!(page.entries().count(), page.row_count());
    for (index, entry) in page.entries().enumerate() {
        assert_eq!(page.entry(index).map(|it| it.id), Some(entry.id));
    }
    assert_eq!(page.last_key(), page.entries().last().map(|it| it.id));
    let text = std::str::from_utf8(body).unwrap();
    let text = text.strip_prefix(decode::BYTE_ORDER_MARK).unwrap_or(text);
    if let Some(plain) = fast::page(text, Vec::new(), None) {
        let other = decode::page_in_any_form(text).unwrap();
        assert_eq!(plain.rows, other.rows);
        assert!(other.unreadable.is_empty());
        let head = |page: &Page| (page.total, page.offset, page.limit, page.desc);
        assert_eq!(head(&plain), head(&other));
    }
    for row in &page.rows {
        let json = serde_json::to_string(row).unwrap();
        assert_eq!(
            &serde_json::from_str::<crate::RunSummary>(&json).unwrap(),
            row
        );
    }
}

fn refused(body: &[u8], unusable: &Unusable) {
    if let Unusable::NotAList(reason) = unusable {
        let message = decode::not_a_list(reason, body, &str::to_owned);
        assert!(message.len() < 4000 && !message.contains('\n'), "{message}");
    }
}

/// The body of an error.
pub fn error_body(body: &[u8]) {
    if let Some(error) = decode::api_error(body) {
        let shown = crate::excerpt::excerpt(error.message.as_deref().unwrap_or_default());
        assert!(shown.len() < 4000 && !shown.contains('\n'), "{shown}");
    }
    let quoted = decode::quote(body, &|text| text.replace("token", "[token]"));
    assert!(quoted.len() < 4000 && !quoted.contains('\n'), "{quoted}");
}

/// A time. What can be read can be written, and is the same then.
pub fn time(text: &[u8]) {
    let Some(time) = std::str::from_utf8(text).ok().and_then(timestamp::parse) else {
        return;
    };
    assert_eq!(timestamp::parse(&timestamp::to_text(time)), Some(time));
    let sent = timestamp::parse(&timestamp::to_query(time)).unwrap();
    assert_eq!(sent.timestamp_millis(), time.timestamp_millis());
}

/// The headers that say when to retry. The first line is `Retry-After`, the second `Date`.
pub fn headers(text: &[u8]) {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in [RETRY_AFTER, DATE] {
        let line = lines.next().unwrap_or_default();
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.insert("x-ratelimit-limit", value.clone());
            headers.insert(name, value);
        }
    }
    retry::retry_after(&headers);
    retry::date(&headers);
    assert!(rate::announced(&headers).is_none_or(|rate| rate >= 1.0));
}

/// A cursor. What can be read can be written, and a walk that resumes from it ends.
pub fn cursor(text: &[u8]) {
    let Some(cursor) = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
    else {
        return;
    };
    let written = Cursor::to_string(&cursor);
    assert_eq!(written.parse::<Cursor>().unwrap(), cursor, "{written}");
    let form: Value = serde_json::from_str(&written).unwrap();
    let Ok(source) = serde_json::from_value::<RunSource>(form["query"].clone()) else {
        return;
    };
    for emit in [Emit::Snapshot, Emit::Finished, Emit::Changes] {
        if let (Ok(()), Ok(cursor)) = (source.validate(), cursor.bind(&source, emit)) {
            walk_through(&source, emit, cursor, &[]);
        }
    }
}

/// A split. What can be read can be written.
pub fn split(text: &[u8]) {
    let Some(split) = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
    else {
        return;
    };
    let written = Split::to_string(&split);
    let again: Split = written.parse().unwrap();
    assert_eq!(again.to_string(), written);
    if split.query().validate().is_ok() {
        let base = reqwest::Url::parse("https://api.apify.com/v2").unwrap();
        let list = url::of_list(&base, split.query());
        url::of_page(&list, split.query(), crate::walk::PageRequest::rows(0, 1));
    }
}

/// A checkpoint, or a manifest of parts. What can be read can be written and described.
#[cfg(feature = "export")]
pub fn checkpoint(text: &[u8]) {
    use crate::export::Checkpoint;

    match Checkpoint::parse(text, "it") {
        Ok(checkpoint) => {
            let written = checkpoint.to_json().unwrap();
            assert_eq!(Checkpoint::parse(&written, "it").unwrap(), checkpoint);
            assert!(!checkpoint.to_string().is_empty());
        }
        Err(error) => assert!(error.to_string().len() < 4000, "{error}"),
    }
}

/// A walk over pages that follow no rule: it ends, or fails, and never panics or continues for
/// ever when nothing new comes. What it leaves can be stored.
pub fn walk(data: &[u8]) {
    let Some((&[options, size], pages)) = data.split_first_chunk() else {
        return;
    };
    let query = RunQuery::actor("a").page_size(u32::from(size % 8) + 1);
    let mut query = query.descending(options & 1 != 0);
    if options & 2 != 0 {
        query = query.status(RunStatus::Succeeded);
    }
    if options & 4 != 0 {
        query = query.limit(u64::from(size) + 1);
    }
    let source = RunSource {
        undated_first: options & 8 != 0,
        ..query.into()
    };
    let emit = match options >> 4 & 3 {
        0 | 3 => Emit::Snapshot,
        1 => Emit::Finished,
        _ => Emit::Changes,
    };
    let cursor = Cursor::default().bind(&source, emit).unwrap();
    walk_through(&source, emit, cursor, pages);
}

/// Walks over the pages that the bytes make, again and again.
fn walk_through(source: &RunSource, emit: Emit, cursor: Cursor, pages: &[u8]) {
    let rules = Rules {
        emit,
        lookback: TimeDelta::seconds(5),
        follow: false,
        undated_first: source.undated_first,
    };
    let query = &source.query;
    let memory = rules.retention(query);
    let mut trail = CursorTracker::new(cursor.clone(), memory);
    let mut walk = Walk::new(query, rules, cursor);
    let pages = made_pages(pages);
    let (mut pages, mut in_vain, mut items) = (pages.iter().cycle(), 0, 0);
    while let (Next::Fetch(request), Some(page)) = (walk.next(), pages.next()) {
        assert!(request.limit() <= 1000);
        in_vain += 1;
        assert!(
            in_vain < MAX_STALLED_REQUESTS,
            "it does not end: {request:?}"
        );
        let Ok(taken) = walk.take(request, page) else {
            break;
        };
        assert!(taken.rows.end <= page.row_count());
        let new = taken.updates.iter().filter(|step| step.hand_out).count();
        trail.extend(taken.updates);
        if new > 0 {
            in_vain = 0;
        }
        items += new;
        if items > MAX_ITEMS {
            break;
        }
    }
    trail.finish();
    let written = trail.cursor().to_string();
    let again: Cursor = written.parse().unwrap();
    assert_eq!(&again, trail.cursor(), "{written}");
}

/// The pages that the bytes make: at least one.
fn made_pages(mut bytes: &[u8]) -> Vec<Page> {
    let mut pages = vec![made_page(&mut bytes)];
    while !bytes.is_empty() {
        pages.push(made_page(&mut bytes));
    }
    pages
}

/// A page of up to seven rows. Each is one byte of ID and status, and one of start.
fn made_page(bytes: &mut &[u8]) -> Page {
    let mut next = || {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        Some(*first)
    };
    let head = next().unwrap_or(0);
    let rows: Vec<Value> = (0..head & 7)
        .map_while(|_| Some(made_row(next()?, next()?)))
        .collect();
    let total = match next() {
        None => Some(rows.len() as u64),
        Some(255) => Some(u64::MAX),
        // The service does not say.
        Some(254) => None,
        Some(total) => Some(u64::from(total)),
    };
    let limit = (head & 8 != 0).then_some(u64::from(head >> 4));
    let body = json!({"data": {"total": total, "limit": limit, "items": rows}}).to_string();
    let mut page = decode::page(body.as_bytes()).ok().unwrap();
    let service = DateTime::from_timestamp(i64::from(head) * 10, 0);
    page.clocks = service.map(|local| Clocks {
        service,
        local,
        elapsed: Duration::from_secs(u64::from(head) * 10),
    });
    page
}

fn made_row(id: u8, start: u8) -> Value {
    let status = ["SUCCEEDED", "RUNNING", "READY", "FAILED"][usize::from(id & 3)];
    let start = (start != 0).then(|| time_of(start));
    let finished = (id & 1 == 0).then(|| time_of(id));
    match id {
        // One that cannot be read.
        255 => json!({"status": 5, "startedAt": start}),
        _ => json!({
            "id": format!("run{}", id >> 2), "status": status, "startedAt": start,
            "finishedAt": finished,
        }),
    }
}

/// One in four has more digits than milliseconds.
fn time_of(byte: u8) -> String {
    let finer = if byte & 3 == 3 { 250 } else { 0 };
    let micros = i64::from(byte) * 500_000 + finer;
    let time: Option<DateTime<Utc>> = DateTime::from_timestamp_micros(micros);
    timestamp::to_text(time.unwrap())
}
