//! What the emulator does at which requests.

use std::ops::Bound;
use std::str::FromStr;

use apify_runs::emulator::Fault;

/// Requests that fail, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FaultRule {
    pub(crate) requests: (Bound<u64>, Bound<u64>),
    pub(crate) fault: Fault,
}

/// Before which requests the list changes, and by how many runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChangeRule {
    every: u64,
    runs: u64,
}

impl ChangeRule {
    /// By how many runs the list changes before this request.
    pub(crate) fn runs_before(&self, request: u64) -> u64 {
        match request % self.every {
            0 => self.runs,
            _ => 0,
        }
    }
}

impl FromStr for FaultRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "it must be like 3=503, 2..=4=429, 7=hang or 9..=reset";
        // The range may have an = of its own.
        let (requests, fault) = text.rsplit_once('=').ok_or(expected)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| expected);
        let requests = match requests.split_once("..") {
            None => (
                Bound::Included(number(requests)?),
                Bound::Included(number(requests)?),
            ),
            Some((from, "")) => (Bound::Included(number(from)?), Bound::Unbounded),
            Some((from, to)) => {
                let from = Bound::Included(number(from)?);
                match to.strip_prefix('=') {
                    Some(to) => (from, Bound::Included(number(to)?)),
                    None => (from, Bound::Excluded(number(to)?)),
                }
            }
        };
        let fault = match fault {
            "hang" => Fault::Hang,
            "reset" => Fault::Reset,
            "truncate" => Fault::Truncate,
            "stall" => Fault::Stall,
            "html" => Fault::Html { status: 502 },
            "broken-json" => Fault::BrokenJson,
            "empty" => Fault::Empty,
            "error-in-ok" => Fault::ErrorInOk,
            status => Fault::status(status.parse().map_err(|_| expected)?),
        };
        Ok(Self { requests, fault })
    }
}

impl FromStr for ChangeRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (every, runs) = text.split_once(':').unwrap_or((text, "1"));
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
        match (number(every), number(runs)) {
            (Some(every), Some(runs)) => Ok(Self { every, runs }),
            _ => Err("it must be N or N:K, whole numbers from 1".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_requests_and_a_fault() {
        let rule = |text: &str| {
            text.parse::<FaultRule>()
                .map(|rule| (rule.requests, rule.fault))
        };
        let (included, excluded) = (Bound::Included, Bound::Excluded);
        assert_eq!(
            rule("3=503"),
            Ok(((included(3), included(3)), Fault::status(503)))
        );
        assert_eq!(
            rule("3..5=hang"),
            Ok(((included(3), excluded(5)), Fault::Hang))
        );
        assert_eq!(
            rule("3..=5=hang"),
            Ok(((included(3), included(5)), Fault::Hang))
        );
        assert_eq!(
            rule("3..=reset"),
            Ok(((included(3), Bound::Unbounded), Fault::Reset))
        );
        for text in ["", "3", "503", "x=503", "3=often", "3..x=503"] {
            assert!(rule(text).is_err(), "{text}");
        }
    }
}
