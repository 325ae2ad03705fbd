//! `apify-runs export`.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use apify_runs::export::{Checkpoint, Compression, Encoding, Export, Format, Output, Summary};
use apify_runs::{Emit, Error, ErrorKind, RunQuery, Runs, Split};
use serde_json::{Value, json};

use crate::arguments::{
    DestinationArguments, EmitChoice, ExportArguments, SourceArguments, WalkArguments,
};
use crate::exit::{Exit, Failure, is_broken_pipe};
use crate::lines::Lines;
use crate::progress::Meter;
use crate::resume;
use crate::screen::{Level, Screen};
use crate::signals::Stop;
use crate::source::{self, Source};
use crate::split;

const STANDARD_OUTPUT: &str = "-";

pub(crate) async fn run(arguments: Box<ExportArguments>, screen: &Screen) -> Result<Exit, Failure> {
    let format = format(&arguments.destination)?;
    let splits = match &arguments.split {
        Some(file) => Some(splits(file, &arguments.destination, format)?),
        None => None,
    };
    let job = Job {
        format,
        source: Source::open(&arguments.source).await?,
        stop: Stop::listen(),
        screen,
        arguments: &arguments,
    };
    let Some(splits) = splits else {
        return job.export(None).await;
    };
    for split in splits {
        let exit = job.export(Some(split)).await?;
        if exit != Exit::Complete {
            return Ok(exit);
        }
        if job.stop.signal() != 0 {
            return Ok(Exit::Interrupted(job.stop.signal()));
        }
    }
    Ok(Exit::Complete)
}

/// The parts that are to be exported into one output.
fn splits(
    file: &OsStr,
    destination: &DestinationArguments,
    format: Format,
) -> Result<Vec<Split>, Failure> {
    let splits = split::read(file)?;
    let can_be_appended =
        name_is_pipe(destination) && destination.checkpoint.is_none() && format == Format::JSONL;
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
struct Job<'a> {
    arguments: &'a ExportArguments,
    format: Format,
    source: Source,
    stop: Arc<Stop>,
    screen: &'a Screen,
}

impl Job<'_> {
    /// Exports the list that the arguments name, or this part of one.
    async fn export(&self, split: Option<Split>) -> Result<Exit, Failure> {
        let destination = &self.arguments.destination;
        let output = destination_output(destination, self.format)?;
        let name = match name_is_pipe(destination) {
            true => "standard output".into(),
            false => output.to_string(),
        };
        let before = match output.read_checkpoint().await {
            // What cannot be read can be forgotten as well.
            Err(_) if destination.restart => None,
            before => before?,
        };
        let runs = self.runs(split, before.as_ref().filter(|_| !destination.restart))?;
        let runs = walk(runs, &self.arguments.walk);
        let result = self.run(Export::new(runs, output)).await;
        let place = Place {
            arguments: self.arguments,
            format: self.format,
            before,
        };
        self.end(result, &name, place).await
    }

    /// What is read: the list that the arguments name, or this part of one.
    fn runs(&self, split: Option<Split>, known: Option<&Checkpoint>) -> Result<Runs, Failure> {
        let (client, walk) = (&self.source.client, &self.arguments.walk);
        Ok(match (split, walk.page_size) {
            (Some(split), Some(page_size)) => client.runs(split.page_size(page_size)),
            (Some(split), None) => client.runs(split),
            (None, page_size) => {
                let query = narrow(source::query(&self.arguments.source, known)?, walk);
                client.runs(match page_size {
                    Some(page_size) => query.page_size(page_size),
                    None => query,
                })
            }
        })
    }

    /// Lets an export run until it is complete or the program is asked to stop.
    async fn run(&self, export: Export) -> apify_runs::Result<Summary> {
        let walk = &self.arguments.walk;
        let meter = Arc::new(Meter::start(self.screen, walk.follow));
        let most = walk.max_items.unwrap_or(u64::MAX);
        prepared(export, self.arguments, self.screen)
            .format(self.format)
            .on_progress(move |progress| {
                let mut progress = *progress;
                progress.total = progress.total.map(|total| total.min(most));
                meter.show(&progress);
            })
            .run_until(self.stop.asked())
            .await
    }

    /// Says how an export has ended, and how to go on.
    async fn end(
        &self,
        result: apify_runs::Result<Summary>,
        name: &str,
        place: Place<'_>,
    ) -> Result<Exit, Failure> {
        match result {
            Ok(summary) if summary.interrupted => {
                report(&summary, name, place.command().await, self.screen);
                Ok(Exit::Interrupted(self.stop.signal()))
            }
            Ok(summary) => {
                report(&summary, name, None, self.screen);
                all_rows(&summary)
            }
            Err(error) if name_is_pipe(&self.arguments.destination) && is_broken_pipe(&error) => {
                Ok(Exit::BrokenPipe)
            }
            Err(error) => {
                let command = place.command_after(&error).await;
                Err(failure(error).with_command(command))
            }
        }
    }
}

