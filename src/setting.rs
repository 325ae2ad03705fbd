//! Settings that cannot be used.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A setting that cannot be used: its name, its value, and what is expected instead.
///
/// [`Error::setting`](crate::Error::setting) returns it for every error of kind
/// [`Config`](crate::ErrorKind::Config) that is about a setting. It converts into an
/// [`Error`](crate::Error).
///
/// ```
/// use apify_runs::RunQuery;
///
/// let invalid = RunQuery::actor("janedoe/my-actor").page_size(0).validate().unwrap_err();
/// assert_eq!(invalid.name(), "page_size");
/// assert_eq!(invalid.to_string(), "invalid page_size 0: it must be from 1 to 1000");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSetting {
    name: Cow<'static, str>,
    value: String,
    expected: Cow<'static, str>,
}

impl InvalidSetting {
    /// `value` is what the message shows. An empty one is left out of it.
    pub(crate) fn new(
        name: impl Into<Cow<'static, str>>,
        value: impl fmt::Display,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            name: name.into(),
            value: value.to_string(),
            expected: expected.into(),
        }
    }

    /// The name of the method, variable or argument that sets it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value as the message shows it: `(not shown)` where it may hold a secret, `(not set)`
    /// where there is none.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What is wrong with the value, or what is expected instead.
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid {}", self.name)?;
        if !self.value.is_empty() {
            write!(f, " {}", self.value)?;
        }
        write!(f, ": {}", self.expected)
    }
}

impl std::error::Error for InvalidSetting {}

/// Checks that a duration is within bounds.
pub(crate) fn check_duration(
    name: &'static str,
    value: Duration,
    bounds: RangeInclusive<Duration>,
) -> Result<(), InvalidSetting> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let expected = format!("it must be from {:?} to {:?}", bounds.start(), bounds.end());
    Err(InvalidSetting::new(name, format!("{value:?}"), expected))
}
