//! The values of a page in their plain form.

use chrono::{DateTime, Utc};

use super::Plain;
use crate::run::{Id, MetaDetails, RunMeta, RunOrigin, RunStatus};
use crate::timestamp;

/// A value that has a plain form.
pub(super) trait PlainValue: Sized {
    fn read(plain: &mut Plain<'_>) -> Option<Self>;
}

impl PlainValue for Id {
    #[inline]
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        plain.string().map(Self::from)
    }
}

impl PlainValue for RunStatus {
    #[inline]
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        plain.string().map(Self::from)
    }
}

impl PlainValue for RunOrigin {
    #[inline]
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        plain.string().map(Self::from)
    }
}

impl PlainValue for DateTime<Utc> {
    #[inline]
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        timestamp::parse(plain.string()?)
    }
}

impl PlainValue for RunMeta {
    #[inline]
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        let mut meta = Self::default();
        plain.expect("{")?;
        plain.field(r#""origin":"#, &mut meta.origin)?;
        // Most have nothing else.
        if !plain.eat("}") {
            more_of_meta(plain, &mut meta)?;
        }
        Some(meta)
    }
}

fn more_of_meta(plain: &mut Plain<'_>, meta: &mut RunMeta) -> Option<()> {
    let mut details = MetaDetails::default();
    while !plain.eat("}") {
        let length = plain.rest.len();
        plain.field(r#""clientIp":"#, &mut details.client_ip)?;
        plain.field(r#""userAgent":"#, &mut details.user_agent)?;
        plain.field(r#""scheduleId":"#, &mut details.schedule_id)?;
        plain.field(r#""scheduledAt":"#, &mut details.scheduled_at)?;
        plain.field(r#""origin":"#, &mut meta.origin)?;
        if plain.rest.len() == length {
            plain.unknown_field()?;
        }
    }
    meta.set_details(details);
    Some(())
}

impl PlainValue for bool {
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        if plain.eat("true") {
            return Some(true);
        }
        plain.expect("false").map(|()| false)
    }
}

impl PlainValue for u64 {
    #[inline]
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        let number = plain.take(digits(plain.rest.as_bytes()))?;
        if number.len() > 1 && number.starts_with('0') {
            return None;
        }
        number.parse().ok()
    }
}

/// None is negative. In JSON, `-0` is no integer.
impl PlainValue for i64 {
    #[inline]
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        plain.value::<u64>()?.try_into().ok()
    }
}

impl PlainValue for f64 {
    #[inline]
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        let number = plain.take(number_length(plain.rest.as_bytes())?)?;
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