/// An export as the arguments want it.
fn prepared(export: Export, arguments: &ExportArguments, screen: &Screen) -> Export {
    let (destination, screen) = (&arguments.destination, screen.clone());
    labelled(export, &arguments.source)
        .fields(destination.fields.iter().map(|field| field.trim()))
        .restart(destination.restart)
        .part_rows(destination.part_rows)
        .part_interval(destination.part_interval)
        .on_unreadable(move |error| {
            let fields = json!({"row": error.row()});
            screen.say(Level::Warning, &error.to_string(), fields);
        })
}

/// Where an export writes, and what was there before it.
struct Place<'a> {
    arguments: &'a ExportArguments,
    format: Format,
    before: Option<Checkpoint>,
}

impl Place<'_> {
    /// The command that goes on from here, if anything can.
    async fn command(&self) -> Option<String> {
        if !can_go_on(self.arguments) {
            return None;
        }
        // As long as the checkpoint is the one that is to be forgotten, it still is.
        let restarts = match self.checkpoint().await {
            Ok(now) => now == self.before,
            Err(_) => true,
        };
        resume::command(self.arguments.destination.restart && restarts)
    }

    /// The same after an error, if the command would not just fail in the same way.
    async fn command_after(&self, error: &Error) -> Option<String> {
        let goes_on = match error.kind() {
            _ if error.is_transient() => true,
            ErrorKind::Auth | ErrorKind::Output | ErrorKind::Protocol => {
                matches!(self.checkpoint().await, Ok(Some(_)))
            }
            _ => false,
        };
        match goes_on {
            true => self.command().await,
            false => None,
        }
    }

    async fn checkpoint(&self) -> apify_runs::Result<Option<Checkpoint>> {
        match destination_output(&self.arguments.destination, self.format) {
            Ok(output) => output.read_checkpoint().await,
            Err(_) => Ok(None),
        }
    }
}

/// An error, with what helps.
fn failure(error: Error) -> Failure {
    let kind = error.kind();
    let mut failure = Failure::from(error);
    match kind {
        ErrorKind::CursorMismatch => {
            failure.message += "; name another output, or start again with --restart";
        }
        ErrorKind::Damaged => {
            failure.message = failure.message.replace("with restart,", "with --restart,");
        }
        _ => {}
    }
    failure
}

