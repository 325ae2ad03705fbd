//! Pages in the form the service writes them, read without a general JSON parser.
//!
//! The rows of the service look alike: compact JSON, known keys, strings without escapes.
//! What has exactly that form is read here. Everything else is left to `serde_json`: a value,
//! a row or the whole page, whichever is enough. So nothing is accepted here that `serde_json`
//! would refuse, and nothing comes out that is not what it would return.

#[cfg(test)]
mod tests;
mod value;

use serde::de::{DeserializeOwned, IgnoredAny};

use value::PlainValue;

use crate::decode::Page;
use crate::lenient::{Lenient, LenientValue};
use crate::run::{MOST_ROWS, RunSummary};
use crate::texts::{self, Spans};

/// Reads a page, its rows to the end of `rows`. `None` if the page as such has another form,
/// or if it has a row that `serde_json` cannot read. `spans`, if given, gets the place of each
/// row in the text.
pub(crate) fn page(
    text: &str,
    mut rows: Vec<RunSummary>,
    mut spans: Option<&mut Spans>,
) -> Option<Page> {
    let (mut total, mut offset, mut limit, mut desc, mut items) = (None, None, None, None, None);
    let mut plain = Plain { rest: text };
    let place = |rest: &str| text.len() - rest.len();
    let mut note = |row: &str, rest: &str| {
        if let Some(spans) = &mut spans {
            spans.push(texts::span(place(row), place(rest)));
        }
    };
    plain.expect(r#"{"data":{"#)?;
    while !plain.eat("}") {
        match plain.key()? {
            "total" if total.is_none() => total = Some(plain.head()?),
            "offset" if offset.is_none() => offset = Some(plain.head()?),
            "limit" if limit.is_none() => limit = Some(plain.head()?),
            "desc" if desc.is_none() => desc = Some(plain.head()?),
            "items" if items.is_none() => items = Some(plain.rows(&mut rows, &mut note)?),
            "total" | "offset" | "limit" | "desc" | "items" => return None,
            _ => plain.skip()?,
        }
        plain.end_field()?;
    }
    plain.expect("}")?;
    let is_space = |byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    if !plain.rest.bytes().all(is_space) {
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
        texts: None,
    })
}

/// The part of a page that has not been read yet.
///
/// Its methods read one thing each from the beginning. They return `None` if another thing is
/// there, or the same in another form; what is left then is of no use.
struct Plain<'a> {
    rest: &'a str,
}

impl<'a> Plain<'a> {
    /// `note` gets what is left to read before each row, and after it.
    fn rows(
        &mut self,
        rows: &mut Vec<RunSummary>,
        note: &mut impl FnMut(&str, &str),
    ) -> Option<()> {
        self.expect("[")?;
        if self.eat("]") {
            return Some(());
        }
        loop {
            if rows.len() == MOST_ROWS {
                return None;
            }
            // Made in its place: a row that is pushed is copied there.
            rows.resize_with(rows.len() + 1, RunSummary::blank);
            let row = rows.last_mut()?;
            let start = self.rest;
            if self.row(row).is_none() {
                self.rest = start;
                *row = self.any()?;
            }
            note(start, self.rest);
            if self.eat("]") {
                return Some(());
            }
            self.expect(",")?;
        }
    }

