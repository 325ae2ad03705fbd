//! `apify-runs export`.

use std::ffi::OsStr;
use std::sync::Arc;

use apify_runs::export::{Checkpoint, Export, Format, Summary};
use apify_runs::{Emit, Error, ErrorKind, RunQuery, Runs, Split};
use serde_json::json;

use crate::arguments::{
    DestinationArguments, EmitChoice, ExportArguments, SourceArguments, WalkArguments,
};
use crate::console::{Console, Level};
use crate::destination::{self, is_stdout};
use crate::exit::{Exit, Failure, is_broken_pipe};
use crate::input;
use crate::progress::ProgressMeter;
use crate::query::list;
use crate::resume;
use crate::service::Service;
use crate::signals::StopSignal;
use crate::summary;

pub(crate) async fn run(
    arguments: Box<ExportArguments>,
    console: &Console,
) -> Result<Exit, Failure> {
    let format = destination::format(&arguments.destination)?;
    let splits = match &arguments.split {
        Some(file) => Some(splits(file, &arguments.destination, format)?),
        None => None,
    };
    let exporter = Exporter {
        format,
        service: Service::open(&arguments.source).await?,
        stop: StopSignal::listen(),
        console,
        arguments: &arguments,
    };
    let Some(splits) = splits else {
        return exporter.export(None).await;
    };
    for split in splits {
        let exit = exporter.export(Some(split)).await?;
        if exit != Exit::Complete {
            return Ok(exit);
        }
        if exporter.stop.signal() != 0 {
            return Ok(Exit::Interrupted(exporter.stop.signal()));
        }
    }
    Ok(Exit::Complete)
}

/// The splits to export into one output.
fn splits(
    file: &OsStr,
    destination: &DestinationArguments,
    format: Format,
) -> Result<Vec<Split>, Failure> {
    let splits = input::splits(file)?;
    let can_be_appended =
        is_stdout(destination) && destination.checkpoint.is_none() && format == Format::default();
    if splits.len() == 1 || can_be_appended {
        return Ok(splits);
    }
    let message = format!(
        "{} splits cannot go into this output: give it one, or let them go to --out - as jsonl",
        splits.len()
    );
    Err(Failure::usage(message))
}

/// What the exports of one start have in common.
struct Exporter<'a> {
    arguments: &'a ExportArguments,
    format: Format,
    service: Service,
    stop: Arc<StopSignal>,
    console: &'a Console,
}

impl Exporter<'_> {
    /// Exports a split, or else the list that the arguments name.
    async fn export(&self, split: Option<Split>) -> Result<Exit, Failure> {
        let destination = &self.arguments.destination;
        let output = destination::open(destination, self.format)?;
        let name = match is_stdout(destination) {
            true => "standard output".into(),
            false => output.to_string(),
        };
        let before = match output.read_checkpoint().await {
            // What cannot be read can be forgotten as well.
            Err(_) if destination.restart => None,
            before => before?,
        };
        let runs = self.runs(split, before.as_ref().filter(|_| !destination.restart))?;
        let result = self.run(Export::new(runs, output)).await;
        self.end(result, &name, before).await
    }

    /// The walk over a split, or else over the list that the arguments name.
    fn runs(&self, split: Option<Split>, before: Option<&Checkpoint>) -> Result<Runs, Failure> {
        let (client, walk) = (&self.service.client, &self.arguments.walk);
        let runs = match (split, walk.page_size) {
            (Some(split), Some(page_size)) => client.runs(split.page_size(page_size)),
            (Some(split), None) => client.runs(split),
            (None, page_size) => {
                let query = with_order(list(&self.arguments.source, before)?, walk);
                client.runs(match page_size {
                    Some(page_size) => query.page_size(page_size),
                    None => query,
                })
            }
        };
        Ok(with_walk(runs, walk))
    }

    /// Runs an export until it is complete or the program is asked to stop.
    async fn run(&self, export: Export) -> apify_runs::Result<Summary> {
        let walk = &self.arguments.walk;
        let meter = Arc::new(ProgressMeter::start(self.console, walk.follow));
        let max_items = walk.max_items.unwrap_or(u64::MAX);
        with_settings(export, self.arguments, self.console)
            .format(self.format)
            .on_progress(move |progress| {
                let mut progress = *progress;
                progress.total = progress.total.map(|total| total.min(max_items));
                meter.show(&progress);
            })
            .run_until(self.stop.requested())
            .await
    }

    /// Says how an export has ended, and how to resume. `before` is the checkpoint that it found.
    async fn end(
        &self,
        result: apify_runs::Result<Summary>,
        name: &str,
        before: Option<Checkpoint>,
    ) -> Result<Exit, Failure> {
        match result {
            Ok(summary) if summary.interrupted => {
                let command = self.resume_command(&before).await;
                report(&summary, name, command, self.console);
                Ok(Exit::Interrupted(self.stop.signal()))
            }
            Ok(summary) => {
                report(&summary, name, None, self.console);
                check_skipped(&summary)
            }
            Err(error) if is_stdout(&self.arguments.destination) && is_broken_pipe(&error) => {
                Ok(Exit::BrokenPipe)
            }
            Err(error) => {
                let command = match self.may_succeed_later(&error).await {
                    true => self.resume_command(&before).await,
                    false => None,
                };
                Err(failure(error).with_command(command))
            }
        }
    }

    /// Whether the same command would not fail in the same way.
    async fn may_succeed_later(&self, error: &Error) -> bool {
        match error.kind() {
            _ if error.is_transient() => true,
            ErrorKind::Auth | ErrorKind::Output | ErrorKind::Protocol => {
                matches!(self.checkpoint().await, Ok(Some(_)))
            }
            _ => false,
        }
    }

    /// The command that resumes from here, if there is one.
    async fn resume_command(&self, before: &Option<Checkpoint>) -> Option<String> {
        if !can_resume(self.arguments) {
            return None;
        }
        // A restart is still to be made if the checkpoint has not been replaced.
        let restarts = match self.checkpoint().await {
            Ok(now) => now == *before,
            Err(_) => true,
        };
        resume::command(self.arguments.destination.restart && restarts)
    }

    async fn checkpoint(&self) -> apify_runs::Result<Option<Checkpoint>> {
        match destination::open(&self.arguments.destination, self.format) {
            Ok(output) => output.read_checkpoint().await,
            Err(_) => Ok(None),
        }
    }
}

