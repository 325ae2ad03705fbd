//! What the arguments of a watch say.

use std::collections::BTreeMap;
use std::time::Duration;

use apify_runs::{Cursor, RunQuery, RunStatus};
use chrono::{TimeDelta, Utc};

use super::delivery::Sink;
use super::exec::Exec;
use super::printer::Printer;
use super::reader::List;
use super::state::{ListState, State};
use super::webhook::Webhook;
use crate::arguments::WatchArguments;
use crate::exit::Failure;
use crate::query::{list_name, whole_list};
use crate::{flags, input};

/// The shortest time between two summaries.
const MIN_SUMMARY: Duration = Duration::from_secs(1);
/// The longest of all times.
const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Refuses times that are too short or too long.
pub(super) fn check_times(arguments: &WatchArguments) -> Result<(), Failure> {
    let check = |flag: &str, time: Option<Duration>, min: Duration| match time {
        Some(time) if !(min..=MAX_TIME).contains(&time) => {
            let min = humantime::format_duration(min);
            let expected = format!("it must be from {min} to 365d");
            let time = humantime::format_duration(time).to_string();
            Err(Failure::usage(flags::invalid(flag, &time, &expected)))
        }
        _ => Ok(()),
    };
    let started_within = Some(arguments.started_within);
    check("--summary", arguments.summary, MIN_SUMMARY)?;
    check("--max-running", arguments.max_running, Duration::ZERO)?;
    check("--started-within", started_within, Duration::ZERO)
}

/// How a run has to end.
pub(super) fn statuses(arguments: &WatchArguments) -> Result<Vec<RunStatus>, Failure> {
    let source = &arguments.source;
    if let Some(status) = source.status.iter().find(|status| !status.is_finished()) {
        let expected = "no run ends so; --max-running tells of runs that do not end";
        let message = flags::invalid("--status", status.as_str(), expected);
        return Err(Failure::usage(message));
    }
    let others = source.other_status.iter();
    let others = others.map(|status| RunStatus::from(status.as_str()));
    Ok(source.status.iter().cloned().chain(others).collect())
}

pub(super) fn sinks(arguments: &WatchArguments) -> Result<Vec<Sink>, Failure> {
    let mut sinks = vec![Sink::Printer(Printer {
        json: arguments.json,
    })];
    if let Some(url) = &arguments.webhook {
        sinks.push(Sink::Webhook(Webhook::new(url, arguments.slack)?));
    }
    if let Some(command) = &arguments.exec {
        sinks.push(Sink::Exec(Exec::new(command)?));
    }
    Ok(sinks)
}

pub(super) fn lists(arguments: &WatchArguments) -> Result<Vec<List>, Failure> {
    let source = &arguments.source;
    let file = arguments.actors.actors_file.as_deref();
    let queries = match input::several_actors(&source.actor, file)? {
        None => vec![whole_list(source)],
        Some(actors) => actors.iter().map(RunQuery::actor).collect(),
    };
    let list = |query: RunQuery| {
        let checked = query.validate().map_err(apify_runs::Error::from);
        checked?;
        let name = list_name(&query);
        Ok(List { name, query })
    };
    queries.into_iter().map(list).collect()
}

/// Lets lists that are not in the state begin now, or as the arguments say.
pub(super) fn begin(
    state: &mut State,
    lists: &[List],
    arguments: &WatchArguments,
) -> Result<(), Failure> {
    let out_of_range = || Failure::usage("--since is out of range");
    let ended_after = match &arguments.source.since {
        None => Some(Utc::now()),
        Some(since) => since.begin(),
    };
    let ended_after = ended_after.ok_or_else(out_of_range)?;
    let started_after = TimeDelta::from_std(arguments.started_within)
        .ok()
        .and_then(|within| ended_after.checked_sub_signed(within));
    let started_after = started_after.ok_or_else(out_of_range)?;
    for list in lists {
        let begin = || ListState {
            started_after,
            ended_after,
            cursor: Cursor::default(),
            running: BTreeMap::new(),
        };
        state.lists.entry(list.name.clone()).or_insert_with(begin);
    }
    Ok(())
}
