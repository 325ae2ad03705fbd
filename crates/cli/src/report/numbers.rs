//! Figures as people read them.

use std::time::Duration;

use indicatif::HumanCount;

use super::tally::Rate;
use crate::counts::lasted;

/// The text for an unknown value.
pub(crate) const UNKNOWN: &str = "unknown";

/// A number of things.
pub(crate) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// An amount in US dollars, to the cent. A smaller amount is not shown as zero.
pub(crate) fn usd(amount: f64) -> String {
    if amount > 0.0 && amount < 0.005 {
        return "<$0.01".into();
    }
    let cents = (amount.abs() * 100.0).round();
    let sign = if amount < 0.0 && cents > 0.0 { "-" } else { "" };
    let dollars = HumanCount((cents / 100.0) as u64);
    format!("{sign}${dollars}.{:02}", (cents % 100.0) as u64)
}

/// An amount that may not be known.
pub(crate) fn cost(amount: Option<f64>) -> String {
    amount.map_or_else(|| UNKNOWN.into(), usd)
}

/// A share in percent. A small one is not shown as none, and a large one not as all.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent > 0.0 && percent < 0.05 => "<0.1%".into(),
        percent if percent < 100.0 && percent > 99.95 => ">99.9%".into(),
        percent => format!("{percent:.1}%"),
    }
}

/// A rate, or a dash if there is none.
pub(crate) fn rate(rate: Option<Rate>) -> String {
    rate.map_or_else(|| "–".into(), |rate| percent(rate.rate))
}

/// The interval around a rate.
pub(crate) fn interval(rate: Rate) -> String {
    format!("{} to {}", percent(rate.low), percent(rate.high))
}

/// A duration, or a dash if there is none.
pub(crate) fn duration(millis: Option<u32>) -> String {
    millis.map_or_else(
        || "–".into(),
        |millis| lasted(Duration::from_millis(millis.into())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_cents() {
        for (amount, expected) in [
            (0.0, "$0.00"),
            (0.0001, "<$0.01"),
            (0.005, "$0.01"),
            (0.996, "$1.00"),
            (1234.565, "$1,234.57"),
            (1_000_000.0, "$1,000,000.00"),
            (-2.5, "-$2.50"),
        ] {
            assert_eq!(usd(amount), expected);
        }
        assert_eq!(cost(None), "unknown");
    }

    #[test]
    fn a_share_is_rounded_neither_to_none_nor_to_all() {
        for (share, expected) in [
            (0.0, "0.0%"),
            (0.0001, "<0.1%"),
            (0.0449, "4.5%"),
            (0.9999, ">99.9%"),
            (1.0, "100.0%"),
        ] {
            assert_eq!(percent(share), expected);
        }
    }
}
