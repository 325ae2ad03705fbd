//! The list that the arguments name.

use apify_runs::export::Checkpoint;
use apify_runs::{RunQuery, RunStatus};
use chrono::{DateTime, SecondsFormat, Utc};

use crate::arguments::SourceArguments;
use crate::exit::Failure;
use crate::flags;
use crate::times::When;

/// The query that the arguments describe. Times that are relative mean what they meant at the
/// first start.
pub(crate) fn list(
    arguments: &SourceArguments,
    before: Option<&Checkpoint>,
) -> Result<RunQuery, Failure> {
    let query = match (&arguments.actor[..], &arguments.task) {
        ([actor, ..], _) => RunQuery::actor(actor),
        ([], Some(task)) => RunQuery::task(task),
        ([], None) if arguments.account => RunQuery::account(),
        ([], None) => RunQuery::actor("demo"),
    };
    with_filters(query, arguments, before)
}

/// The query with the filters of the arguments.
pub(crate) fn with_filters(
    query: RunQuery,
    arguments: &SourceArguments,
    before: Option<&Checkpoint>,
) -> Result<RunQuery, Failure> {
    let mut query = query.statuses(statuses(arguments));
    let since = before.map(|checkpoint| ("since", checkpoint, checkpoint.query().started_after));
    let since = time(arguments.since.as_ref(), since)?;
    let until = before.map(|checkpoint| ("until", checkpoint, checkpoint.query().started_before));
    let until = time(arguments.until.as_ref(), until)?;
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        let shown = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let expected = format!("it is later than --until {}", shown(until));
        return Err(Failure::usage(flags::invalid(
            "--since",
            &shown(since),
            &expected,
        )));
    }
    if let Some(since) = since {
        query = query.started_after(since);
    }
    if let Some(until) = until {
        query = query.started_before(until);
    }
    Ok(query)
}

fn statuses(arguments: &SourceArguments) -> impl Iterator<Item = RunStatus> {
    let statuses = arguments.status.iter();
    statuses.map(|status| RunStatus::from(status.trim().to_uppercase().as_str()))
}

/// The time of a flag. `before` is the flag's label in the checkpoint of an earlier start, and its
/// time then.
fn time(
    when: Option<&When>,
    before: Option<(&str, &Checkpoint, Option<DateTime<Utc>>)>,
) -> Result<Option<DateTime<Utc>>, Failure> {
    let Some(when) = when else {
        return Ok(None);
    };
    if let (Some(text), Some((label, checkpoint, then))) = (when.relative(), before)
        && checkpoint.label(label) == Some(text)
    {
        return Ok(then);
    }
    let time = when.time();
    time.map(Some)
        .ok_or_else(|| Failure::usage("a time is too long ago"))
}
