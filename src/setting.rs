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
    let (min, max) = (with_unit(*bounds.start()), with_unit(*bounds.end()));
    let expected = format!("it must be from {min} to {max}");
    Err(InvalidSetting::new(name, with_unit(value), expected))
}

/// A duration in the largest unit that divides it, as people write it: `24h`, `90s`, `500ms`.
fn with_unit(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{duration:?}"),
        _ if duration.subsec_nanos() > 0 => format!("{duration:?}"),
        _ if seconds.is_multiple_of(60 * 60) => format!("{}h", seconds / (60 * 60)),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_in_its_largest_unit() {
        for (duration, shown) in [
            (Duration::ZERO, "0ns"),
            (Duration::from_millis(1500), "1.5s"),
            (Duration::from_secs(90), "90s"),
            (Duration::from_secs(300), "5m"),
            (Duration::from_secs(24 * 60 * 60), "24h"),
        ] {
            assert_eq!(with_unit(duration), shown);
        }
    }
}
