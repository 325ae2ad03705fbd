//! Several lists at once, and one table of how they ended.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use indicatif::HumanCount;
use serde_json::{Value, json};

use crate::console::{Console, Level};
use crate::counts::counted;
use crate::exit::{Exit, Failure};
use crate::progress::{Progress, ProgressMeter};
use crate::resume;
use crate::signals::StopSignal;
use crate::stdout::print_json;
use crate::summary;

/// What the work on several lists has in common.
pub(crate) struct Lists<'a> {
    pub(crate) console: &'a Console,
    pub(crate) stop: &'a StopSignal,
    /// Where runs are read from, for messages.
    pub(crate) service: &'a str,
    /// How many are worked on at once.
    pub(crate) parallel: usize,
    /// Whether the same command, by itself, can resume.
    pub(crate) can_resume: bool,
    /// Whether lists are started again from their beginning.
    pub(crate) restarts: bool,
    /// Whether the table goes to standard output as JSON, too.
    pub(crate) json: bool,
}

/// Shows how far a list has come.
pub(crate) type Show = Box<dyn Fn(Progress) + Send + Sync>;

/// How the work on a list has ended.
pub(crate) struct Outcome {
    /// In the output.
    pub(crate) output_rows: u64,
    /// Written by this start.
    pub(crate) rows: u64,
    /// Written by this start, of runs that had not finished and will not be updated.
    pub(crate) frozen_rows: u64,
    /// Whether it was stopped before its end.
    pub(crate) result: Result<bool, Failure>,
}

impl Outcome {
    pub(crate) fn failed(failure: Failure, output_rows: u64) -> Self {
        Self {
            output_rows,
            rows: 0,
            frozen_rows: 0,
            result: Err(failure),
        }
    }
}

/// A line of the table.
struct Row<'a> {
    /// The place of the list in the table.
    number: usize,
    name: &'a str,
    /// `None` if it was not started.
    outcome: Option<Outcome>,
}

impl Lists<'_> {
    /// Works on the list of each name, several at once, and prints one table of how they ended.
    pub(crate) async fn run<F>(
        &self,
        names: &[String],
        work: impl Fn(usize, Show) -> F,
    ) -> Result<Exit, Failure>
    where
        F: Future<Output = Outcome>,
    {
        let meter = Arc::new(ListsMeter::start(self.console, self.service, names.len()));
        // Without a token that is accepted, no list can be read.
        let is_refused = AtomicBool::new(false);
        let one = async |number: usize| {
            let name = &names[number];
            let outcome = if self.stop.signal() != 0 || is_refused.load(Ordering::Relaxed) {
                None
            } else {
                let meter = Arc::clone(&meter);
                let show = move |progress| meter.show(number, progress);
                Some(work(number, Box::new(show)).await)
            };
            if let Some(Err(failure)) = outcome.as_ref().map(|outcome| &outcome.result) {
                if failure.exit == Exit::Auth {
                    is_refused.store(true, Ordering::Relaxed);
                }
                let text = format!("{name}: {}", failure.message);
                let fields = json!({"actor": name});
                self.console.log(Level::Warning, &text, fields);
            }
            meter.ended();
            Row {
                number,
                name,
                outcome,
            }
        };
        let rows = stream::iter(0..names.len()).map(&one);
        let rows = rows.buffer_unordered(self.parallel);
        let mut rows: Vec<Row<'_>> = rows.collect().await;
        rows.sort_by_key(|row| row.number);
        // No progress is shown below the table.
        drop(meter);
        self.end(&rows)
    }

    /// Prints the table, and says how to resume.
    fn end(&self, rows: &[Row<'_>]) -> Result<Exit, Failure> {
        let failures: Vec<&Failure> = rows.iter().filter_map(Row::failure).collect();
        let signal = self.stop.signal();
        let state = match (signal, failures.len()) {
            (0, 0) => "complete:",
            (0, _) => "incomplete:",
            _ => "interrupted:",
        };
        let sum = |value: fn(&Outcome) -> u64| -> u64 {
            rows.iter()
                .filter_map(|row| row.outcome.as_ref())
                .map(value)
                .sum()
        };
        let output_rows = sum(|outcome| outcome.output_rows);
        let frozen_rows = sum(|outcome| outcome.frozen_rows);
        let runs = counted(output_rows, "run");
        let lists = counted(rows.len() as u64, "list");
        let mut text = format!("{state} {runs} of {lists}\n{}", table(rows));
        if frozen_rows > 0 {
            text += &format!("\n  {}", summary::frozen(frozen_rows));
        }
        let fields = json!({
            "output_rows": output_rows,
            "frozen_rows": frozen_rows,
            "failed": failures.len(),
            "lists": rows.iter().map(Row::fields).collect::<Vec<_>>(),
        });
        self.console.result(&text, fields.clone());
        if self.json {
            print_json(&fields)?;
        }
        if failures.is_empty() && signal == 0 {
            return Ok(Exit::Complete);
        }
        // A list that was not started has not been restarted either.
        let restarts = self.restarts && rows.iter().any(|row| row.outcome.is_none());
        let command = match self.can_resume {
            true => resume::command(restarts),
            false => None,
        };
        if signal != 0 {
            if let Some(command) = command {
                self.console.hint(&command);
            }
            return Ok(Exit::Interrupted(signal));
        }
        let message = format!("{} of {lists} failed", failures.len());
        Err(Failure::new(exit(&failures, rows.len()), message).with_command(command))
    }
}

