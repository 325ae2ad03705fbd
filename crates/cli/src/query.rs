//! The list that the arguments name.

use apify_runs::export::Checkpoint;
use apify_runs::{RunQuery, RunStatus, Scope};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::arguments::SourceArguments;
use crate::console::{Console, Level};
use crate::exit::Failure;
use crate::flags;
use crate::input::with_tilde;
use crate::times::{When, shown};

/// What the service's times are precise to.
const RESOLUTION: TimeDelta = TimeDelta::milliseconds(1);

/// The query that the arguments describe. Times that are relative mean what they meant at the
/// first start.
pub(crate) fn list(
    arguments: &SourceArguments,
    before: Option<&Checkpoint>,
) -> Result<RunQuery, Failure> {
    with_filters(whole_list(arguments), arguments, before)
}

/// The list that the arguments name, without filters.
pub(crate) fn whole_list(arguments: &SourceArguments) -> RunQuery {
    match (&arguments.actor[..], &arguments.task) {
        ([actor, ..], _) => RunQuery::actor(actor),
        ([], Some(task)) => RunQuery::task(task),
        ([], None) if arguments.account => RunQuery::account(),
        ([], None) => RunQuery::actor("demo"),
    }
}

/// What a list is called: one spelling for one list.
pub(crate) fn list_name(query: &RunQuery) -> String {
    match &query.scope {
        Scope::Actor(actor) => format!("actor {}", with_tilde(actor)),
        Scope::Task(task) => format!("task {}", with_tilde(task)),
        other => other.to_string(),
    }
}

/// The query with the filters of the arguments.
pub(crate) fn with_filters(
    query: RunQuery,
    arguments: &SourceArguments,
    before: Option<&Checkpoint>,
) -> Result<RunQuery, Failure> {
    let others = arguments.other_status.iter();
    let others = others.map(|status| RunStatus::from(status.as_str()));
    let mut query = query.statuses(arguments.status.iter().cloned().chain(others));
    let since = bound(
        "since",
        &arguments.since,
        before,
        |query| query.started_after,
        When::begin,
    )?;
    let last = |until: &When| Some(until.end()? - RESOLUTION);
    let until = bound(
        "until",
        &arguments.until,
        before,
        |query| query.started_before,
        last,
    )?;
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        let expected = format!("it must be before --until, {}", shown(until + RESOLUTION));
        let message = flags::invalid("--since", &shown(since), &expected);
        return Err(Failure::usage(message));
    }
    if let Some(since) = since {
        query = query.started_after(since);
    }
    if let Some(until) = until {
        query = query.started_before(until);
    }
    Ok(query)
}

/// The bound that a flag sets. A relative time means what it meant at the first start.
fn bound(
    flag: &str,
    when: &Option<When>,
    before: Option<&Checkpoint>,
    then: impl Fn(&RunQuery) -> Option<DateTime<Utc>>,
    now: impl Fn(&When) -> Option<DateTime<Utc>>,
) -> Result<Option<DateTime<Utc>>, Failure> {
    let Some(when) = when else {
        return Ok(None);
    };
    let same = |checkpoint: &&Checkpoint| checkpoint.label(flag) == when.relative();
    if when.relative().is_some()
        && let Some(checkpoint) = before.filter(same)
    {
        return Ok(then(checkpoint.query()));
    }
    let time = now(when).ok_or_else(|| Failure::usage(format!("--{flag} is out of range")))?;
    Ok(Some(time))
}

/// Says which instants relative times of the arguments mean in a query, if there are any.
pub(crate) fn show_instants(arguments: &SourceArguments, query: &RunQuery, console: &Console) {
    if let Some(instants) = instants(arguments, query) {
        console.log(Level::Info, &instants, json!({}));
    }
}

fn instants(arguments: &SourceArguments, query: &RunQuery) -> Option<String> {
    let flag = |name: &str, when: &Option<When>, time: Option<DateTime<Utc>>| {
        let text = when.as_ref()?.relative()?.to_owned();
        Some(format!("--{name} {text} is {}", shown(time?)))
    };
    let until = query.started_before.map(|until| until + RESOLUTION);
    let flags = [
        flag("since", &arguments.since, query.started_after),
        flag("until", &arguments.until, until),
    ];
    let flags: Vec<_> = flags.into_iter().flatten().collect();
    (!flags.is_empty()).then(|| flags.join(", "))
}
