//! Runs as CSV.

use std::io::BufRead;

use apify_runs::{Id, RunOrigin, RunStatus};

use super::count::Count;
use super::jsonl::time;
use crate::report::row::ReportRow;

/// Where the columns are.
struct Columns {
    id: Option<usize>,
    act_id: Option<usize>,
    actor_task_id: Option<usize>,
    status: Option<usize>,
    started_at: Option<usize>,
    finished_at: Option<usize>,
    origin: Option<usize>,
    usage_total_usd: Option<usize>,
}

pub(super) fn read(
    reader: impl BufRead,
    count: &mut Count,
    each: &mut impl FnMut(ReportRow),
) -> Result<(), csv::Error> {
    let mut records = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let headers = records.headers()?.clone();
    let columns = Columns::new(&headers);
    let mut record = csv::StringRecord::new();
    while records.read_record(&mut record)? {
        // In a pipe, each start writes the header again.
        if record == headers {
            continue;
        }
        count.rows += 1;
        match columns
            .row(&record)
            .filter(|_| record.len() == headers.len())
        {
            Some(row) => each(row),
            None => count.unreadable += 1,
        }
    }
    Ok(())
}

impl Columns {
    fn new(headers: &csv::StringRecord) -> Self {
        let place = |name: &str| headers.iter().position(|header| header == name);
        Self {
            id: place("id"),
            act_id: place("actId"),
            actor_task_id: place("actorTaskId"),
            status: place("status"),
            started_at: place("startedAt"),
            finished_at: place("finishedAt"),
            origin: place("meta.origin"),
            usage_total_usd: place("usageTotalUsd"),
        }
    }

    /// The run of a record. `None` if a value is of another type.
    fn row(&self, record: &csv::StringRecord) -> Option<ReportRow> {
        let value = |place: Option<usize>| {
            let value = place.and_then(|place| record.get(place));
            value.filter(|value| !value.is_empty())
        };
        let cost = value(self.usage_total_usd).map(|text| text.parse::<f64>().ok());
        let cost = match cost {
            Some(cost) => Some(cost.filter(|cost| cost.is_finite())?),
            None => None,
        };
        Some(ReportRow {
            id: value(self.id).unwrap_or_default().into(),
            actor: value(self.act_id).map(Id::from),
            task: value(self.actor_task_id).map(Id::from),
            status: value(self.status).map(RunStatus::from).unwrap_or_default(),
            started_at: time(value(self.started_at))?,
            finished_at: time(value(self.finished_at))?,
            origin: value(self.origin).map(RunOrigin::from),
            cost,
        })
    }
}
