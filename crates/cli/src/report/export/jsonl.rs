//! Runs as JSON lines.

use std::borrow::Cow;
use std::io::{self, BufRead};

use apify_runs::{Id, RunOrigin, RunStatus};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::count::Count;
use crate::report::row::ReportRow;

/// What is read of a line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    id: Option<Id>,
    act_id: Option<Id>,
    actor_task_id: Option<Id>,
    status: Option<RunStatus>,
    #[serde(borrow)]
    started_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    finished_at: Option<Cow<'a, str>>,
    usage_total_usd: Option<f64>,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    origin: Option<RunOrigin>,
}

pub(super) fn read(
    mut reader: impl BufRead,
    count: &mut Count,
    each: &mut impl FnMut(ReportRow),
) -> io::Result<()> {
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        count.rows += 1;
        match parse(&line) {
            Some(row) => each(row),
            None => count.unreadable += 1,
        }
        line.clear();
    }
    Ok(())
}

/// The run of a line. `None` if it is no run.
fn parse(line: &[u8]) -> Option<ReportRow> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    Some(ReportRow {
        id: line.id.unwrap_or_default(),
        actor: line.act_id,
        task: line.actor_task_id,
        status: line.status.unwrap_or_default(),
        started_at: time(line.started_at.as_deref())?,
        finished_at: time(line.finished_at.as_deref())?,
        origin: line.meta.and_then(|meta| meta.origin),
        cost: line.usage_total_usd,
    })
}

/// A time that may be absent. `None` if the text is no time.
pub(super) fn time(text: Option<&str>) -> Option<Option<DateTime<Utc>>> {
    let time = text.map(|text| {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|it| it.to_utc())
    });
    match time {
        Some(None) => None,
        Some(time) => Some(time),
        None => Some(None),
    }
}
