//! `apify-runs ls`.

use std::io::{self, IsTerminal};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use apify_runs::{ErrorKind, RunStatus, RunSummary};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt};
use serde_json::json;

use crate::arguments::LsArguments;
use crate::console::{Console, Level};
use crate::counts::{counted, lasted};
use crate::exit::{Exit, Failure};
use crate::query::{list, show_instants};
use crate::service::Service;
use crate::stdout::{print, print_json};
use crate::times::shown;

/// The most rows of a page.
const MAX_PAGE_SIZE: u64 = 1000;

/// Prints the newest runs.
pub(crate) async fn run(arguments: LsArguments, console: &Console) -> Result<Exit, Failure> {
    let source = &arguments.source;
    let query = list(source, None)?;
    show_instants(source, &query, console);
    let page_size = arguments.limit.clamp(1, MAX_PAGE_SIZE) as u32;
    let query = query
        .descending(true)
        .limit(arguments.limit)
        .page_size(page_size);
    let service = Service::open(source, console).await?;
    let (runs, unreadable) = read(service.client.runs(query).stream(), console).await?;
    if arguments.json {
        for run in &runs {
            print_json(run)?;
        }
    } else {
        // An Actor's own list needs no column for it.
        let shows_actor = source.actor.is_empty();
        let is_colored = console.colors_output(io::stdout().is_terminal());
        print(table(&runs, shows_actor, is_colored, Utc::now()).as_bytes())?;
    }
    if unreadable > 0 {
        let message = format!(
            "left out: {} that could not be read",
            counted(unreadable, "row")
        );
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(Exit::Complete)
}

/// The runs of a list, and the number of rows that could not be read, each with a warning.
async fn read(
    mut stream: impl Stream<Item = apify_runs::Result<RunSummary>> + Unpin,
    console: &Console,
) -> Result<(Vec<RunSummary>, u64), Failure> {
    let (mut runs, mut unreadable) = (Vec::new(), 0);
    while let Some(run) = stream.next().await {
        match run {
            Ok(run) => runs.push(run),
            Err(error) if error.kind() == ErrorKind::Item => {
                unreadable += 1;
                console.log(Level::Warning, &error.to_string(), json!({}));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((runs, unreadable))
}

/// A line for each run. Runs come newest first.
fn table(runs: &[RunSummary], shows_actor: bool, is_colored: bool, now: DateTime<Utc>) -> String {
    let mut table = String::new();
    let mut line =
        |started: &str, status: &str, duration: &str, cost: &str, id: &str, actor: &str| {
            let actor = match shows_actor {
                true => format!("  {actor}"),
                false => String::new(),
            };
            let line = format!("{started:24}  {status}  {duration:>8}  {cost:>11}  {id:17}{actor}");
            table.push_str(line.trim_end());
            table.push('\n');
        };
    line(
        "STARTED",
        &padded("STATUS"),
        "DURATION",
        "COST",
        "ID",
        "ACTOR",
    );
    for run in runs {
        let started = run.started_at.map_or_else(|| "unknown".into(), shown);
        let status = colored(&run.status, is_colored);
        let cost = match run.usage_total_usd {
            Some(usd) => format!("${usd:.4}"),
            None => "unknown".into(),
        };
        let actor = run.act_id.as_deref().unwrap_or("unknown");
        line(
            &started,
            &status,
            &duration(run, now),
            &cost,
            &run.id,
            actor,
        );
    }
    table
}

/// How long a run took, or has taken so far.
fn duration(run: &RunSummary, now: DateTime<Utc>) -> String {
    let so_far = || {
        let started = run.started_at.filter(|_| !run.is_finished())?;
        (now - started).to_std().ok()
    };
    match run.duration() {
        Some(duration) => lasted(duration),
        None => so_far().map_or_else(|| "unknown".into(), |so_far: Duration| lasted(so_far) + "+"),
    }
}

fn padded(status: &str) -> String {
    format!("{status:10}")
}

fn colored(status: &RunStatus, is_colored: bool) -> String {
    let text = padded(match status.as_str() {
        "" => "unknown",
        text => text,
    });
    let color = match status {
        RunStatus::Succeeded => AnsiColor::Green,
        RunStatus::Failed => AnsiColor::Red,
        RunStatus::TimingOut | RunStatus::TimedOut | RunStatus::Aborting | RunStatus::Aborted => {
            AnsiColor::Yellow
        }
        RunStatus::Ready | RunStatus::Running => AnsiColor::Cyan,
        _ => return text,
    };
    match is_colored {
        true => {
            let style = Style::new().fg_color(Some(color.into()));
            format!("{style}{text}{style:#}")
        }
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_shown_as_nothing() {
        let runs: Vec<RunSummary> = serde_json::from_str(
            r#"[
                {"id": "a", "actId": "x", "status": "RUNNING", "startedAt": "2025-09-01T10:00:00Z"},
                {"id": "b", "status": "SUCCEEDED", "startedAt": "2025-09-01T09:00:00Z",
                 "finishedAt": "2025-09-01T09:00:12.5Z", "usageTotalUsd": 0.00125},
                {"id": "c"}
            ]"#,
        )
        .unwrap();
        let now = DateTime::parse_from_rfc3339("2025-09-01T10:02:03Z")
            .unwrap()
            .to_utc();
        let shown = table(&runs, true, false, now);
        let words: Vec<Vec<&str>> = shown
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            words[0],
            ["STARTED", "STATUS", "DURATION", "COST", "ID", "ACTOR"]
        );
        assert_eq!(
            words[1],
            [
                "2025-09-01T10:00:00.000Z",
                "RUNNING",
                "2m03s+",
                "unknown",
                "a",
                "x"
            ]
        );
        assert_eq!(
            words[2],
            [
                "2025-09-01T09:00:00.000Z",
                "SUCCEEDED",
                "12.5",
                "s",
                "$0.0013",
                "b",
                "unknown"
            ]
        );
        assert_eq!(
            words[3],
            ["unknown", "unknown", "unknown", "unknown", "c", "unknown"]
        );
    }
}
