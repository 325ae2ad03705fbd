//! Measurements in turns, so that a machine that is slower for a while is slower for all that is
//! compared.

#![allow(dead_code, reason = "not every benchmark needs all of it")]

use std::time::{Duration, Instant};

/// Whether this run shows only that the benchmark works: `--test`.
pub(crate) fn is_test() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// How long some work takes.
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// The seconds each kind of work takes, turn by turn. In each turn, another one comes first. A turn
/// that does not count comes before all others.
pub(crate) fn in_turns<const N: usize>(turns: usize, work: [&dyn Fn(); N]) -> [Vec<f64>; N] {
    for work in work {
        work();
    }
    let mut seconds = work.map(|_| Vec::with_capacity(turns));
    for turn in 0..turns {
        for place in 0..N {
            let index = (turn + place) % N;
            seconds[index].push(time(work[index]).as_secs_f64());
        }
    }
    seconds
}

/// Prints how many runs a second some work takes, compared with a stream that drops them. The work
/// returns the time that counts.
pub(crate) fn compare(
    name: &str,
    runs: u64,
    turns: usize,
    stream: &dyn Fn() -> Duration,
    work: &dyn Fn() -> Duration,
) {
    let per_second = |time: Duration| runs as f64 / time.as_secs_f64();
    let (mut bare, mut with_work) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        bare.push(per_second(stream()));
        with_work.push(per_second(work()));
    }
    let percent = 100.0 * ratio(&with_work, &bare);
    let [bare, with_work] = [bare, with_work].map(median);
    println!("{name:19} {with_work:>9.0} of {bare:>9.0} runs/s: {percent:>3.0} %");
}

/// The median of what each turn has for `dividend / divisor`.
pub(crate) fn ratio(dividend: &[f64], divisor: &[f64]) -> f64 {
    let turns = dividend.iter().zip(divisor);
    median(turns.map(|(dividend, divisor)| dividend / divisor))
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
