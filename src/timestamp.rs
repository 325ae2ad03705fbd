//! Times as the API writes them: ISO 8601, UTC, milliseconds, `Z`.
//!
//! Reading has a fast path for exactly that form; every other form goes to `chrono`.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use serde::ser::Serializer;

use crate::excerpt::beginning;

/// How much of what is no time an error shows, in bytes.
const MAX_SHOWN_BYTES: usize = 400;

/// Writes a time for a request: milliseconds, UTC, `Z`. Finer digits are cut off.
pub(crate) fn to_query(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Writes a time as the API does, in milliseconds; a finer one with all its digits, so that it
/// survives the way back and forth.
pub(crate) fn to_text(time: DateTime<Utc>) -> String {
    let whole_millis = time.timestamp_subsec_nanos().is_multiple_of(1_000_000);
    let digits = if whole_millis {
        SecondsFormat::Millis
    } else {
        SecondsFormat::Nanos
    };
    time.to_rfc3339_opts(digits, true)
}

/// Reads a time in any ISO 8601 form the API or its peers are known to use.
///
/// A time without an offset is UTC, as the API reference says of all its times.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let api_form = text.as_bytes().try_into().ok().and_then(parse_api_form);
    api_form.or_else(|| parse_other_form(text))
}

/// How many bytes `YYYY-MM-DDTHH:MM:SS.mmmZ` has.
pub(crate) const API_FORM_LENGTH: usize = 24;

/// `YYYY-MM-DDTHH:MM:SS.mmmZ` and nothing else.
pub(crate) fn parse_api_form(text: &[u8; API_FORM_LENGTH]) -> Option<DateTime<Utc>> {
    let ([date, hour, second], []) = text.as_chunks() else {
        return None;
    };
    let [century, _, year, _, _, month, ..] = numbers(date, b"0000-00-")?;
    let [day, _, _, hour, _, _, minute, _] = numbers(hour, b"00T00:00")?;
    let [_, second, _, tenths, _, millis, ..] = numbers(second, b":00.000Z")?;
    let date = NaiveDate::from_ymd_opt((century * 100 + year).cast_signed(), month, day)?;
    let time = date.and_hms_milli_opt(hour, minute, second, tenths * 100 + millis)?;
    Some(time.and_utc())
}

/// Reads eight characters at once: a digit for each `0` of the form, and the others as they
/// are in the form. Returns the two-digit number that begins at each, where all but digits
/// count as 0.
#[inline]
fn numbers(text: &[u8; 8], form: &[u8; 8]) -> Option<[u32; 8]> {
    const TOP_BITS: u64 = u64::from_le_bytes([0x80; 8]);
    let digits = u64::from_le_bytes(*text) ^ u64::from_le_bytes(*form);
    // What is added takes a byte to its top bit if it is more than 9, or more than 0. A carry
    // to the next byte comes only from one that has its top bit already.
    let room = form.map(|char| if char == b'0' { 0x7f - 9 } else { 0x7f });
    let too_large = digits.wrapping_add(u64::from_le_bytes(room)) | digits;
    if too_large & TOP_BITS != 0 {
        return None;
    }
    let numbers = digits * 10 + (digits >> 8);
    Some(numbers.to_le_bytes().map(u32::from))
}

#[cold]
fn parse_other_form(text: &str) -> Option<DateTime<Utc>> {
    let time = match DateTime::parse_from_rfc3339(text) {
        Ok(time) => time.to_utc(),
        Err(_) => text.parse::<NaiveDateTime>().ok()?.and_utc(),
    };
    // Other years cannot be sent back in a request.
    (0..=9999).contains(&time.year()).then_some(time)
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
            None => {
                // The error would take several times the memory of a long text.
                let shown = beginning(text, MAX_SHOWN_BYTES);
                Err(E::invalid_value(de::Unexpected::Str(shown), &self))
            }
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
        serializer.serialize_str(&to_text(*time))
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
    use proptest::collection::vec;
    use proptest::prelude::*;

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
        let leap_second = millis("2016-12-31T23:59:60.500Z");
        assert_eq!(leap_second, Some(1_483_228_800_500));
    }

    #[test]
    fn the_fast_path_reads_every_time_the_api_can_write() {
        for text in [
            "0000-01-01T00:00:00.000Z",
            "1970-01-01T00:00:00.000Z",
            "2000-02-29T23:59:59.999Z",
            "2024-12-31T12:00:00.001Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            let fast = parse_api_form(text.as_bytes().try_into().unwrap());
            assert!(fast.is_some(), "{text}");
            assert_eq!(fast, parse_other_form(text));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(2000)
        })]

        #[test]
        fn what_is_written_is_read(millis in 0_i64..253_402_300_800_000) {
            let time = DateTime::from_timestamp_millis(millis).unwrap();
            let text = to_query(time);
            prop_assert_eq!(parse_api_form(text.as_bytes().try_into().unwrap()), Some(time));
        }

        #[test]
        fn the_fast_path_reads_nothing_that_chrono_does_not(
            changes in vec((0_usize..24, any::<u8>().prop_map(|byte| byte & 0x7f)), 1..3),
            digits in vec((0_usize..24, b'0'..=b'9'), 0..4),
        ) {
            let mut text = *b"2024-02-28T19:59:59.999Z";
            for (index, byte) in digits.into_iter().chain(changes) {
                text[index] = byte;
            }
            if let Some(time) = parse_api_form(&text) {
                let text = std::str::from_utf8(&text).unwrap();
                prop_assert_eq!(parse_other_form(text), Some(time), "{}", text);
            }
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
