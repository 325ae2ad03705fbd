//! Times as the API writes them: ISO 8601, UTC, milliseconds, `Z`.
//!
//! Reading has a fast path for exactly that form; every other form goes to `chrono`.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use serde::ser::Serializer;

/// Writes a time for a request: milliseconds, UTC, `Z`. Finer digits are cut off.
pub(crate) fn to_query(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads a time in any ISO 8601 form the API or its peers are known to use.
///
/// A time without an offset is UTC, as the API reference says of all its times.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let time = parse_api_form(text.as_bytes()).or_else(|| parse_other_form(text))?;
    // Other years cannot be sent back in a request.
    (0..=9999).contains(&time.year()).then_some(time)
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ` and nothing else.
fn parse_api_form(text: &[u8]) -> Option<DateTime<Utc>> {
    let text: &[u8; 24] = text.try_into().ok()?;
    let [
        _,
        _,
        _,
        _,
        b'-',
        _,
        _,
        b'-',
        _,
        _,
        b'T',
        _,
        _,
        b':',
        _,
        _,
        b':',
        _,
        _,
        b'.',
        _,
        _,
        _,
        b'Z',
    ] = text
    else {
        return None;
    };
    let year = number(&text[..4])?;
    let date = NaiveDate::from_ymd_opt(
        year.cast_signed(),
        number(&text[5..7])?,
        number(&text[8..10])?,
    )?;
    let time = date.and_hms_milli_opt(
        number(&text[11..13])?,
        number(&text[14..16])?,
        number(&text[17..19])?,
        number(&text[20..23])?,
    )?;
    Some(time.and_utc())
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + u32::from(digit))
    })
}

#[cold]
fn parse_other_form(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let time: NaiveDateTime = text.parse().ok()?;
    Some(time.and_utc())
}

/// Reads a time, or `null` as `None`, to where it stays.
pub(crate) struct TimeInto<'a>(pub(crate) &'a mut Option<DateTime<Utc>>);

impl<'de> DeserializeSeed<'de> for TimeInto<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for TimeInto<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an ISO 8601 time such as 2025-09-01T00:00:00.000Z, or null")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        *self.0 = parse(text);
        match self.0 {
            Some(_) => Ok(()),
            None => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        *self.0 = None;
        Ok(())
    }
}

/// `#[serde(with)]` for a time that may be absent or null.
pub(crate) mod optional {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<DateTime<Utc>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let Some(time) = time else {
            return serializer.serialize_none();
        };
        // The API writes milliseconds; a finer time must survive the way back and forth.
        let whole_millis = time.timestamp_subsec_nanos() % 1_000_000 == 0;
        let digits = if whole_millis {
            SecondsFormat::Millis
        } else {
            SecondsFormat::Nanos
        };
        serializer.serialize_str(&time.to_rfc3339_opts(digits, true))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        let mut time = None;
        TimeInto(&mut time).deserialize(deserializer)?;
        Ok(time)
    }
}

/// `#[serde(with)]` for a time that is always there.
pub(crate) mod required {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        time: &DateTime<Utc>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        optional::serialize(&Some(*time), serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DateTime<Utc>, D::Error> {
        let time = optional::deserialize(deserializer)?;
        time.ok_or_else(|| de::Error::custom("a time is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Option<i64> {
        parse(text).map(|time| time.timestamp_millis())
    }

    #[test]
    fn every_form_in_use_is_read() {
        let expected = Some(1_575_099_264_202);
        for text in [
            "2019-11-30T07:34:24.202Z",
            "2019-11-30T07:34:24.202+00:00",
            "2019-11-30T09:34:24.202+02:00",
            "2019-11-30T07:34:24.202000Z",
            "2019-11-30T07:34:24.202",
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
        assert_eq!(millis("2019-11-30T07:34:24Z"), Some(1_575_099_264_000));
    }

    #[test]
    fn the_fast_path_agrees_with_chrono() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2000-02-29T23:59:59.999Z",
            "2024-12-31T12:00:00.001Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            assert!(parse_api_form(text.as_bytes()).is_some(), "{text}");
            assert_eq!(parse_api_form(text.as_bytes()), parse_other_form(text));
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2019-13-30T07:34:24.202Z",
            "2019-02-30T07:34:24.202Z",
            "2019-11-30T24:34:24.202Z",
            "2019-11-30T07:34:2x.202Z",
            "2019-11-30T07:34:24.20\u{e9}",
            "1575099264202",
            "+262142-12-31T23:59:59.999999",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_query_gets_milliseconds_and_z() {
        let time = parse("2025-09-01T02:00:00.123456+02:00").unwrap();
        assert_eq!(to_query(time), "2025-09-01T00:00:00.123Z");
    }
}
