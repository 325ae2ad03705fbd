//! The export of several lists.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use apify_runs::export::{Progress, Summary};
use futures_util::{StreamExt, stream};
use indicatif::HumanCount;
use serde_json::{Value, json};

use crate::console::{Console, Level};
use crate::counts::counted;
use crate::destination;
use crate::exit::{Exit, Failure};
use crate::exporter::{Exporter, List, can_resume, check_skipped, failure};
use crate::progress::ProgressMeter;
use crate::resume;
use crate::stdout::print_json;
use crate::summary;

/// A line of the table: how the export of a list has ended.
struct Row<'a> {
    /// The place of the list in the table.
    number: usize,
    actor: &'a str,
    /// In the output.
    output_rows: u64,
    /// Written by this start.
    rows: u64,
    /// Written by this start, of runs that had not finished and will not be updated.
    frozen_rows: u64,
    state: State,
}

enum State {
    Complete,
    Interrupted,
    NotStarted,
    Failed(Failure),
}

/// Exports the list of each Actor into an output of its own, several at a time, and prints one table
/// of how they ended.
pub(crate) async fn export(exporter: &Exporter<'_>, actors: &[String]) -> Result<Exit, Failure> {
    let walk = &exporter.arguments.walk;
    let lists = actors.iter().map(|actor| list(exporter, actor));
    let lists = lists.collect::<Result<Vec<_>, _>>()?;
    let meter = ListsMeter::start(exporter.console, &exporter.service.name, lists.len());
    let batch = Batch {
        exporter,
        meter: Arc::new(meter),
        is_refused: AtomicBool::new(false),
    };
    // A list that is followed does not end: all of them are read at a time.
    let parallel = match walk.follow {
        true => lists.len(),
        false => walk.parallel,
    };
    let rows = actors.iter().zip(&lists).enumerate();
    let rows = rows.map(|(number, (actor, list))| batch.export(number, actor, list));
    let rows = stream::iter(rows).buffer_unordered(parallel);
    let mut rows: Vec<Row<'_>> = rows.collect().await;
    rows.sort_by_key(|row| row.number);
    // No progress is shown below the table.
    drop(batch);
    end(exporter, &rows)
}

/// The list of an Actor, and where it goes.
fn list(exporter: &Exporter<'_>, actor: &str) -> Result<List, Failure> {
    let destination = &exporter.arguments.destination;
    Ok(List {
        actor: Some(actor.to_owned()),
        split: None,
        destination: destination::of_actor(destination, actor, exporter.format)?,
    })
}

/// What the exports of the lists have in common.
struct Batch<'a> {
    exporter: &'a Exporter<'a>,
    meter: Arc<ListsMeter>,
    /// Whether the service has refused the token. Without a good one no list can be read.
    is_refused: AtomicBool,
}

impl Batch<'_> {
    /// Exports one list.
    async fn export<'b>(&self, number: usize, actor: &'b str, list: &List) -> Row<'b> {
        let mut row = Row {
            number,
            actor,
            output_rows: 0,
            rows: 0,
            frozen_rows: 0,
            state: State::NotStarted,
        };
        let exporter = self.exporter;
        if exporter.stop.signal() != 0 || self.is_refused.load(Ordering::Relaxed) {
            return row;
        }
        match self.transfer(number, list).await {
            Ok(summary) => {
                (row.output_rows, row.rows) = (summary.output_rows, summary.rows);
                row.frozen_rows = summary.frozen_rows;
                row.state = match check_skipped(&summary) {
                    Err(failure) => State::Failed(failure),
                    Ok(_) if summary.interrupted => State::Interrupted,
                    Ok(_) => State::Complete,
                };
            }
            Err(failure) => {
                let checkpoint = exporter.checkpoint(list).await.ok().flatten();
                row.output_rows = checkpoint.map_or(0, |checkpoint| checkpoint.rows());
                row.state = State::Failed(failure);
            }
        }
        if let State::Failed(failure) = &row.state {
            if failure.exit == Exit::Auth {
                self.is_refused.store(true, Ordering::Relaxed);
            }
            let text = format!("{actor}: {}", failure.message);
            exporter
                .console
                .log(Level::Warning, &text, json!({"actor": actor}));
        }
        self.meter.ended();
        row
    }

    async fn transfer(&self, number: usize, list: &List) -> Result<Summary, Failure> {
        destination::create_folder(&list.destination)?;
        let meter = Arc::clone(&self.meter);
        let show = move |progress: &Progress| meter.show(number, progress);
        let transfer = self.exporter.transfer(list, show).await?;
        transfer.result.map_err(failure)
    }
}

