//! `apify-runs export`.

use std::ffi::OsStr;

use apify_runs::Split;
use apify_runs::export::{self, Format};

use crate::arguments::{DestinationArguments, ExportArguments};
use crate::console::Console;
use crate::destination::{self, has_placeholder, is_stdout};
use crate::exit::{Exit, Failure};
use crate::exporter::{Exporter, List, can_resume, check_skipped, failure};
use crate::fields;
use crate::input;
use crate::lists::{Lists, Outcome, Show};
use crate::metrics::Metrics;
use crate::service::Service;
use crate::signals::StopSignal;

pub(crate) async fn run(
    mut arguments: Box<ExportArguments>,
    console: &Console,
) -> Result<Exit, Failure> {
    destination::resolve(&mut arguments.destination)?;
    let format = destination::format(&arguments.destination)?;
    fields::check(&arguments.destination, format)?;
    if arguments.json && is_stdout(&arguments.destination) {
        let message = "--json cannot print its summary into the rows of --out -";
        return Err(Failure::usage(message));
    }
    let named = &arguments.source.actor;
    let several = input::several_actors(named, arguments.actors.actors_file.as_deref())?;
    // One Actor may take the place of {actor}, too.
    let one =
        || (!named.is_empty() && has_placeholder(&arguments.destination)).then(|| named.clone());
    let actors = several.or_else(one);
    let splits = match &arguments.split {
        Some(file) => Some(splits(file, &arguments.destination, format)?),
        None => None,
    };
    let exporter = Exporter {
        format,
        service: Service::open(&arguments.source, console).await?,
        stop: StopSignal::listen(),
        metrics: Metrics::start(&arguments.metrics, console).await?,
        console,
        arguments: &arguments,
    };
    if let Some(actors) = actors {
        return export_several(&exporter, &actors).await;
    }
    let Some(splits) = splits else {
        return exporter.export(List::of_arguments(&arguments)).await;
    };
    for split in splits {
        let list = List {
            split: Some(split),
            ..List::of_arguments(&arguments)
        };
        let exit = exporter.export(list).await?;
        if exit != Exit::Complete {
            return Ok(exit);
        }
        if exporter.stop.signal() != 0 {
            return Ok(Exit::Interrupted(exporter.stop.signal()));
        }
    }
    Ok(Exit::Complete)
}

/// Exports the list of each Actor into an output of its own.
async fn export_several(exporter: &Exporter<'_>, actors: &[String]) -> Result<Exit, Failure> {
    let arguments = exporter.arguments;
    let outputs = actors.iter().map(|actor| {
        let destination = &arguments.destination;
        Ok(List {
            actor: Some(actor.clone()),
            split: None,
            destination: destination::of_actor(destination, actor, exporter.format)?,
        })
    });
    let outputs = outputs.collect::<Result<Vec<_>, Failure>>()?;
    let lists = Lists {
        console: exporter.console,
        stop: &exporter.stop,
        service: &exporter.service.name,
        parallel: arguments.walk.parallel(actors.len()),
        can_resume: can_resume(arguments),
        restarts: arguments.destination.restart,
        json: arguments.json,
    };
    let work = |number: usize, show| export_one(exporter, &outputs[number], show);
    lists.run(actors, work).await
}

/// Exports one of several lists.
async fn export_one(exporter: &Exporter<'_>, list: &List, show: Show) -> Outcome {
    let transfer = async {
        let show = move |progress: &export::Progress| show(progress.into());
        let transfer = exporter.transfer(list, show).await?;
        transfer.result.map_err(failure)
    };
    match transfer.await {
        Ok(summary) => Outcome {
            output_rows: summary.output_rows,
            rows: summary.rows,
            frozen_rows: summary.frozen_rows,
            result: check_skipped(&summary).map(|_| summary.interrupted),
        },
        Err(failure) => {
            let checkpoint = exporter.checkpoint(list).await.ok().flatten();
            Outcome::failed(
                failure,
                checkpoint.map_or(0, |checkpoint| checkpoint.rows()),
            )
        }
    }
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
