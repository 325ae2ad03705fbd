//! Strings from JSON to values that are made from a `&str`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};

/// Reads a string, or `null` as `None`, to where it stays: what is returned is copied twice.
pub(super) struct TextInto<'a, T>(pub(super) &'a mut Option<T>);

impl<'de, T: for<'a> From<&'a str>> DeserializeSeed<'de> for TextInto<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<T: for<'a> From<&'a str>> Visitor<'_> for TextInto<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or null")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        *self.0 = Some(T::from(text));
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        *self.0 = None;
        Ok(())
    }
}

/// Builds any `T: From<&str>` from a JSON string without an allocation on the way.
pub(super) struct FromStrVisitor<T> {
    expected: &'static str,
    target: PhantomData<T>,
}

impl<T> FromStrVisitor<T> {
    pub(super) fn new(expected: &'static str) -> Self {
        Self {
            expected,
            target: PhantomData,
        }
    }
}

impl<T: for<'a> From<&'a str>> Visitor<'_> for FromStrVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok(T::from(text))
    }
}
