//! The progress of an export.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use apify_runs::export;
use apify_runs::sync::SyncProgress;
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{interval_at, sleep};

use crate::arguments::ProgressChoice;
use crate::console::{Console, Level};
use crate::counts::{counted, retries};

/// How often a line is written where there is no bar.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long the first page may take before a line says what it waits for.
const CONNECTING: Duration = Duration::from_secs(2);
/// The time that a speed is measured over.
const SPEED_WINDOW: Duration = Duration::from_secs(10);

/// Shows the progress of an export until it is dropped.
pub(crate) enum ProgressMeter {
    Bar {
        bar: ProgressBar,
        follows: bool,
        state: Mutex<State>,
    },
    Lines {
        state: Arc<Mutex<State>>,
        task: JoinHandle<()>,
    },
    Nothing,
}

/// How far an export or a sync has come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    /// Rows received, those of earlier starts included, if they count.
    pub(crate) rows: u64,
    /// Rows received by this start.
    pub(crate) new_rows: u64,
    /// Rows of `rows` that are committed.
    pub(crate) committed_rows: u64,
    /// How many there are on the list, as far as is known.
    pub(crate) total: Option<u64>,
    pub(crate) requests: u64,
    pub(crate) retries: u64,
}

impl From<&export::Progress> for Progress {
    fn from(progress: &export::Progress) -> Self {
        Self {
            rows: progress.rows,
            new_rows: progress.stats.rows,
            committed_rows: progress.committed_rows,
            total: progress.total,
            requests: progress.stats.requests,
            retries: progress.stats.retries,
        }
    }
}

impl From<&SyncProgress> for Progress {
    fn from(progress: &SyncProgress) -> Self {
        Self {
            rows: progress.rows,
            new_rows: progress.rows,
            committed_rows: progress.committed_rows,
            total: progress.stats.total,
            requests: progress.stats.requests,
            retries: progress.stats.retries,
        }
    }
}

/// What a meter shows.
#[derive(Default)]
pub(crate) struct State {
    latest: Option<(Progress, String)>,
    speed: Speed,
}

impl ProgressMeter {
    /// `service` is where runs are read from, and `follows` whether there is no end to come to.
    pub(crate) fn start(console: &Console, service: &str, follows: bool) -> Self {
        match console.progress() {
            ProgressChoice::None => Self::Nothing,
            ProgressChoice::Auto => Self::Bar {
                bar: console.add(connecting(service)),
                follows,
                state: Mutex::new(State::default()),
            },
            ProgressChoice::Plain => {
                let state = Arc::new(Mutex::new(State::default()));
                let lines = lines(
                    console.clone(),
                    service.to_owned(),
                    Arc::clone(&state),
                    follows,
                );
                Self::Lines {
                    state,
                    task: tokio::spawn(lines),
                }
            }
        }
    }

    /// Shows how far it has come, with a note at the end.
    pub(crate) fn show(&self, progress: Progress, note: &str) {
        match self {
            Self::Nothing => {}
            Self::Lines { state, .. } => lock(state).latest = Some((progress, note.to_owned())),
            Self::Bar {
                bar,
                follows,
                state,
            } => {
                let mut state = lock(state);
                if state.latest.is_none() {
                    bar.set_message("");
                    bar.set_style(style(*follows));
                }
                state.latest = Some((progress, String::new()));
                let speed = state.speed.at(Instant::now(), progress.new_rows);
                bar.set_length(length(progress));
                bar.set_position(progress.rows);
                bar.set_message(rest(progress, speed, *follows) + note);
            }
        }
    }
}

