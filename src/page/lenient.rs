//! Values that are read if they make sense and are `None` if not: what a page says of the list
//! around its rows. No such value may make the rows unreadable.

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// From this number on, `f64` does not tell whole numbers from others.
const MAX_EXACT: f64 = (1_u64 << 52) as f64;

/// A JSON value of any kind: `None` if it is no `T`.
///
/// Only its text is looked at, so that a number of any size and a string with any escapes will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lenient<T>(pub(crate) Option<T>);

/// A value that is recognized in several forms.
pub(crate) trait LenientValue: Sized {
    /// Reads the JSON text of a number or of a literal, or what is between the quotes of a string.
    fn from_text(text: &str) -> Option<Self>;
}

impl<'de, T: LenientValue> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        let string = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        Ok(Self(T::from_text(string.unwrap_or(text))))
    }
}

/// A whole number: `3`, `3.0`, `3e0`.
impl LenientValue for u64 {
    fn from_text(text: &str) -> Option<Self> {
        if !text.starts_with(|char: char| char.is_ascii_digit()) {
            return None;
        }
        if let Ok(number) = text.parse() {
            return Some(number);
        }
        let number: f64 = text.parse().ok()?;
        let is_whole = number < MAX_EXACT && number.fract() == 0.0;
        is_whole.then_some(number as Self)
    }
}

/// `true` or `1`, `false` or `0`.
impl LenientValue for bool {
    fn from_text(text: &str) -> Option<Self> {
        match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }
}

/// Notes a value of a key that may come several times. Values that differ make none.
pub(crate) fn agree<T: PartialEq>(known: &mut Option<Lenient<T>>, value: Lenient<T>) {
    let agrees = known.as_ref().is_none_or(|known| *known == value);
    *known = Some(if agrees { value } else { Lenient(None) });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: LenientValue>(text: &str) -> Option<T> {
        let Lenient(value) = serde_json::from_str(text).unwrap();
        value
    }

    #[test]
    fn a_whole_number_is_read_in_every_form() {
        for text in ["3", "3.0", "3.000", "3e0", "30E-1", "0.3e+1", " 3 "] {
            assert_eq!(read(text), Some(3), "{text}");
            assert_eq!(read(&format!("\"{}\"", text.trim())), Some(3), "{text}");
        }
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("0.0"), Some(0));
        assert_eq!(read("18446744073709551615"), Some(u64::MAX));
        assert_eq!(read("\"18446744073709551615\""), Some(u64::MAX));
        assert_eq!(read("4503599627370495.0"), Some((1 << 52) - 1));
    }

    #[test]
    fn what_is_no_whole_number_is_none() {
        for text in [
            "null",
            "true",
            "-1",
            "-0",
            "-3.0",
            "0.5",
            "3.5",
            "1e-1",
            "1e999",
            "1e30",
            "[]",
            "[3]",
            "{}",
            r#"{"total":3}"#,
            r#""""#,
            r#"" 3""#,
            r#""3 runs""#,
            r#""-3""#,
            r#""+3""#,
            r#""inf""#,
            r#""NaN""#,
            r#""0x3""#,
            r#""\ud800""#,
            r#""\"3""#,
            r#""null""#,
            "18446744073709551616",
            "4503599627370496.5",
        ] {
            assert_eq!(read::<u64>(text), None, "{text}");
        }
    }

    #[test]
    fn true_and_false_are_read_in_every_form() {
        for text in ["true", "1", r#""true""#, r#""1""#] {
            assert_eq!(read(text), Some(true), "{text}");
        }
        for text in ["false", "0", r#""false""#, r#""0""#] {
            assert_eq!(read(text), Some(false), "{text}");
        }
        for text in [
            "null", "2", "-1", "1.0", r#""yes""#, r#""""#, "[true]", "{}",
        ] {
            assert_eq!(read::<bool>(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in ["", "NaN", "03", "+3", "3.", ".5", "\"3", "[", "{]", "3 3"] {
            assert!(
                serde_json::from_str::<Lenient<u64>>(text).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn values_that_differ_make_none() {
        let all = |values: &[Option<u64>]| {
            let mut known = None;
            for value in values {
                agree(&mut known, Lenient(*value));
            }
            known.and_then(|Lenient(value)| value)
        };
        assert_eq!(all(&[]), None);
        assert_eq!(all(&[Some(3), Some(3)]), Some(3));
        assert_eq!(all(&[Some(3), Some(4)]), None);
        assert_eq!(all(&[Some(3), None]), None);
        assert_eq!(all(&[Some(3), Some(4), Some(4)]), None);
    }
}
