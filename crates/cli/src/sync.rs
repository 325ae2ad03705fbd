//! `apify-runs sync`.

use std::sync::Arc;

use apify_runs::sync::{Database, DatabaseTarget, SyncJob, SyncProgress, SyncSummary};
use apify_runs::{Actor, ErrorKind, RunQuery, Runs};
use futures_util::{StreamExt, stream};
use indicatif::HumanCount;
use serde_json::{Value, json};

use crate::arguments::{SourceArguments, SyncArguments};
use crate::console::{Console, Level};
use crate::counts::{counted, lasted, retries};
use crate::exit::{Exit, Failure, reason};
use crate::flags;
use crate::input;
use crate::lists::{Lists, Outcome, Show};
use crate::metrics::Metrics;
use crate::progress::{Progress, ProgressMeter};
use crate::query::{list, list_name, with_filters};
use crate::resume;
use crate::service::Service;
use crate::signals::StopSignal;
use crate::stdout::print_json;
use crate::times::When;
use crate::walk::BUFFERED_BYTES;

/// How many Actors are requested at once.
const NAMES_AT_A_TIME: usize = 8;

/// What the syncs of one start have in common.
struct Syncer<'a> {
    arguments: &'a SyncArguments,
    service: Service,
    database: Database,
    stop: Arc<StopSignal>,
    metrics: Metrics,
    console: &'a Console,
}

pub(crate) async fn run(arguments: Box<SyncArguments>, console: &Console) -> Result<Exit, Failure> {
    check_times(&arguments.source)?;
    let source = &arguments.source;
    let file = arguments.actors.actors_file.as_deref();
    let several = input::several_actors(&source.actor, file)?;
    let queries = match &several {
        None => vec![list(source, None)?],
        Some(actors) => actors
            .iter()
            .map(|actor| with_filters(RunQuery::actor(actor), source, None))
            .collect::<Result<_, _>>()?,
    };
    let syncer = Syncer {
        service: Service::open(source, console).await?,
        database: open(&arguments).await?,
        stop: StopSignal::listen(),
        metrics: Metrics::start(&arguments.metrics, console).await?,
        console,
        arguments: &arguments,
    };
    let exit = match several {
        None => syncer.one(&queries[0]).await,
        Some(actors) => syncer.several(&actors, &queries).await,
    };
    // Also if some lists have failed: the others have Actors, too.
    if arguments.actor_names && syncer.stop.signal() == 0 {
        syncer.name_actors().await?;
    }
    exit
}

/// Refuses times that mean another list at each start.
fn check_times(source: &SourceArguments) -> Result<(), Failure> {
    let times = [("--since", &source.since), ("--until", &source.until)];
    for (flag, time) in times {
        if let Some(text) = time.as_ref().and_then(When::relative) {
            let expected = "it means another list at each start: name a day, or leave it out";
            return Err(Failure::usage(flags::invalid(flag, text, expected)));
        }
    }
    Ok(())
}

async fn open(arguments: &SyncArguments) -> Result<Database, Failure> {
    let mut builder = Database::builder(&arguments.to).table(&arguments.table);
    if let Some(schema) = &arguments.schema {
        builder = builder.schema(schema);
    }
    if arguments.to.starts_with("postgres")
        && let Ok(password) = std::env::var("PGPASSWORD")
    {
        builder = builder.password(password);
    }
    Ok(builder.open().await?)
}

