//! Reads a body: a page of runs, or what came instead.

use std::fmt::{self, Write};
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fast;
use super::lenient::{Lenient, agree};
use super::raw::{self, Spans};
use super::{Page, UnreadableRow};
use crate::excerpt::{beginning, excerpt};
use crate::limits::MAX_ROWS;
use crate::run::{Id, RowsInto, RunSummary};
use crate::timestamp;

/// How much of a body an error may quote from, in bytes. A token is taken out before the text
/// is cut, so that no part of one is left.
const MAX_QUOTED_BYTES: usize = 16 << 10;

/// What some programs write before UTF-8, against RFC 8259.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// What is wrong with a page of more rows.
pub(crate) const TOO_MANY_ROWS: &str = "the page has more than 10000 rows";

/// A body that is no page of runs.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// The service's own error object.
    ApiError(ApiError),
    /// A page with more rows than any service sends.
    TooManyRows,
    /// Anything else: what is wrong with it.
    NotAList(String),
}

/// `error` of a response, as the API reference describes it.
#[derive(Debug, Deserialize)]
pub(crate) struct ApiError {
    #[serde(rename = "type")]
    pub(crate) api_type: Option<String>,
    pub(crate) message: Option<String>,
}

/// The list around its items, whatever those are read as.
#[derive(Deserialize)]
struct ListEnvelope<T> {
    data: List<T>,
}

struct List<T> {
    total: Option<u64>,
    offset: Option<u64>,
    limit: Option<u64>,
    desc: Option<bool>,
    items: T,
}

/// The names of a list's fields.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum ListField {
    Total,
    Offset,
    Limit,
    Desc,
    Items,
    #[serde(other)]
    Unknown,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of runs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let (mut total, mut offset, mut limit, mut desc, mut items) =
            (None, None, None, None, None);
        while let Some(field) = fields.next_key()? {
            match field {
                ListField::Total => agree(&mut total, fields.next_value()?),
                ListField::Offset => agree(&mut offset, fields.next_value()?),
                ListField::Limit => agree(&mut limit, fields.next_value()?),
                ListField::Desc => agree(&mut desc, fields.next_value()?),
                ListField::Items if items.is_some() => {
                    return Err(de::Error::duplicate_field("items"));
                }
                ListField::Items => items = Some(fields.next_value()?),
                ListField::Unknown => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(List {
            total: total.and_then(|Lenient(total)| total),
            offset: offset.and_then(|Lenient(offset)| offset),
            limit: limit.and_then(|Lenient(limit)| limit),
            desc: desc.and_then(|Lenient(desc)| desc),
            items: items.ok_or_else(|| de::Error::missing_field("items"))?,
        })
    }
}

/// The rows of a page, not read yet.
struct RawValues<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for RawValues<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RawValuesVisitor)
    }
}

struct RawValuesVisitor;

impl<'de> Visitor<'de> for RawValuesVisitor {
    type Value = RawValues<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of runs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut rows = RawValues(Vec::new());
        while rows.0.len() <= MAX_ROWS {
            match items.next_element()? {
                Some(row) => rows.0.push(row),
                None => return Ok(rows),
            }
        }
        // There are too many: the others are only passed over.
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(rows)
    }
}

#[derive(Deserialize)]
struct ErrorEnvelope {
    error: ApiError,
}

/// Reads the body of a good response.
///
/// The body is checked to be UTF-8 once, as a whole, so that no string need be checked again.
pub(crate) fn page(body: &[u8]) -> Result<Page, Unusable> {
    page_in(Vec::new(), body, None)
}

/// Reads the body of a good response into a list of rows that is empty, so that its memory is used
/// again. `spans`, if given empty, is filled with the place of each row in the body.
pub(crate) fn page_in(
    rows: Vec<RunSummary>,
    body: &[u8],
    mut spans: Option<&mut Spans>,
) -> Result<Page, Unusable> {
    let body = std::str::from_utf8(body).map_err(|error| Unusable::NotAList(error.to_string()))?;
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let rows = if rows.capacity() == 0 {
        RowsInto::with_room().0
    } else {
        rows
    };
    let mut page = match fast::page(text, rows, spans.as_deref_mut()) {
        Some(page) => page,
        None => {
            let page = page_in_any_form(text)?;
            if let Some(spans) = spans.as_deref_mut() {
                *spans = spans_in_any_form(text);
            }
            page
        }
    };
    let skipped = body.len() - text.len();
    if let Some(spans) = spans.filter(|_| skipped > 0) {
        for span in spans {
            *span = raw::span(span.start as usize + skipped, span.end as usize + skipped);
        }
    }
    if page.rows.len() < page.rows.capacity() / 2 {
        page.rows.shrink_to_fit();
    }
    Ok(page)
}

