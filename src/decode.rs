//! The body of an answer: a page of runs, or what came instead.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::run::{Id, Rows, RunSummary};

/// How much of a body that is no list of runs an error quotes, in bytes.
const QUOTED_BYTES: usize = 200;

/// One answer of the list, as the service gave it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) total: u64,
    pub(crate) offset: Option<u64>,
    pub(crate) limit: Option<u64>,
    pub(crate) desc: Option<bool>,
    /// The rows that could be read, in the order of the list.
    pub(crate) rows: Vec<RunSummary>,
    /// The rows that could not, by ascending index.
    pub(crate) unreadable: Vec<UnreadableRow>,
}

/// A row that is valid JSON but not a run.
#[derive(Debug)]
pub(crate) struct UnreadableRow {
    /// Its place among all rows of the page, from 0.
    pub(crate) index: usize,
    pub(crate) id: Option<Id>,
    /// What the row is recognized by on another page: its ID, or else its whole text.
    key: Id,
    pub(crate) reason: String,
}

/// A body that is no page of runs.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// The service's own error object.
    ApiError(ApiError),
    /// Anything else: what is wrong with it, and how it begins.
    NotAList(String),
}

/// `error` of an answer, as the API reference describes it.
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

#[derive(Deserialize)]
struct List<T> {
    total: u64,
    offset: Option<u64>,
    limit: Option<u64>,
    desc: Option<bool>,
    items: T,
}

#[derive(Deserialize)]
struct ErrorEnvelope {
    error: ApiError,
}

impl Page {
    /// How many rows the service sent, readable or not.
    pub(crate) fn row_count(&self) -> usize {
        self.rows.len() + self.unreadable.len()
    }

    /// What the first row is recognized by.
    pub(crate) fn first_key(&self) -> Option<&Id> {
        match self.unreadable.first() {
            Some(row) if row.index == 0 => Some(&row.key),
            _ => self.rows.first().map(|row| &row.id),
        }
    }

    /// What the last row is recognized by.
    pub(crate) fn last_key(&self) -> Option<&Id> {
        match self.unreadable.last() {
            Some(row) if row.index + 1 == self.row_count() => Some(&row.key),
            _ => self.rows.last().map(|row| &row.id),
        }
    }
}

/// Reads the body of a good answer.
///
/// The body is checked to be UTF-8 once, as a whole, so that the parser need not check
/// each string. Only if it is no page of well-formed runs is it read again row by row.
pub(crate) fn page(body: &[u8]) -> Result<Page, Unusable> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Unusable::NotAList(not_a_list(&error.to_string(), body)))?;
    match serde_json::from_str::<ListEnvelope<Rows>>(text) {
        Ok(ListEnvelope { data }) => Ok(Page {
            total: data.total,
            offset: data.offset,
            limit: data.limit,
            desc: data.desc,
            rows: data.items.0,
            unreadable: Vec::new(),
        }),
        Err(error) => page_row_by_row(text).ok_or_else(|| match api_error(body) {
            Some(error) => Unusable::ApiError(error),
            None => Unusable::NotAList(not_a_list(&error.to_string(), body)),
        }),
    }
}

/// Reads the error object of an answer, if the body has one.
pub(crate) fn api_error(body: &[u8]) -> Option<ApiError> {
    let envelope: ErrorEnvelope = serde_json::from_slice(body).ok()?;
    Some(envelope.error)
}

/// The beginning of a body on one line, for an error.
pub(crate) fn quote(body: &[u8]) -> String {
    let end = body.len().min(QUOTED_BYTES);
    let text = String::from_utf8_lossy(&body[..end]);
    let rest = if end < body.len() { "…" } else { "" };
    format!("\"{}{rest}\"", text.escape_debug())
}

fn not_a_list(reason: &str, body: &[u8]) -> String {
    if body.is_empty() {
        return "the answer is empty".into();
    }
    format!(
        "the answer is not a list of runs: {reason}; it begins {}",
        quote(body)
    )
}

#[cold]
fn page_row_by_row(text: &str) -> Option<Page> {
    let ListEnvelope { data } = serde_json::from_str::<ListEnvelope<Vec<&RawValue>>>(text).ok()?;
    let mut page = Page {
        total: data.total,
        offset: data.offset,
        limit: data.limit,
        desc: data.desc,
        rows: Vec::with_capacity(data.items.len()),
        unreadable: Vec::new(),
    };
    for (index, item) in data.items.into_iter().enumerate() {
        match serde_json::from_str(item.get()) {
            Ok(row) => page.rows.push(row),
            Err(error) => page.unreadable.push(unreadable(index, item.get(), &error)),
        }
    }
    Some(page)
}

fn unreadable(index: usize, item: &str, error: &serde_json::Error) -> UnreadableRow {
    #[derive(Deserialize)]
    struct Identified {
        id: Id,
    }
    let id = serde_json::from_str::<Identified>(item)
        .ok()
        .map(|row| row.id);
    UnreadableRow {
        index,
        key: id.clone().unwrap_or_else(|| item.into()),
        id,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(page.first_key().unwrap(), r#"{"status":5}"#);
        assert_eq!(page.last_key().unwrap(), "c");

        let page = super::page(&body(r#"{"id":"a"},7"#)).unwrap();
        assert_eq!(page.first_key().unwrap(), "a");
        assert_eq!(page.last_key().unwrap(), "7");
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
            b"{\"data\":{\"total\":-1,\"items\":[]}}",
            b"{\"data\":{\"total\":1}}",
            b"\xff\xfe",
            b"null",
        ] {
            let Err(Unusable::NotAList(message)) = page(body) else {
                panic!("{}", String::from_utf8_lossy(body));
            };
            assert!(message.contains("it begins"), "{message}");
        }
        let Err(Unusable::NotAList(message)) = page(b"") else {
            panic!("an empty body is no page");
        };
        assert_eq!(message, "the answer is empty");
    }

    #[test]
    fn a_quote_is_short_and_on_one_line() {
        let long = "a\nb".repeat(200);
        let quoted = quote(long.as_bytes());
        assert!(quoted.len() < 300 && !quoted.contains('\n'), "{quoted}");
        assert_eq!(quote(b"short"), "\"short\"");
    }
}
