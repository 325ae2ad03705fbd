//! Numbers as people read them.

use std::time::Duration;

use indicatif::HumanCount;

/// A number of things: `1 run`, `2,000 runs`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        _ => format!("{} {thing}s", HumanCount(number)),
    }
}

/// A number of retries: `1 retry`, `2 retries`.
pub(crate) fn retries(number: u64) -> String {
    match number {
        1 => "1 retry".into(),
        _ => format!("{} retries", HumanCount(number)),
    }
}

/// How long something took: `0.25 s`, `1m05s`, `2h03m`, and from 100 hours on `4d04h`.
pub(crate) fn lasted(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0..10) => format!("{:.2} s", duration.as_secs_f64()),
        (0, 0, _) => format!("{:.1} s", duration.as_secs_f64()),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours @ 100.., _, _) => format!("{}d{:02}h", hours / 24, hours % 24),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(counted(0, "run"), "0 runs");
        assert_eq!(counted(1, "run"), "1 run");
        assert_eq!(counted(2000, "run"), "2,000 runs");
        assert_eq!(retries(1), "1 retry");
    }

    #[test]
    fn a_duration_has_two_units_at_most() {
        for (seconds, expected) in [
            (0.254, "0.25 s"),
            (12.34, "12.3 s"),
            (65.9, "1m05s"),
            (2.0 * 3600.0 + 185.0, "2h03m"),
            (50.0 * 3600.0, "50h00m"),
            (99.0 * 3600.0 + 3599.0, "99h59m"),
            (100.0 * 3600.0, "4d04h"),
            (16_560.0 * 3600.0 + 3180.0, "690d00h"),
        ] {
            assert_eq!(lasted(Duration::from_secs_f64(seconds)), expected);
        }
    }
}
