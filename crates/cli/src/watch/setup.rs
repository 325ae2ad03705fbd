//! The settings of a watch, from its arguments.

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
/// The longest of all other times.
const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The shortest interval that the library accepts.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// The longest interval and lookback that the library accepts.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Refuses times that are too short or too long, before anything is stored.
pub(super) fn check_times(arguments: &WatchArguments) -> Result<(), Failure> {
    let WatchArguments {
        summary,
        max_running,
        started_within,
        interval,
        lookback,
        ..
    } = arguments;
    let times = [
        ("--summary", *summary, MIN_SUMMARY..=MAX_TIME),
        ("--max-running", *max_running, Duration::ZERO..=MAX_TIME),
        (
            "--started-within",
            Some(*started_within),
            Duration::ZERO..=MAX_TIME,
        ),
        ("--interval", Some(*interval), MIN_INTERVAL..=MAX_INTERVAL),
        ("--lookback", Some(*lookback), Duration::ZERO..=MAX_INTERVAL),
    ];
    for (flag, time, range) in times {
        let Some(time) = time.filter(|time| !range.contains(time)) else {
            continue;
        };
        let days = range.end().as_secs() / (24 * 60 * 60);
        let min = humantime::format_duration(*range.start());
        let expected = format!("it must be from {min} to {days}d");
        let time = humantime::format_duration(time).to_string();
        return Err(Failure::usage(flags::invalid(flag, &time, &expected)));
    }
    Ok(())
}

/// The final statuses that raise an alert.
pub(super) fn statuses(arguments: &WatchArguments) -> Result<Vec<RunStatus>, Failure> {
    let source = &arguments.source;
    if let Some(status) = source.status.iter().find(|status| !status.is_finished()) {
        let expected = "no run ends with it; --max-running alerts for runs that do not finish";
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

/// Adds lists that are not in the state. They begin now, or at `--since`.
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
