//! The values of a row in the form that the service writes.

use chrono::{DateTime, Utc};

use super::reader::Reader;
use crate::timestamp;

/// A value that is read without `serde_json` in its usual form.
pub(super) trait FastValue: Sized {
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

impl Reader<'_> {
    #[inline]
    pub(super) fn value<T: FastValue>(&mut self) -> Option<T> {
        T::read(self)
    }

    /// The time in a string of which the first quote has been read.
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

    /// Passes over a value.
    #[inline]
    pub(super) fn skip_scalar(&mut self) -> Option<()> {
        let before = *self;
        let length = match self.bytes() {
            [b'"', ..] => {
                return self.string().map(|_| ()).or_else(|| {
                    *self = before;
                    self.skip()
                });
            }
            [b'-' | b'0'..=b'9', ..] => number_length(self.bytes())?,
            _ if self.eat("null") || self.eat("true") || self.eat("false") => 0,
            _ => return self.skip(),
        };
        self.take(length).map(|_| ())
    }
}

impl FastValue for u64 {
    #[inline]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let number = reader.take(digits(reader.bytes()))?;
        if number.len() > 1 && number.starts_with('0') {
            return None;
        }
        number.parse().ok()
    }
}

/// None is negative. In JSON, `-0` is no integer.
impl FastValue for i64 {
    #[inline]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.value::<u64>()?.try_into().ok()
    }
}

impl FastValue for f64 {
    #[inline]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let number = reader.take(number_length(reader.bytes())?)?;
        // JSON has no infinity: a number that is too large is refused.
        number
            .parse()
            .ok()
            .filter(|number: &Self| number.is_finite())
    }
}

/// How many digits come first.
#[inline]
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn some_digits(text: &[u8]) -> Option<usize> {
    Some(digits(text)).filter(|count| *count > 0)
}

/// The length of the number that comes first, by the grammar of JSON.
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
