//! Pages in the form that the service sends, read without a general JSON parser.
//!
//! The rows of a page look alike: the same keys, in the same order, with the same whitespace
//! around them. The text between two values is learned from the first rows and compared as a
//! whole in the others, so that indentation costs about as much as its bytes.
//!
//! Everything unusual is left to `serde_json`: a value, a row or the whole page, whichever is
//! enough. So nothing is accepted here that `serde_json` would refuse, and nothing comes out that
//! is not what it would return.

mod layout;
mod reader;
mod rows;
#[cfg(test)]
mod tests;
mod value;

use crate::page::Page;
use crate::page::raw::{self, Spans};
use crate::run::RunSummary;

use reader::Reader;

/// Reads a page, its rows to the end of `rows`. `None` if the page as such is unusual, or if it
/// has a row that `serde_json` cannot read. `spans`, if given, gets the place of each row in the
/// text.
pub(crate) fn page(
    text: &str,
    mut rows: Vec<RunSummary>,
    mut spans: Option<&mut Spans>,
) -> Option<Page> {
    let (mut total, mut offset, mut limit, mut desc, mut items) = (None, None, None, None, None);
    let mut reader = Reader::new(text);
    let mut note = |from: usize, to: usize| {
        if let Some(spans) = &mut spans {
            spans.push(raw::span(from, to));
        }
    };
    reader.expect_token("{")?;
    reader.expect_token("\"data\"")?;
    reader.expect_token(":")?;
    reader.expect_token("{")?;
    let mut is_first = true;
    while !reader.token("}") {
        if !std::mem::take(&mut is_first) {
            reader.expect_token(",")?;
        }
        match reader.key()? {
            "total" if total.is_none() => total = Some(reader.lenient()?),
            "offset" if offset.is_none() => offset = Some(reader.lenient()?),
            "limit" if limit.is_none() => limit = Some(reader.lenient()?),
            "desc" if desc.is_none() => desc = Some(reader.lenient()?),
            "items" if items.is_none() => {
                items = Some(rows::read(&mut reader, &mut rows, &mut note)?);
            }
            "total" | "offset" | "limit" | "desc" | "items" => return None,
            _ => reader.skip()?,
        }
    }
    reader.expect_token("}")?;
    reader.space();
    if !reader.is_at_end() {
        return None;
    }
    items?;
    Some(Page {
        total: total.flatten(),
        offset: offset.flatten(),
        limit: limit.flatten(),
        desc: desc.flatten(),
        rows,
        unreadable: Vec::new(),
        clocks: None,
        raw_rows: None,
    })
}
