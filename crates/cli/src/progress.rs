//! The progress of an export.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apify_runs::export::Progress;
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::interval_at;

use crate::arguments::ProgressChoice;
use crate::console::{Console, Level};

/// How often a line is written where there is no bar.
const INTERVAL: Duration = Duration::from_secs(10);

/// Shows the progress of an export until it is dropped.
pub(crate) enum ProgressMeter {
    Bar(ProgressBar),
    Lines {
        latest: Arc<Mutex<Option<(Progress, String)>>>,
        task: JoinHandle<()>,
    },
    Nothing,
}

impl ProgressMeter {
    /// `follows` is whether there is no end to come to.
    pub(crate) fn start(console: &Console, follows: bool) -> Self {
        match console.progress() {
            ProgressChoice::None => Self::Nothing,
            ProgressChoice::Auto => Self::Bar(console.add(bar(follows))),
            ProgressChoice::Plain => {
                let latest = Arc::new(Mutex::new(None));
                let lines = lines(console.clone(), Arc::clone(&latest), follows);
                Self::Lines {
                    latest,
                    task: tokio::spawn(lines),
                }
            }
        }
    }

    /// Shows how far it has come, with a note at the end.
    pub(crate) fn show(&self, progress: &Progress, note: &str) {
        match self {
            Self::Nothing => {}
            Self::Lines { latest, .. } => {
                let shown = Some((*progress, note.to_owned()));
                *latest.lock().unwrap_or_else(PoisonError::into_inner) = shown;
            }
            Self::Bar(bar) => {
                let length = length(progress);
                if bar.length() != Some(length) {
                    bar.set_length(length);
                    if bar.position() == 0 {
                        // Rows of earlier starts are no speed.
                        bar.set_position(progress.rows - progress.stats.rows);
                        bar.reset_eta();
                    }
                }
                bar.set_position(progress.rows);
                bar.set_message(retries(progress) + note);
            }
        }
    }
}

impl Drop for ProgressMeter {
    fn drop(&mut self) {
        match self {
            Self::Nothing => {}
            Self::Lines { task, .. } => task.abort(),
            Self::Bar(bar) => bar.finish_and_clear(),
        }
    }
}

fn bar(follows: bool) -> ProgressBar {
    let template = match follows {
        true => "{spinner} {human_pos} runs  {rate}{msg}",
        false => "{bar:32} {human_pos} of {human_len} runs  {rate}  {eta} left{msg}",
    };
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        // A line that cannot be drawn is drawn again.
        let _ = write!(out, "{}/s", HumanCount(state.per_sec() as u64));
    };
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", rate);
    let bar = ProgressBar::no_length().with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// How many rows there are in all, as far as is known.
fn length(progress: &Progress) -> u64 {
    progress.total.unwrap_or(0).max(progress.rows)
}

fn retries(progress: &Progress) -> String {
    match progress.stats.retries {
        0 => String::new(),
        1 => "  1 retry".into(),
        retries => format!("  {retries} retries"),
    }
}

/// Writes a line at each interval.
async fn lines(console: Console, latest: Arc<Mutex<Option<(Progress, String)>>>, follows: bool) {
    let begun = Instant::now();
    let mut ticks = interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
    loop {
        ticks.tick().await;
        let latest = latest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some((progress, note)) = latest else {
            continue;
        };
        let (line, fields) = line(&progress, begun.elapsed(), follows);
        console.log(Level::Info, &(line + &note), fields);
    }
}

fn line(progress: &Progress, elapsed: Duration, follows: bool) -> (String, serde_json::Value) {
    let rate = progress.stats.rows as f64 / elapsed.as_secs_f64();
    let (rows, retries) = (HumanCount(progress.rows), retries(progress));
    let fields = json!({
        "rows": progress.rows,
        "committed_rows": progress.committed_rows,
        "total": progress.total,
        "rows_per_second": rate.round(),
        "requests": progress.stats.requests,
        "retries": progress.stats.retries,
    });
    let rate_shown = HumanCount(rate as u64);
    if follows || progress.total.is_none() {
        return (format!("{rows} runs, {rate_shown}/s{retries}"), fields);
    }
    let length = length(progress);
    let total = HumanCount(length);
    let left = (length - progress.rows) as f64 / rate.max(0.001);
    let left = HumanDuration(Duration::from_secs_f64(left.min(1e9)));
    let line = format!("{rows} of {total} runs, {rate_shown}/s, {left} left{retries}");
    (line, fields)
}