impl Drop for ProgressMeter {
    fn drop(&mut self) {
        match self {
            Self::Nothing => {}
            Self::Lines { task, .. } => task.abort(),
            Self::Bar { bar, .. } => bar.finish_and_clear(),
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bar while the first page has not come.
fn connecting(service: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}");
    let bar = ProgressBar::no_length()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        .with_message(format!("connecting to {service}"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn style(follows: bool) -> ProgressStyle {
    let template = match follows {
        true => "{spinner} {human_pos} runs{msg}",
        false => "{bar:32} {human_pos} of {human_len} runs{msg}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// How many rows there are in all, as far as is known.
fn length(progress: Progress) -> u64 {
    progress.total.unwrap_or(0).max(progress.rows)
}

/// What comes behind the number of runs.
fn rest(progress: Progress, speed: f64, follows: bool) -> String {
    let mut rest = format!(", {}/s", HumanCount(speed as u64));
    if !follows
        && progress.total.is_some()
        && let Some(left) = left(progress, speed)
    {
        rest += &format!(", {} left", HumanDuration(left));
    }
    match progress.retries {
        0 => {}
        number => rest += &format!(", {}", retries(number)),
    }
    rest
}

/// How long the rest takes at this speed. `None` while nothing comes.
fn left(progress: Progress, speed: f64) -> Option<Duration> {
    let rows = length(progress) - progress.rows;
    Duration::try_from_secs_f64(rows as f64 / speed).ok()
}

/// Writes a line at each interval, and what it waits for if the first page does not come soon.
async fn lines(console: Console, service: String, state: Arc<Mutex<State>>, follows: bool) {
    let mut ticks = interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
    sleep(CONNECTING).await;
    if lock(&state).latest.is_none() {
        let fields = json!({"service": service});
        console.log(Level::Info, &format!("connecting to {service}"), fields);
    }
    loop {
        ticks.tick().await;
        let (text, fields) = {
            let mut state = lock(&state);
            let Some((progress, note)) = state.latest.clone() else {
                continue;
            };
            let speed = state.speed.at(Instant::now(), progress.new_rows);
            let (text, fields) = line(progress, speed, follows);
            (text + &note, fields)
        };
        console.log(Level::Info, &text, fields);
    }
}

fn line(progress: Progress, speed: f64, follows: bool) -> (String, Value) {
    let rest = rest(progress, speed, follows);
    let text = match progress.total {
        Some(_) if !follows => {
            let of = HumanCount(length(progress));
            format!("{} of {of} runs{rest}", HumanCount(progress.rows))
        }
        _ => format!("{}{rest}", counted(progress.rows, "run")),
    };
    let fields = json!({
        "rows": progress.rows,
        "committed_rows": progress.committed_rows,
        "total": progress.total,
        "rows_per_second": speed.round(),
        "requests": progress.requests,
        "retries": progress.retries,
    });
    (text, fields)
}

/// Rows a second, over the last seconds of this start.
struct Speed {
    /// When there were how many rows.
    samples: VecDeque<(Instant, u64)>,
}

impl Default for Speed {
    fn default() -> Self {
        Self {
            samples: [(Instant::now(), 0)].into(),
        }
    }
}

impl Speed {
    /// The current speed, when there are this many rows.
    fn at(&mut self, now: Instant, rows: u64) -> f64 {
        let is_due = |(at, _): &(Instant, u64)| now.duration_since(*at) >= SPEED_WINDOW / 20;
        if self.samples.back().is_none_or(is_due) {
            self.samples.push_back((now, rows));
        }
        while self
            .samples
            .get(1)
            .is_some_and(|(at, _)| now.duration_since(*at) > SPEED_WINDOW)
        {
            self.samples.pop_front();
        }
        match self.samples.front() {
            Some((at, before)) => {
                (rows - before) as f64 / now.duration_since(*at).as_secs_f64().max(1e-3)
            }
            None => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_that_of_the_last_seconds() {
        let mut speed = Speed::default();
        let begun = speed.samples[0].0;
        let mut at = |tenths: u64, rows| {
            speed
                .at(begun + Duration::from_millis(100 * tenths), rows)
                .round() as u64
        };
        assert_eq!(at(10, 1000), 1000);
        for tenths in 11..=200 {
            at(tenths, tenths * 100);
        }
        assert_eq!(at(200, 20_000), 1000);
        // Nothing comes any more.
        assert!(at(250, 20_000) < 600);
        assert_eq!(at(400, 20_000), 0);
    }
}
