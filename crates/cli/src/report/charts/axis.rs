//! Axes with round ticks.

use crate::report::numbers::count;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Usd,
    Count,
    /// A share of 1.
    Percent,
    Seconds,
}

/// An axis from 0 on.
#[derive(Debug)]
pub(crate) struct Axis {
    end: f64,
    ticks: Vec<(f64, String)>,
}

/// The maximum number of ticks above 0.
const MAX_TICKS: f64 = 5.0;
/// Round durations, in seconds.
const DURATIONS: [f64; 20] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0,
    3600.0, 7200.0, 14_400.0, 28_800.0, 86_400.0,
];

impl Axis {
    /// The shortest axis that ends with a tick and has room for a value.
    pub(crate) fn new(unit: Unit, most: f64) -> Self {
        let step = step(unit, most / MAX_TICKS);
        let count = (most / step - 1e-9).ceil().clamp(1.0, MAX_TICKS);
        let end = (step * count).max(most);
        let tick = |number: u32| {
            let value = step * f64::from(number);
            (value, label(unit, value, step))
        };
        Self {
            end,
            ticks: (0..=count as u32).map(tick).collect(),
        }
    }

    /// The place of a value, from 0 to 1.
    pub(crate) fn share(&self, value: f64) -> f64 {
        (value / self.end).clamp(0.0, 1.0)
    }

    /// Places and labels of the ticks.
    pub(crate) fn ticks(&self) -> impl Iterator<Item = (f64, &str)> {
        let ticks = self.ticks.iter();
        ticks.map(|(value, label)| (self.share(*value), label.as_str()))
    }
}

/// The smallest round step that is at least this one.
fn step(unit: Unit, least: f64) -> f64 {
    let smallest = match unit {
        Unit::Usd => 0.01,
        Unit::Count => 1.0,
        Unit::Percent => 0.01,
        Unit::Seconds => 0.1,
    };
    let least = least.max(smallest);
    if unit == Unit::Seconds {
        let fits = |step: &&f64| **step >= least * (1.0 - 1e-9);
        if let Some(step) = DURATIONS.iter().find(fits) {
            return *step;
        }
        return 86_400.0 * decimal_step(least / 86_400.0);
    }
    decimal_step(least)
}

/// 1, 2 or 5 times a power of ten.
fn decimal_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter();
    let mut fits = factor.filter(|factor| factor * power >= least * (1.0 - 1e-9));
    fits.next().unwrap_or(10.0) * power
}

fn label(unit: Unit, value: f64, step: f64) -> String {
    match unit {
        Unit::Usd if step < 1.0 => format!("${value:.2}"),
        Unit::Usd => format!("${}", count(value.round() as u64)),
        Unit::Count => count(value.round() as u64),
        Unit::Percent => format!("{:.0}%", value * 100.0),
        Unit::Seconds => duration_label(value),
    }
}

fn duration_label(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, 0) if seconds == 0.0 => "0".into(),
        (0, 0, _) => format!("{} s", (seconds * 10.0).round() / 10.0),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, ..) if hours >= 48 && hours % 24 == 0 => format!("{} d", hours / 24),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(unit: Unit, most: f64) -> Vec<String> {
        let axis = Axis::new(unit, most);
        axis.ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Unit::Usd, 7.3), ["$0", "$2", "$4", "$6", "$8"]);
        assert_eq!(
            labels(Unit::Usd, 0.04),
            ["$0.00", "$0.01", "$0.02", "$0.03", "$0.04"]
        );
        assert_eq!(
            labels(Unit::Count, 4100.0),
            ["0", "1,000", "2,000", "3,000", "4,000", "5,000"]
        );
        assert_eq!(labels(Unit::Count, 1.0), ["0", "1"]);
        assert_eq!(
            labels(Unit::Percent, 0.34),
            ["0%", "10%", "20%", "30%", "40%"]
        );
        assert_eq!(
            labels(Unit::Seconds, 200.0),
            ["0", "1 min", "2 min", "3 min", "4 min"]
        );
        assert_eq!(
            labels(Unit::Seconds, 9000.0),
            ["0", "30 min", "1 h", "1h30m", "2 h", "2h30m"]
        );
        assert_eq!(
            labels(Unit::Seconds, 140.0),
            ["0", "30 s", "1 min", "1m30s", "2 min", "2m30s"]
        );
        assert_eq!(labels(Unit::Seconds, 0.3), ["0", "0.1 s", "0.2 s", "0.3 s"]);
        assert_eq!(
            labels(Unit::Seconds, 400_000.0),
            ["0", "24 h", "2 d", "3 d", "4 d", "5 d"]
        );
    }

    #[test]
    fn an_axis_has_room_for_its_greatest_value() {
        for most in [0.0, 1e-9, 0.3, 1.0, 9.99, 10.0, 123.0, 9e9] {
            for unit in [Unit::Usd, Unit::Count, Unit::Percent, Unit::Seconds] {
                let axis = Axis::new(unit, most);
                assert!(axis.end >= most && axis.end > 0.0, "{unit:?} {most}");
                assert!((2..=6).contains(&axis.ticks.len()), "{unit:?} {most}");
                assert!(
                    most < 1.0 || axis.end <= 2.6 * most,
                    "{unit:?} {most} {axis:?}"
                );
            }
        }
    }
}
