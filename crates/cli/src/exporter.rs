//! One list on its way into its output.

use std::sync::Arc;

use apify_runs::export::{self, Checkpoint, Export, Format, Summary};
use apify_runs::{Emit, Error, ErrorKind, RunQuery, Runs, Split};
use serde_json::json;

use crate::arguments::{
    DestinationArguments, EmitChoice, ExportArguments, RowArguments, SourceArguments,
};
use crate::console::{Console, Level};
use crate::counts::counted;
use crate::destination::{self, is_stdout};
use crate::exit::{Exit, Failure, is_broken_pipe};
use crate::input;
use crate::metrics::Metrics;
use crate::progress::{Progress, ProgressMeter};
use crate::query::{self, list_name, with_filters};
use crate::resume;
use crate::service::Service;
use crate::signals::StopSignal;
use crate::stdout::print_json;
use crate::summary;
use crate::walk::BUFFERED_BYTES;

/// A list, and where it goes.
pub(crate) struct List {
    /// One of several Actors.
    pub(crate) actor: Option<String>,
    pub(crate) split: Option<Split>,
    pub(crate) destination: DestinationArguments,
}

impl List {
    /// The list that the arguments name.
    pub(crate) fn of_arguments(arguments: &ExportArguments) -> Self {
        Self {
            actor: None,
            split: None,
            destination: arguments.destination.clone(),
        }
    }
}

/// What the exports of one start have in common.
pub(crate) struct Exporter<'a> {
    pub(crate) arguments: &'a ExportArguments,
    pub(crate) format: Format,
    pub(crate) service: Service,
    pub(crate) stop: Arc<StopSignal>,
    pub(crate) metrics: Metrics,
    pub(crate) console: &'a Console,
}

/// How an export has ended.
pub(crate) struct Transfer {
    pub(crate) result: apify_runs::Result<Summary>,
    /// The name of the output.
    name: String,
    /// The checkpoint that it found.
    before: Option<Checkpoint>,
}