fn walk(runs: Runs, arguments: &WalkArguments) -> Runs {
    let runs = runs
        .concurrency(arguments.concurrency)
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

fn narrow(query: RunQuery, arguments: &WalkArguments) -> RunQuery {
    let query = query.descending(arguments.desc);
    match arguments.max_items {
        Some(limit) => query.limit(limit),
        None => query,
    }
}

/// Notes the times that are relative, for the next start.
fn labelled(export: Export, arguments: &SourceArguments) -> Export {
    let times = [("since", &arguments.since), ("until", &arguments.until)];
    times.into_iter().fold(export, |export, (name, time)| {
        match time.as_ref().and_then(|time| time.relative()) {
            Some(text) => export.label(name, text),
            None => export,
        }
    })
}

fn format(arguments: &DestinationArguments) -> Result<Format, Failure> {
    if let Some(format) = arguments.format {
        return Ok(format);
    }
    if name_is_pipe(arguments) {
        return Ok(Format::JSONL);
    }
    let name = arguments.out.to_string_lossy();
    Format::of_name(&name).ok_or_else(|| {
        let message = format!("the name {name} does not tell the format: add --format");
        Failure::usage(message)
    })
}

fn name_is_pipe(arguments: &DestinationArguments) -> bool {
    arguments.out == STANDARD_OUTPUT
}

/// Whether the same command, by itself, can go on where this start stops.
fn can_go_on(arguments: &ExportArguments) -> bool {
    let destination = &arguments.destination;
    // It would wait for a part that does not come again by itself.
    let waits = arguments.split.as_deref().is_some_and(split::is_stdin);
    !waits && (!name_is_pipe(destination) || destination.checkpoint.is_some())
}

fn destination_output(arguments: &DestinationArguments, format: Format) -> Result<Output, Failure> {
    let checkpoint = arguments.checkpoint.as_deref();
    if name_is_pipe(arguments) && format.compression == Compression::None {
        let resumes = !arguments.restart && checkpoint.is_some_and(Path::exists);
        return with_checkpoint(Output::writer(Lines::new(resumes)), checkpoint);
    }
    let is_folder = format.encoding == Encoding::Parquet || Path::new(&arguments.out).is_dir();
    output(&arguments.out, is_folder, checkpoint)
}

/// The output of this name.
pub(crate) fn output(
    out: &OsStr,
    is_folder: bool,
    checkpoint: Option<&Path>,
) -> Result<Output, Failure> {
    let name = out.to_string_lossy();
    let output = if out == STANDARD_OUTPUT {
        Output::writer(std::io::stdout())
    } else if name.starts_with("s3://") {
        Output::s3(&name)?
    } else if is_folder || name.ends_with(std::path::is_separator) {
        Output::directory(out)
    } else {
        Output::file(out)
    };
    with_checkpoint(output, checkpoint)
}

fn with_checkpoint(output: Output, checkpoint: Option<&Path>) -> Result<Output, Failure> {
    Ok(match checkpoint {
        Some(path) => output.checkpoint(path)?,
        None => output,
    })
}

/// Says what was done, and how to go on if that was not all.
fn report(summary: &Summary, name: &str, command: Option<String>, screen: &Screen) {
    let mut fields = fields(summary);
    fields["resume_command"] = command.clone().into();
    screen.result(&lines(summary, name), fields);
    if let Some(command) = command {
        screen.hint(&command);
    }
}

/// Whether all rows are in the output.
fn all_rows(summary: &Summary) -> Result<Exit, Failure> {
    if summary.skipped > 0 {
        let message = format!(
            "{} rows could not be read and are not in the output; only jsonl can hold them",
            summary.skipped
        );
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(Exit::Complete)
}

/// What it takes to see that nothing is missing, for a person.
fn lines(summary: &Summary, name: &str) -> String {
    let count = indicatif::HumanCount;
    let state = match summary.interrupted {
        true => "interrupted:",
        false => "complete:",
    };
    let time = |time: Option<chrono::DateTime<chrono::Utc>>| {
        time.map_or("none".into(), |time| {
            time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
        })
    };
    let stats = &summary.stats;
    let seconds = summary.elapsed.as_secs_f64();
    let ids = match summary.distinct_ids {
        Some(ids) => format!("with {} distinct ids", count(ids)),
        None => "too many to compare their ids: see verify".into(),
    };
    let before = match summary.total_before {
        Some(total) => format!("{} before", count(total)),
        None => "not counted before".into(),
    };
    let after = match summary.total_after {
        Some(total) => format!("{} after", count(total)),
        None => "not counted after".into(),
    };
    format!(
        "{state} {} runs in {name}\n\
         \x20 this time     {} runs, {ids}\n\
         \x20 they started  {} to {}\n\
         \x20 on the list   {before}, {after}\n\
         \x20 the list      moved: {}, late runs: {}, unfinished: {}, unfinished and gone: {}\n\
         \x20 requests      {}, retries: {}, received: {}\n\
         \x20 written       {} in {seconds:.2} s: {} runs/s",
        count(summary.output_rows),
        count(summary.rows),
        time(summary.first_started_at),
        time(summary.last_started_at),
        stats.drifts,
        count(stats.late),
        count(stats.unfinished),
        count(stats.vanished),
        count(stats.requests),
        count(stats.retries),
        indicatif::BinaryBytes(stats.bytes),
        indicatif::BinaryBytes(summary.bytes),
        count((summary.rows as f64 / seconds.max(1e-9)) as u64),
    )
}

/// The same for a program.
fn fields(summary: &Summary) -> Value {
    let stats = &summary.stats;
    json!({
        "interrupted": summary.interrupted,
        "rows": summary.rows,
        "output_rows": summary.output_rows,
        "distinct_ids": summary.distinct_ids,
        "skipped": summary.skipped,
        "first_started_at": summary.first_started_at.map(|time| time.to_rfc3339()),
        "last_started_at": summary.last_started_at.map(|time| time.to_rfc3339()),
        "total_before": summary.total_before,
        "total_after": summary.total_after,
        "drifts": stats.drifts,
        "late": stats.late,
        "vanished": stats.vanished,
        "unfinished": stats.unfinished,
        "requests": stats.requests,
        "retries": stats.retries,
        "bytes_received": stats.bytes,
        "bytes_written": summary.bytes,
        "seconds": summary.elapsed.as_secs_f64(),
    })
}