/// Reads a page with `serde_json`, which takes no byte order mark. Only if it is no page of
/// well-formed runs is it read again row by row.
pub(crate) fn page_in_any_form(text: &str) -> Result<Page, Unusable> {
    match serde_json::from_str::<ListEnvelope<RowsInto>>(text) {
        Ok(ListEnvelope { data }) => Ok(Page {
            total: data.total,
            offset: data.offset,
            limit: data.limit,
            desc: data.desc,
            rows: data.items.0,
            unreadable: Vec::new(),
            clocks: None,
            raw_rows: None,
        }),
        Err(error) => {
            let reason = reason(error);
            page_row_by_row(text)?.ok_or_else(|| match api_error(text.as_bytes()) {
                Some(error) => Unusable::ApiError(error),
                None => Unusable::NotAList(reason),
            })
        }
    }
}

/// What an error of the parser says, but not much of a long value that it repeats: that takes
/// several times the memory of the body.
fn reason(error: serde_json::Error) -> String {
    let mut beginning = Beginning(String::new());
    // That there is no more room is no failure.
    let _ = write!(beginning, "{error}");
    beginning.0
}

/// The beginning of a text, as it is written.
struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let shown = beginning(text, MAX_QUOTED_BYTES - self.0.len());
        self.0.push_str(shown);
        if shown.len() < text.len() {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// Reads the error object of a response, if the body has one.
pub(crate) fn api_error(body: &[u8]) -> Option<ApiError> {
    let body = body
        .strip_prefix(BYTE_ORDER_MARK.as_bytes())
        .unwrap_or(body);
    let envelope: ErrorEnvelope = serde_json::from_slice(body).ok()?;
    Some(envelope.error)
}

/// The beginning of a body on one line, for an error.
pub(crate) fn quote(body: &[u8], redact: &dyn Fn(&str) -> String) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_QUOTED_BYTES)]);
    format!("\"{}\"", excerpt(&redact(&text)))
}

/// Says of a body that it is no list of runs, why, and how it begins.
pub(crate) fn not_a_list(reason: &str, body: &[u8], redact: &dyn Fn(&str) -> String) -> String {
    if body.is_empty() {
        return "the response is empty".into();
    }
    let reason = excerpt(&redact(reason));
    let begins = quote(body, redact);
    format!("the response is not a list of runs: {reason}; it begins {begins}")
}

#[cold]
fn page_row_by_row(text: &str) -> Result<Option<Page>, Unusable> {
    let Ok(ListEnvelope { data }) = serde_json::from_str::<ListEnvelope<RawValues>>(text) else {
        return Ok(None);
    };
    if data.items.0.len() > MAX_ROWS {
        return Err(Unusable::TooManyRows);
    }
    let mut page = Page {
        total: data.total,
        offset: data.offset,
        limit: data.limit,
        desc: data.desc,
        rows: Vec::with_capacity(data.items.0.len()),
        unreadable: Vec::new(),
        clocks: None,
        raw_rows: None,
    };
    for (index, item) in data.items.0.into_iter().enumerate() {
        match serde_json::from_str(item.get()) {
            Ok(row) => page.rows.push(row),
            Err(error) => page.unreadable.push(unreadable(index, item.get(), error)),
        }
    }
    Ok(Some(page))
}