impl Exporter<'_> {
    /// Exports a list, shows how far it has come, and says how it has ended.
    pub(crate) async fn export(&self, list: List) -> Result<Exit, Failure> {
        let walk = &self.arguments.walk;
        let meter = ProgressMeter::start(self.console, &self.service.name, walk.follow);
        let max_items = self.arguments.rows.max_items.unwrap_or(u64::MAX);
        let show = move |progress: &export::Progress| {
            let mut progress = Progress::from(progress);
            progress.total = progress.total.map(|total| total.min(max_items));
            meter.show(progress, "");
        };
        let transfer = self.transfer(&list, show).await?;
        self.end(&list, transfer).await
    }

    /// Exports a list until it is complete or the program is asked to stop.
    pub(crate) async fn transfer(
        &self,
        list: &List,
        show: impl Fn(&export::Progress) + Send + Sync + 'static,
    ) -> Result<Transfer, Failure> {
        let destination = &list.destination;
        let output = destination::open(destination, self.format)?;
        let name = match is_stdout(destination) {
            true => "standard output".into(),
            false => output.to_string(),
        };
        let before = match output.read_checkpoint().await {
            // What cannot be read can be forgotten as well.
            Err(_) if destination.restart => None,
            before => before.map_err(failure)?,
        };
        let runs = self.runs(list, before.as_ref().filter(|_| !destination.restart))?;
        destination::create_folders(destination)?;
        let export = Export::new(runs, output).format(self.format);
        let result = with_settings(export, self.arguments, self.console)
            .on_progress(show)
            .run_until(self.stop.requested())
            .await;
        Ok(Transfer {
            result,
            name,
            before,
        })
    }

    /// The walk over a list.
    fn runs(&self, list: &List, before: Option<&Checkpoint>) -> Result<Runs, Failure> {
        let (client, walk) = (&self.service.client, &self.arguments.walk);
        let source = &self.arguments.source;
        let runs = match (&list.split, &list.actor) {
            (Some(split), _) => {
                let runs = client.runs(match walk.page_size {
                    Some(page_size) => split.clone().page_size(page_size),
                    None => split.clone(),
                });
                self.metrics.monitored(&list_name(split.query()), runs)
            }
            (None, actor) => {
                let query = match actor {
                    Some(actor) => with_filters(RunQuery::actor(actor), source, before)?,
                    None => query::list(source, before)?,
                };
                if actor.is_none() {
                    query::show_instants(source, &query, self.console);
                }
                let name = list_name(&query);
                let query = walk.sized(with_order(query, &self.arguments.rows));
                self.metrics.monitored(&name, client.runs(query))
            }
        };
        let runs = match list.actor {
            Some(_) => runs.max_buffered_bytes(BUFFERED_BYTES),
            None => runs,
        };
        Ok(walk.runs(runs).emit(match self.arguments.rows.emit {
            EmitChoice::Snapshot => Emit::Snapshot,
            EmitChoice::Finished => Emit::Finished,
            EmitChoice::Changes => Emit::Changes,
        }))
    }

    /// Says how an export has ended, and how to resume.
    async fn end(&self, list: &List, transfer: Transfer) -> Result<Exit, Failure> {
        let Transfer {
            result,
            name,
            before,
        } = transfer;
        match result {
            Ok(summary) if summary.interrupted => {
                let command = self.resume_command(list, &before).await;
                self.report(&summary, &name, command)?;
                Ok(Exit::Interrupted(self.stop.signal()))
            }
            Ok(summary) => {
                self.report(&summary, &name, None)?;
                check_skipped(&summary)
            }
            Err(error) if is_stdout(&list.destination) && is_broken_pipe(&error) => {
                Ok(Exit::BrokenPipe)
            }
            Err(error) => {
                let command = match self.may_succeed_later(list, &error).await {
                    true => self.resume_command(list, &before).await,
                    false => None,
                };
                Err(failure(error).with_command(command))
            }
        }
    }

    /// Says what was done, and how to resume if that was not all.
    fn report(
        &self,
        summary: &Summary,
        name: &str,
        command: Option<String>,
    ) -> Result<(), Failure> {
        let mut fields = summary::fields(summary, name);
        fields["resume_command"] = command.clone().into();
        let text = summary::lines(summary, name, self.console.is_verbose());
        self.console.result(&text, fields.clone());
        if self.arguments.json {
            print_json(&fields)?;
        }
        if let Some(command) = command {
            self.console.hint(&command);
        }
        Ok(())
    }

    /// Whether the same command would not fail in the same way.
    async fn may_succeed_later(&self, list: &List, error: &Error) -> bool {
        match error.kind() {
            _ if error.is_transient() => true,
            ErrorKind::Auth | ErrorKind::Output | ErrorKind::Protocol => {
                matches!(self.checkpoint(list).await, Ok(Some(_)))
            }
            _ => false,
        }
    }

    /// The command that resumes from here, if there is one.
    async fn resume_command(&self, list: &List, before: &Option<Checkpoint>) -> Option<String> {
        if !can_resume(self.arguments) {
            return None;
        }
        // A restart is still to be made if the checkpoint has not been replaced.
        let restarts = match self.checkpoint(list).await {
            Ok(now) => now == *before,
            Err(_) => true,
        };
        resume::command(list.destination.restart && restarts)
    }

    /// The checkpoint of a list as it is now.
    pub(crate) async fn checkpoint(&self, list: &List) -> apify_runs::Result<Option<Checkpoint>> {
        match destination::open(&list.destination, self.format) {
            Ok(output) => output.read_checkpoint().await,
            Err(_) => Ok(None),
        }
    }
}

/// Whether the same command, by itself, can resume where this start stops.
pub(crate) fn can_resume(arguments: &ExportArguments) -> bool {
    let destination = &arguments.destination;
    // It would wait for a split, or for Actors, that do not come again by themselves.
    let files = [&arguments.split, &arguments.actors.actors_file];
    let waits = files
        .iter()
        .any(|file| file.as_deref().is_some_and(input::is_stdin));
    !waits && (!is_stdout(destination) || destination.checkpoint.is_some())
}

/// An error, with what helps.
pub(crate) fn failure(error: Error) -> Failure {
    let kind = error.kind();
    let mut failure = Failure::from(error);
    if matches!(kind, ErrorKind::CursorMismatch | ErrorKind::Damaged) {
        failure.message += "; name another output, or start again with --restart";
    }
    failure
}

fn with_order(query: RunQuery, arguments: &RowArguments) -> RunQuery {
    let query = query.descending(arguments.desc);
    match arguments.max_items {
        Some(limit) => query.limit(limit),
        None => query,
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

/// Fails if rows are missing in the output.
pub(crate) fn check_skipped(summary: &Summary) -> Result<Exit, Failure> {
    if summary.skipped > 0 {
        let message = format!(
            "left out of the output: {} that could not be read; only jsonl can hold such rows",
            counted(summary.skipped, "row")
        );
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(Exit::Complete)
}