    /// Reads the fields into a blank row, where it stays.
    ///
    /// They are looked for in the service's own order, and from the beginning again while some
    /// are left: one that is not there costs a few instructions, and another order little more.
    fn row(&mut self, row: &mut RunSummary) -> Option<()> {
        let (mut has_id, mut status, mut meta) = (false, None, None);
        self.expect("{")?;
        while !self.eat("}") {
            let length = self.rest.len();
            if self.eat(r#""id":"#) {
                row.id = self.value()?;
                has_id = true;
                self.end_field()?;
            }
            self.field(r#""actId":"#, &mut row.act_id)?;
            self.field(r#""userId":"#, &mut row.user_id)?;
            self.field(r#""actorTaskId":"#, &mut row.actor_task_id)?;
            self.field(r#""status":"#, &mut status)?;
            self.field(r#""startedAt":"#, &mut row.started_at)?;
            self.field(r#""finishedAt":"#, &mut row.finished_at)?;
            self.field(r#""buildId":"#, &mut row.build_id)?;
            self.field(r#""buildNumber":"#, &mut row.build_number)?;
            self.field(r#""buildNumberInt":"#, &mut row.build_number_int)?;
            self.field(r#""meta":"#, &mut meta)?;
            self.field(r#""usageTotalUsd":"#, &mut row.usage_total_usd)?;
            let store = &mut row.default_key_value_store_id;
            self.field(r#""defaultKeyValueStoreId":"#, store)?;
            self.field(r#""defaultDatasetId":"#, &mut row.default_dataset_id)?;
            let queue = &mut row.default_request_queue_id;
            self.field(r#""defaultRequestQueueId":"#, queue)?;
            if self.rest.len() == length {
                self.unknown_field()?;
            }
        }
        row.status = status.unwrap_or_default();
        row.meta = meta.unwrap_or_default();
        has_id.then_some(())
    }

    /// Reads a field if it is the next one. What comes twice is not plain.
    ///
    /// Inlined everywhere, so that a key is compared as one or two numbers, without a call.
    #[inline(always)]
    fn field<T: PlainValue>(&mut self, key: &str, to: &mut Option<T>) -> Option<()> {
        if !self.eat(key) {
            return Some(());
        }
        if to.is_some() {
            return None;
        }
        if !self.eat("null") {
            *to = Some(self.value()?);
        }
        self.end_field()
    }

    #[cold]
    fn unknown_field(&mut self) -> Option<()> {
        self.key()?;
        self.skip()?;
        self.end_field()
    }

    /// The comma between two fields, or nothing at the end of the object.
    #[inline]
    fn end_field(&mut self) -> Option<()> {
        match self.rest.as_bytes() {
            [b',', b'"', ..] => self.expect(","),
            [b'}', ..] => Some(()),
            _ => None,
        }
    }

    fn key(&mut self) -> Option<&'a str> {
        let key = self.string()?;
        self.expect(":")?;
        Some(key)
    }

    #[inline]
    fn value<T: PlainValue>(&mut self) -> Option<T> {
        T::read(self)
    }

    /// What the page says of the list. `serde_json` reads any other form, but only this value:
    /// the rows need not be read again for it.
    fn head<T: PlainValue + LenientValue>(&mut self) -> Option<Option<T>> {
        let start = self.rest;
        if let Some(value) = self.value()
            && matches!(self.rest.as_bytes(), [b',' | b'}', ..])
        {
            return Some(Some(value));
        }
        self.rest = start;
        self.any().map(|Lenient(value)| value)
    }

    /// A string without escapes.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        self.expect("\"")?;
        let string = self.take(plain_length(self.rest.as_bytes()))?;
        self.expect("\"")?;
        Some(string)
    }

    fn skip(&mut self) -> Option<()> {
        self.any::<IgnoredAny>().map(|_| ())
    }

    /// A value of any form: `serde_json` reads it.
    #[cold]
    fn any<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter();
        let value = values.next()?.ok()?;
        self.take(values.byte_offset())?;
        Some(value)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    #[inline]
    fn expect(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    #[inline]
    fn eat(&mut self, text: &str) -> bool {
        self.expect(text).is_some()
    }
}

/// How many bytes come before the first that a plain string cannot hold: a quote, a backslash
/// or a control character. Looks at eight at a time.
///
/// Bytes that are not ASCII may count among those. No quote is found there then, and the string
/// is not plain.
#[inline]
fn plain_length(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let (words, rest) = text.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // A byte that is less than what is taken from it gets its top bit. Only then is one
        // borrowed from the next byte, so the first that is found is right. With its second
        // bit flipped, a quote is next to the control characters: less than 0x21.
        let quote_or_control = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
        let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
        let found = (quote_or_control | backslash) & (ONES * 0x80);
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &&u8| !matches!(**byte, b'"' | b'\\' | 0..0x20);
    words.len() * 8 + rest.iter().take_while(is_plain).count()
}