impl Syncer<'_> {
    /// Syncs the only list.
    async fn one(&self, query: &RunQuery) -> Result<Exit, Failure> {
        let arguments = self.arguments;
        let meter = ProgressMeter::start(self.console, &self.service.name, arguments.walk.follow);
        let show = move |progress: &SyncProgress| {
            let note = match progress.is_reconciling {
                true => ", looks for deleted runs",
                false => "",
            };
            meter.show(progress.into(), note);
        };
        let job = self.job(self.runs(query), show);
        let command = || resume::command(arguments.restart);
        let summary = match job.run_until(self.stop.requested()).await {
            Ok(summary) => summary,
            Err(error) => {
                let command = error.is_transient().then(command).flatten();
                return Err(Failure::from(error).with_command(command));
            }
        };
        let text = lines(
            &summary,
            &self.database.to_string(),
            self.console.is_verbose(),
        );
        let fields = fields(&summary);
        self.console.result(&text, fields.clone());
        if arguments.json {
            print_json(&fields)?;
        }
        if summary.interrupted {
            if let Some(command) = command() {
                self.console.hint(&command);
            }
            return Ok(Exit::Interrupted(self.stop.signal()));
        }
        check_skipped(&summary).map(|()| Exit::Complete)
    }

    /// Syncs the list of each Actor.
    async fn several(&self, actors: &[String], queries: &[RunQuery]) -> Result<Exit, Failure> {
        let arguments = self.arguments;
        let lists = Lists {
            console: self.console,
            stop: &self.stop,
            service: &self.service.name,
            parallel: arguments.walk.parallel(actors.len()),
            can_resume: !arguments
                .actors
                .actors_file
                .as_deref()
                .is_some_and(input::is_stdin),
            restarts: arguments.restart,
            json: arguments.json,
        };
        let work = |number: usize, show| self.one_of_several(&queries[number], show);
        lists.run(actors, work).await
    }

    async fn one_of_several(&self, query: &RunQuery, show: Show) -> Outcome {
        let runs = self.runs(query).max_buffered_bytes(BUFFERED_BYTES);
        let job = self.job(runs, move |progress| show(Progress::from(progress)));
        match job.run_until(self.stop.requested()).await {
            Ok(summary) => Outcome {
                output_rows: summary.list_rows.unwrap_or(0),
                rows: summary.new,
                frozen_rows: 0,
                result: check_skipped(&summary).map(|()| summary.interrupted),
            },
            Err(error) => Outcome::failed(error.into(), 0),
        }
    }

    /// Stores the names of Actors that have none in the database. A name that cannot be read now is
    /// requested again by the next sync.
    async fn name_actors(&self) -> Result<(), Failure> {
        let unnamed = self.database.unnamed_actors().await?;
        let named = stream::iter(&unnamed).map(async |id| {
            match self.service.client.actor(id).await {
                // The next sync need not ask for what nobody may see.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Actor::new(id.clone())),
                actor => actor,
            }
        });
        let named: Vec<_> = named.buffer_unordered(NAMES_AT_A_TIME).collect().await;
        let failed = named.iter().filter_map(|actor| actor.as_ref().err());
        if let Some(error) = failed.clone().next() {
            let names = counted(failed.count() as u64, "Actor");
            let text = format!("the names of {names} cannot be read: {}", reason(error));
            self.console.log(Level::Warning, &text, json!({}));
        }
        let named = named.into_iter().filter_map(Result::ok);
        Ok(self.database.save_actors(named).await?)
    }

    fn runs(&self, query: &RunQuery) -> Runs {
        let walk = &self.arguments.walk;
        let runs = walk.runs(self.service.client.runs(walk.sized(query.clone())));
        self.metrics.monitored(&list_name(query), runs)
    }

    fn job(
        &self,
        runs: Runs,
        show: impl Fn(&SyncProgress) + Send + Sync + 'static,
    ) -> SyncJob<DatabaseTarget> {
        let (arguments, console) = (self.arguments, self.console.clone());
        SyncJob::new(runs, self.database.target())
            .raw(arguments.raw)
            .restart(arguments.restart)
            .reconcile(arguments.reconcile)
            .on_progress(show)
            .on_unreadable(move |error| {
                let fields = json!({"row": error.row()});
                console.log(Level::Warning, &error.to_string(), fields);
            })
    }
}

/// Fails if rows are missing in the table.
fn check_skipped(summary: &SyncSummary) -> Result<(), Failure> {
    match summary.skipped {
        0 => Ok(()),
        skipped => {
            let rows = counted(skipped, "row");
            let message = format!("left out of the database: {rows} that could not be read");
            Err(Failure::new(Exit::Failed, message))
        }
    }
}

/// For a person: what, how many, how fast, and then only what is unusual, unless `all` is wanted.
fn lines(summary: &SyncSummary, to: &str, all: bool) -> String {
    let state = match summary.interrupted {
        true => "interrupted:",
        false => "complete:",
    };
    let stats = &summary.stats;
    let seconds = summary.elapsed.as_secs_f64().max(1e-9);
    let speed = counted((summary.rows as f64 / seconds) as u64, "row");
    let runs = match summary.list_rows {
        Some(rows) => counted(rows, "run"),
        None => "runs".into(),
    };
    let mut lines = vec![
        format!("{state} {runs} of this list in {to}"),
        format!(
            "{} new, {} updated",
            HumanCount(summary.new),
            HumanCount(summary.updated)
        ),
        format!(
            "{}: {speed}/s, by {}",
            lasted(summary.elapsed),
            counted(stats.requests, "request")
        ),
    ];
    let news = [
        (
            summary.unfinished,
            format!(
                "{} not finished: the next sync updates them",
                counted(summary.unfinished, "run")
            ),
        ),
        (
            summary.deleted,
            format!(
                "{} gone from the list, and marked as deleted",
                counted(summary.deleted, "run")
            ),
        ),
        (
            summary.restored,
            format!("{} on the list again", counted(summary.restored, "run")),
        ),
        (
            stats.late,
            format!("{} appeared late", counted(stats.late, "run")),
        ),
        (stats.retries, retries(stats.retries)),
    ];
    let news = news.into_iter().filter(|(count, _)| all || *count > 0);
    lines.extend(news.map(|(_, line)| line));
    lines.join("\n  ")
}

/// For a program.
fn fields(summary: &SyncSummary) -> Value {
    let stats = &summary.stats;
    json!({
        "interrupted": summary.interrupted,
        "rows": summary.rows,
        "new": summary.new,
        "updated": summary.updated,
        "deleted": summary.deleted,
        "restored": summary.restored,
        "skipped": summary.skipped,
        "list_rows": summary.list_rows,
        "unfinished": summary.unfinished,
        "commits": summary.commits,
        "late": stats.late,
        "requests": stats.requests,
        "retries": stats.retries,
        "seconds": summary.elapsed.as_secs_f64(),
    })
}
