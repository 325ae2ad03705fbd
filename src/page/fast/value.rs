//! The values of a row in the form that the service writes.

use chrono::{DateTime, Utc};

use super::reader::Reader;
use crate::timestamp;

impl Reader<'_> {
    /// The time in a string, after its opening quote.
    #[inline]
    pub(super) fn time(&mut self) -> Option<DateTime<Utc>> {
        if let Some(time) = self
            .bytes()
            .first_chunk()
            .and_then(timestamp::parse_api_form)
        {
            self.take(timestamp::API_FORM_LENGTH)?;
            return Some(time);
        }
        timestamp::parse(self.inside()?)
    }

    /// An integer that is not negative.
    #[inline]
    pub(super) fn integer(&mut self) -> Option<i64> {
        let number = self.take(digits(self.bytes()))?;
        if number.len() > 1 && number.starts_with('0') {
            return None;
        }
        number.parse().ok()
    }

    #[inline]
    pub(super) fn float(&mut self) -> Option<f64> {
        let number: f64 = self.take(number_length(self.bytes())?)?.parse().ok()?;
        // JSON has no infinity: `serde_json` refuses a number that is too large.
        number.is_finite().then_some(number)
    }

    /// Skips a value. Fast for strings, numbers and literals.
    #[inline]
    pub(super) fn skip_value(&mut self) -> Option<()> {
        let before = *self;
        match self.bytes() {
            [b'"', ..] if self.string().is_some() => Some(()),
            [b'-' | b'0'..=b'9', ..] => self.take(number_length(self.bytes())?).map(|_| ()),
            _ if self.eat("null") || self.eat("true") || self.eat("false") => Some(()),
            _ => {
                *self = before;
                self.skip()
            }
        }
    }
}

/// How many digits the text begins with.
#[inline]
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn some_digits(text: &[u8]) -> Option<usize> {
    Some(digits(text)).filter(|count| *count > 0)
}

/// The length of the number at the beginning, by the grammar of JSON.
#[inline]
fn number_length(text: &[u8]) -> Option<usize> {
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = match text.get(sign..)? {
        [b'0', ..] => 1,
        text => some_digits(text)?,
    };
    let mut length = sign + whole;
    if let [b'.', fraction @ ..] = text.get(length..)? {
        length += 1 + some_digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = text.get(length..)? {
        let sign = usize::from(matches!(exponent, [b'+' | b'-', ..]));
        length += 1 + sign + some_digits(exponent.get(sign..)?)?;
    }
    Some(length)
}