fn unreadable(index: usize, item: &str, error: serde_json::Error) -> UnreadableRow {
    let reason = reason(error);
    #[derive(Deserialize)]
    struct Identified {
        id: Id,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Dated {
        #[serde(deserialize_with = "timestamp::optional::deserialize")]
        started_at: Option<DateTime<Utc>>,
    }
    let id = serde_json::from_str::<Identified>(item).ok();
    let id = id.map(|row| row.id);
    let dated = serde_json::from_str::<Dated>(item).ok();
    UnreadableRow {
        index,
        key: id.clone().unwrap_or_else(|| hash(item)),
        id,
        start: dated.and_then(|row| row.started_at),
        reason,
        text: item.into(),
    }
}

/// Where the rows of a page of any form are, if it is one.
#[cold]
fn spans_in_any_form(text: &str) -> Spans {
    let envelope = serde_json::from_str::<ListEnvelope<RawValues>>(text);
    let items = envelope.map_or_else(|_| Vec::new(), |list| list.data.items.0);
    let span = |item: &RawValue| {
        let start = item.get().as_ptr().addr() - text.as_ptr().addr();
        raw::span(start, start + item.get().len())
    };
    items.into_iter().map(span).collect()
}

/// What a row without an ID is recognized by. It is stored in cursors, so it has to stay as it
/// is: FNV-1a, 64 bits.
fn hash(text: &str) -> Id {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("#{hash:016x}").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::raw::RawRows;

    fn body(items: &str) -> Vec<u8> {
        let count = 3;
        format!(
            r#"{{"data":{{"total":{count},"offset":0,"limit":1000,"desc":false,"count":{count},"items":[{items}]}}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn one_bad_row_does_not_take_the_page_with_it() {
        let page = page(&body(
            r#"{"id":"a"},{"id":"b","startedAt":"yesterday"},{"id":"c"}"#,
        ))
        .unwrap();

        assert_eq!(page.row_count(), 3);
        assert_eq!(page.rows.len(), 2);
        let bad = &page.unreadable[0];
        assert_eq!((bad.index, bad.id.as_deref()), (1, Some("b")));
        assert!(bad.reason.contains("yesterday"), "{}", bad.reason);
    }

    #[test]
    fn a_bad_row_at_either_end_is_recognized_again() {
        let page = page(&body(r#"{"status":5},{"id":"b"},{"id":"c","status":5}"#)).unwrap();
        let without_id = page.entry(0).unwrap().id.clone();
        assert_eq!(page.last_key().unwrap(), "c");

        let page = super::page(&body(r#"{"id":"a"},{"status":5}"#)).unwrap();
        assert_eq!(page.entry(0).unwrap().id, "a");
        assert_eq!(page.last_key(), Some(&without_id));
        let page = super::page(&body(r#"{"id":"a"},{"status":6}"#)).unwrap();
        assert_ne!(page.last_key(), Some(&without_id));
    }

    /// By the values that the makers of FNV-1a give.
    #[test]
    fn a_row_without_an_id_has_the_same_key_for_ever() {
        assert_eq!(hash(""), "#cbf29ce484222325");
        assert_eq!(hash("a"), "#af63dc4c8601ec8c");
        assert_eq!(hash("foobar"), "#85944171f73967e8");
    }

    #[test]
    fn the_text_of_each_row_is_found_in_pages_of_every_form() {
        let plain = r#"{"id":"a","new":[1.50]}"#;
        let odd = "{ \"id\" : \"é\",\n \"status\":\"READY\" }";
        let unreadable = r#"{"id":"b","startedAt":"yesterday"}"#;
        for rows in [
            vec![],
            vec![plain, plain],
            vec![plain, odd],
            vec![odd, unreadable, "5"],
        ] {
            let compact = body(&rows.join(","));
            let pretty = String::from_utf8(compact.clone()).unwrap();
            let pretty = pretty.replace("\"items\":", "\n \"items\" : ").into_bytes();
            for body in [compact, pretty] {
                let mut spans = Spans::new();
                let page = page_in(Vec::new(), &body, Some(&mut spans)).unwrap();
                let raw_rows = RawRows::new(body, spans, Default::default());
                let found = (0..page.row_count()).map(|index| raw_rows.get(index));
                let found: Vec<_> = found.map(|text| str::from_utf8(text).unwrap()).collect();
                assert_eq!(found, rows);
            }
        }
    }

    #[test]
    fn an_error_in_a_good_answer_is_told_apart_from_garbage() {
        let body = br#"{"error":{"type":"operation-canceled","message":"Canceled"}}"#;
        let Err(Unusable::ApiError(error)) = page(body) else {
            panic!("no API error");
        };
        assert_eq!(error.api_type.as_deref(), Some("operation-canceled"));

        for body in [
            &b"<html><body>502 Bad Gateway"[..],
            b"{\"data\":{\"total\":1,\"items\":[",
            b"{\"data\":{\"total\":1}}",
            b"{\"data\":{\"total\":1,\"items\":null}}",
            b"{\"data\":{\"total\":1,\"items\":{}}}",
            b"{\"data\":{\"total\":1,\"items\":[],\"items\":[]}}",
            b"{\"data\":{}}",
            b"{\"data\":[1,0,1000,false,[]]}",
            b"\xef\xbb\xbf\xef\xbb\xbf{\"data\":{\"items\":[]}}",
            b"\xff\xfe",
            b"null",
        ] {
            let Err(Unusable::NotAList(reason)) = page(body) else {
                panic!("{}", String::from_utf8_lossy(body));
            };
            let message = not_a_list(&reason, body, &str::to_owned);
            assert!(message.contains("it begins \""), "{message}");
        }
        assert!(matches!(page(b""), Err(Unusable::NotAList(_))));
        assert_eq!(not_a_list("", b"", &str::to_owned), "the response is empty");
    }

    #[test]
    fn no_head_makes_rows_unreadable() {
        let good = r#"{"id":"a"}"#;
        // Read at once, as a page of another form, and row by row.
        let rows = [
            (format!("[{good},{good}]"), 0),
            (format!("[{good} , {good}]"), 0),
            (format!("[{good},5]"), 1),
        ];
        let heads = [
            (r#""total":3,"#, Some(3), None, None),
            (r#""total":"3","limit":"1000","#, Some(3), Some(1000), None),
            (
                r#""total":3.0,"limit":1e3,"desc":0,"#,
                Some(3),
                Some(1000),
                Some(false),
            ),
            (r#""total":3e0,"desc":"1","#, Some(3), None, Some(true)),
            (r#""total":-1,"limit":-1,"desc":-1,"#, None, None, None),
            (
                r#""total":null,"limit":null,"desc":null,"#,
                None,
                None,
                None,
            ),
            (r#""total":1e999,"limit":0.5,"desc":2,"#, None, None, None),
            (
                r#""total":"\ud800","limit":[],"desc":{},"#,
                None,
                None,
                None,
            ),
            (
                r#""total":3,"total":3,"limit":1,"limit":2,"#,
                Some(3),
                None,
                None,
            ),
            (
                r#""desc":true,"desc":"true","total":3,"total":null,"#,
                None,
                None,
                Some(true),
            ),
            ("", None, None, None),
        ];
        for (head, total, limit, desc) in heads {
            for (rows, unreadable) in &rows {
                let after = head.trim_end_matches(',');
                let comma = if after.is_empty() { "" } else { "," };
                for text in [
                    format!(r#"{{"data":{{{head}"items":{rows}}}}}"#),
                    format!(r#"{{"data":{{"items":{rows}{comma}{after}}}}}"#),
                ] {
                    let page = page(text.as_bytes()).unwrap();
                    assert_eq!(
                        (page.total, page.limit, page.desc),
                        (total, limit, desc),
                        "{text}"
                    );
                    assert_eq!((page.row_count(), page.unreadable.len()), (2, *unreadable));
                }
            }
        }
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        for (row, total) in [
            ("5", "3"),
            (r#"{"id":"é"}"#, "3"),
            (r#"{"id":"é"}"#, "\"3\""),
        ] {
            let text = format!(
                "{BYTE_ORDER_MARK}{{\"data\":{{\"total\":{total},\"items\":[{row},{row}]}}}}"
            );
            let mut spans = Spans::new();
            let page = page_in(Vec::new(), text.as_bytes(), Some(&mut spans)).unwrap();
            assert_eq!((page.total, page.row_count()), (Some(3), 2));
            let raw_rows = RawRows::new(text.into_bytes(), spans, Default::default());
            for index in 0..2 {
                assert_eq!(raw_rows.get(index), row.as_bytes());
            }
        }
        let error = format!("{BYTE_ORDER_MARK}{{\"error\":{{\"message\":\"Canceled\"}}}}");
        assert!(matches!(page(error.as_bytes()), Err(Unusable::ApiError(_))));
        assert!(api_error(error.as_bytes()).is_some());
    }

    #[test]
    fn a_quote_is_short_and_on_one_line() {
        let long = "a\nb".repeat(200);
        let quoted = quote(long.as_bytes(), &str::to_owned);
        assert!(quoted.len() < 400 && !quoted.contains('\n'), "{quoted}");
        assert!(quoted.ends_with("…\""), "{quoted}");
        assert_eq!(quote(b"short", &str::to_owned), "\"short\"");
    }

    #[test]
    fn a_secret_is_taken_out_before_a_quote_is_cut() {
        let redact = |text: &str| text.replace("s3cret-token", "[token]");
        for before in 180..200 {
            let body = format!("{}s3cret-token and more", "x".repeat(before));
            let quoted = quote(body.as_bytes(), &redact);
            assert!(!quoted.contains("s3"), "{quoted}");
        }
        let quoted = quote("s3cret-token".repeat(5000).as_bytes(), &redact);
        assert!(!quoted.contains("s3"), "{quoted}");
    }
}