/// Prints the table, and says how to resume.
fn end(exporter: &Exporter<'_>, rows: &[Row<'_>]) -> Result<Exit, Failure> {
    let failures: Vec<&Failure> = rows.iter().filter_map(Row::failure).collect();
    let signal = exporter.stop.signal();
    let state = match (signal, failures.len()) {
        (0, 0) => "complete:",
        (0, _) => "incomplete:",
        _ => "interrupted:",
    };
    let output_rows = rows.iter().map(|row| row.output_rows).sum();
    let runs = counted(output_rows, "run");
    let lists = counted(rows.len() as u64, "list");
    let mut text = format!("{state} {runs} of {lists}\n{}", table(rows));
    let frozen_rows = rows.iter().map(|row| row.frozen_rows).sum();
    if frozen_rows > 0 {
        text += &format!("\n  {}", summary::frozen(frozen_rows));
    }
    let fields = json!({
        "output_rows": output_rows,
        "frozen_rows": frozen_rows,
        "failed": failures.len(),
        "lists": rows.iter().map(Row::fields).collect::<Vec<_>>(),
    });
    exporter.console.result(&text, fields.clone());
    if exporter.arguments.json {
        print_json(&fields)?;
    }
    if failures.is_empty() && signal == 0 {
        return Ok(Exit::Complete);
    }
    // A list that was not started has not been restarted either.
    let is_not_started = |row: &Row<'_>| matches!(row.state, State::NotStarted);
    let restarts = exporter.arguments.destination.restart && rows.iter().any(is_not_started);
    let command = match can_resume(exporter.arguments) {
        true => resume::command(restarts),
        false => None,
    };
    if signal != 0 {
        if let Some(command) = command {
            exporter.console.hint(&command);
        }
        return Ok(Exit::Interrupted(signal));
    }
    let message = format!("{} of {lists} failed", failures.len());
    Err(Failure::new(exit(&failures, rows.len()), message).with_command(command))
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
    let shown = |row: &Row<'_>| HumanCount(row.output_rows).to_string();
    let actor_width = rows.iter().map(|row| row.actor.chars().count()).max();
    let rows_width = rows.iter().map(|row| shown(row).len()).max();
    let actor_width = actor_width.unwrap_or(0).max("Actor".len());
    let rows_width = rows_width.unwrap_or(0).max("rows".len());
    let mut table = format!(
        "  {:actor_width$}  {:>rows_width$}  what happened",
        "Actor", "rows"
    );
    for row in rows {
        let line = format!(
            "\n  {:actor_width$}  {:>rows_width$}  {}",
            row.actor,
            shown(row),
            row.what_happened()
        );
        table.push_str(&line);
    }
    table
}

impl Row<'_> {
    fn failure(&self) -> Option<&Failure> {
        match &self.state {
            State::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    fn what_happened(&self) -> String {
        let new = HumanCount(self.rows);
        match &self.state {
            State::Complete => format!("complete, {new} new"),
            State::Interrupted => format!("interrupted, {new} new"),
            State::NotStarted => "not started".into(),
            State::Failed(failure) => format!("failed: {}", failure.message),
        }
    }

    fn fields(&self) -> Value {
        json!({
            "actor": self.actor,
            "state": match self.state {
                State::Complete => "complete",
                State::Interrupted => "interrupted",
                State::NotStarted => "not started",
                State::Failed(_) => "failed",
            },
            "rows": self.rows,
            "output_rows": self.output_rows,
            "frozen_rows": self.frozen_rows,
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
    all: Option<Progress>,
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
    fn show(&self, list: usize, progress: &Progress) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let all = totals.add(list, progress);
        let note = format!(
            ", {} of {} lists",
            self.ended.load(Ordering::Relaxed),
            self.count
        );
        self.meter.show(&all, &note);
    }

    fn ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Totals {
    /// Takes over how far a list has come.
    fn add(&mut self, list: usize, now: &Progress) -> Progress {
        let before = self.lists.insert(list, *now);
        let mut all = match self.all {
            Some(all) => all,
            None => {
                self.all = Some(*now);
                return *now;
            }
        };
        let old = |value: fn(&Progress) -> u64| before.as_ref().map_or(0, value);
        all.rows += now.rows - old(|it| it.rows);
        all.committed_rows += now.committed_rows - old(|it| it.committed_rows);
        all.stats.rows += now.stats.rows - old(|it| it.stats.rows);
        all.stats.requests += now.stats.requests - old(|it| it.stats.requests);
        all.stats.retries += now.stats.retries - old(|it| it.stats.retries);
        self.all = Some(all);
        all
    }
}