/// The exit code if lists have failed: that of all, if it is the same.
fn exit(failures: &[&Failure], lists: usize) -> Exit {
    let exits = || failures.iter().map(|failure| failure.exit);
    if exits().any(|exit| exit == Exit::Auth) {
        return Exit::Auth;
    }
    match exits().next() {
        Some(first) if failures.len() == lists && exits().all(|exit| exit == first) => first,
        _ => Exit::SomeFailed,
    }
}

/// One line for each list.
fn table(rows: &[Row<'_>]) -> String {
    let shown = |row: &Row<'_>| HumanCount(row.output_rows()).to_string();
    let name_width = rows.iter().map(|row| row.name.chars().count()).max();
    let rows_width = rows.iter().map(|row| shown(row).len()).max();
    let name_width = name_width.unwrap_or(0).max("Actor".len());
    let rows_width = rows_width.unwrap_or(0).max("rows".len());
    let mut table = format!(
        "  {:name_width$}  {:>rows_width$}  what happened",
        "Actor", "rows"
    );
    for row in rows {
        let line = format!(
            "\n  {:name_width$}  {:>rows_width$}  {}",
            row.name,
            shown(row),
            row.what_happened()
        );
        table.push_str(&line);
    }
    table
}

impl Row<'_> {
    fn failure(&self) -> Option<&Failure> {
        self.outcome.as_ref()?.result.as_ref().err()
    }

    fn output_rows(&self) -> u64 {
        self.outcome
            .as_ref()
            .map_or(0, |outcome| outcome.output_rows)
    }

    fn what_happened(&self) -> String {
        let Some(outcome) = &self.outcome else {
            return "not started".into();
        };
        let new = HumanCount(outcome.rows);
        match &outcome.result {
            Ok(false) => format!("complete, {new} new"),
            Ok(true) => format!("interrupted, {new} new"),
            Err(failure) => format!("failed: {}", failure.message),
        }
    }

    fn fields(&self) -> Value {
        let outcome = self.outcome.as_ref();
        json!({
            "actor": self.name,
            "state": match outcome.map(|outcome| &outcome.result) {
                Some(Ok(false)) => "complete",
                Some(Ok(true)) => "interrupted",
                Some(Err(_)) => "failed",
                None => "not started",
            },
            "rows": outcome.map_or(0, |outcome| outcome.rows),
            "output_rows": self.output_rows(),
            "frozen_rows": outcome.map_or(0, |outcome| outcome.frozen_rows),
            "error": self.failure().map(|failure| &failure.message),
        })
    }
}

/// Shows one progress for all lists.
struct ListsMeter {
    meter: ProgressMeter,
    count: usize,
    ended: AtomicUsize,
    totals: Mutex<Totals>,
}

/// What the lists add up to.
#[derive(Default)]
struct Totals {
    all: Progress,
    lists: HashMap<usize, Progress>,
}

impl ListsMeter {
    fn start(console: &Console, service: &str, count: usize) -> Self {
        Self {
            // How many runs there are is not known before all lists have been started.
            meter: ProgressMeter::start(console, service, true),
            count,
            ended: AtomicUsize::new(0),
            totals: Mutex::default(),
        }
    }

    /// Shows how far all lists have come, of which this is one.
    fn show(&self, list: usize, progress: Progress) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let all = totals.add(list, progress);
        let ended = self.ended.load(Ordering::Relaxed);
        self.meter
            .show(all, &format!(", {ended} of {} lists", self.count));
    }

    fn ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Totals {
    /// Takes over how far a list has come.
    fn add(&mut self, list: usize, now: Progress) -> Progress {
        let before = self.lists.insert(list, now).unwrap_or_default();
        let all = &mut self.all;
        all.rows = all.rows + now.rows - before.rows;
        all.new_rows = all.new_rows + now.new_rows - before.new_rows;
        all.committed_rows = all.committed_rows + now.committed_rows - before.committed_rows;
        all.requests = all.requests + now.requests - before.requests;
        all.retries = all.retries + now.retries - before.retries;
        *all
    }
}