/// Whether the same command, by itself, can resume where this start stops.
fn can_resume(arguments: &ExportArguments) -> bool {
    let destination = &arguments.destination;
    // It would wait for a split that does not come again by itself.
    let waits = arguments.split.as_deref().is_some_and(input::is_stdin);
    !waits && (!is_stdout(destination) || destination.checkpoint.is_some())
}

/// An error, with what helps.
fn failure(error: Error) -> Failure {
    let kind = error.kind();
    let mut failure = Failure::from(error);
    if matches!(kind, ErrorKind::CursorMismatch | ErrorKind::Damaged) {
        failure.message += "; name another output, or start again with --restart";
    }
    failure
}

fn with_order(query: RunQuery, arguments: &WalkArguments) -> RunQuery {
    let query = query.descending(arguments.desc);
    match arguments.max_items {
        Some(limit) => query.limit(limit),
        None => query,
    }
}

fn with_walk(runs: Runs, arguments: &WalkArguments) -> Runs {
    let runs = match arguments.concurrency {
        Some(pages) => runs.concurrency(pages),
        None => runs,
    };
    let runs = runs
        .lookback(arguments.lookback)
        .emit(match arguments.emit {
            EmitChoice::Snapshot => Emit::Snapshot,
            EmitChoice::Finished => Emit::Finished,
            EmitChoice::Changes => Emit::Changes,
        });
    match arguments.follow {
        true => runs.follow(arguments.interval),
        false => runs,
    }
}

fn with_settings(export: Export, arguments: &ExportArguments, console: &Console) -> Export {
    let (destination, console) = (&arguments.destination, console.clone());
    with_labels(export, &arguments.source)
        .fields(destination.fields.iter().map(|field| field.trim()))
        .restart(destination.restart)
        .part_rows(destination.part_rows)
        .part_interval(destination.part_interval)
        .on_unreadable(move |error| {
            let fields = json!({"row": error.row()});
            console.log(Level::Warning, &error.to_string(), fields);
        })
}

/// Keeps relative times in the checkpoint, for the next start.
fn with_labels(export: Export, arguments: &SourceArguments) -> Export {
    let times = [("since", &arguments.since), ("until", &arguments.until)];
    times.into_iter().fold(export, |export, (name, time)| {
        match time.as_ref().and_then(|time| time.relative()) {
            Some(text) => export.label(name, text),
            None => export,
        }
    })
}

/// Says what was done, and how to resume if that was not all.
fn report(summary: &Summary, name: &str, command: Option<String>, console: &Console) {
    let mut fields = summary::fields(summary);
    fields["resume_command"] = command.clone().into();
    console.result(&summary::lines(summary, name), fields);
    if let Some(command) = command {
        console.hint(&command);
    }
}

/// Fails if rows are missing in the output.
fn check_skipped(summary: &Summary) -> Result<Exit, Failure> {
    if summary.skipped > 0 {
        let message = format!(
            "{} rows could not be read and are not in the output; only jsonl can hold them",
            summary.skipped
        );
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(Exit::Complete)
}
