//! JSON, token by token.

use serde::de::{DeserializeOwned, IgnoredAny};

use crate::page::lenient::{Lenient, LenientValue};

/// The part of a page that has not been read yet.
///
/// Its methods read one thing each from the beginning. They return `None` if another thing is
/// there, or the same in an unusual form; what is left then is of no use.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a str,
    /// The length of the whole page.
    length: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            length: text.len(),
        }
    }

    /// How many bytes have been read.
    #[inline]
    pub(super) fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The rest of the page.
    #[inline]
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.rest.as_bytes()
    }

    /// What has been read since an earlier state of the same page.
    pub(super) fn read_since(&self, before: Self) -> Option<&'a str> {
        let length = before.rest.len() - self.rest.len();
        before.rest.get(..length)
    }

    /// Passes over whitespace.
    #[inline]
    pub(super) fn space(&mut self) {
        let is_space = |byte: &&u8| matches!(**byte, b' ' | b'\n' | b'\r' | b'\t');
        let length = self.bytes().iter().take_while(is_space).count();
        if length > 0 {
            self.rest = &self.rest[length..];
        }
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        self.rest.starts_with(text)
    }

    /// Reads this text, if it is next.
    #[inline]
    pub(super) fn eat(&mut self, text: &str) -> bool {
        self.expect(text).is_some()
    }

    #[inline]
    pub(super) fn expect(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// Reads this text, if it is next, and whitespace around it.
    pub(super) fn token(&mut self, text: &str) -> bool {
        self.space();
        let is_next = self.eat(text);
        if is_next {
            self.space();
        }
        is_next
    }

    pub(super) fn expect_token(&mut self, text: &str) -> Option<()> {
        self.token(text).then_some(())
    }

    /// A key, with its colon and whitespace around both.
    pub(super) fn key(&mut self) -> Option<&'a str> {
        self.space();
        let key = self.string()?;
        self.expect_token(":")?;
        Some(key)
    }

    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// A string without escapes.
    pub(super) fn string(&mut self) -> Option<&'a str> {
        self.expect("\"")?;
        let string = self.inside()?;
        self.expect("\"")?;
        Some(string)
    }

    /// The inside of a string, after its opening quote. It ends before the closing quote, or before
    /// what needs `serde_json`, such as an escape: the caller has to check for the quote.
    #[inline]
    pub(super) fn inside(&mut self) -> Option<&'a str> {
        self.take(plain_length(self.rest.as_bytes()))
    }

    /// What the page says of the list: `None` inside if it makes no sense.
    pub(super) fn lenient<T: LenientValue>(&mut self) -> Option<Option<T>> {
        self.any().map(|Lenient(value)| value)
    }

    /// Passes over a value of any form.
    #[cold]
    pub(super) fn skip(&mut self) -> Option<()> {
        self.any::<IgnoredAny>().map(|_| ())
    }

    /// A value of any form: `serde_json` reads it.
    #[cold]
    pub(super) fn any<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter();
        let value = values.next()?.ok()?;
        self.take(values.byte_offset())?;
        Some(value)
    }
}

/// How many bytes come before the first that a string without escapes cannot hold: a quote, a
/// backslash or a control character. Checks eight bytes at once.
///
/// Bytes that are not ASCII may count among those. No quote is found there then, and the string
/// is left to `serde_json`.
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
