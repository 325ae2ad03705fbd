//! The columns of a run, where a format has columns.

use chrono::{DateTime, Utc};

use crate::error::{Error, Result};
use crate::run::RunSummary;

/// One column.
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// Its name, as in the API's object; a dot stands before a field inside of a field.
    pub(super) name: &'static str,
    pub(super) get: Get,
}

/// What a column holds, and where it is in a row.
#[derive(Clone, Copy)]
pub(super) enum Get {
    Text(for<'a> fn(&'a RunSummary) -> Option<&'a str>),
    Time(fn(&RunSummary) -> Option<DateTime<Utc>>),
    Integer(fn(&RunSummary) -> Option<i64>),
    Number(fn(&RunSummary) -> Option<f64>),
}

/// Every column, in the order of the API reference.
pub(super) const COLUMNS: [Column; 19] = {
    use Get::{Integer, Number, Text, Time};
    const fn column(name: &'static str, get: Get) -> Column {
        Column { name, get }
    }
    [
        column("id", Text(|run| Some(&run.id))),
        column("actId", Text(|run| run.act_id.as_deref())),
        column("userId", Text(|run| run.user_id.as_deref())),
        column("actorTaskId", Text(|run| run.actor_task_id.as_deref())),
        column("status", Text(status)),
        column("startedAt", Time(|run| run.started_at)),
        column("finishedAt", Time(|run| run.finished_at)),
        column("buildId", Text(|run| run.build_id.as_deref())),
        column("buildNumber", Text(|run| run.build_number.as_deref())),
        column("buildNumberInt", Integer(|run| run.build_number_int)),
        column(
            "meta.origin",
            Text(|run| Some(run.meta.origin.as_ref()?.as_str())),
        ),
        column("meta.clientIp", Text(|run| run.meta.client_ip())),
        column("meta.userAgent", Text(|run| run.meta.user_agent())),
        column("meta.scheduleId", Text(|run| run.meta.schedule_id())),
        column("meta.scheduledAt", Time(|run| run.meta.scheduled_at())),
        column("usageTotalUsd", Number(|run| run.usage_total_usd)),
        column(
            "defaultKeyValueStoreId",
            Text(|run| run.default_key_value_store_id.as_deref()),
        ),
        column(
            "defaultDatasetId",
            Text(|run| run.default_dataset_id.as_deref()),
        ),
        column(
            "defaultRequestQueueId",
            Text(|run| run.default_request_queue_id.as_deref()),
        ),
    ]
};

/// A row that came without a status has none.
fn status(run: &RunSummary) -> Option<&str> {
    Some(run.status.as_str()).filter(|status| !status.is_empty())
}

/// The columns of these names, in their order; all columns if there are none.
///
/// # Errors
///
/// `ErrorKind::Config` if there is no such column, or if one is named twice, naming it.
pub(super) fn chosen(fields: &[String]) -> Result<Vec<Column>> {
    if fields.is_empty() {
        return Ok(COLUMNS.to_vec());
    }
    for (place, field) in fields.iter().enumerate() {
        if fields[..place].contains(field) {
            let expected = "a file has each column once";
            return Err(Error::config("field", format!("{field:?}"), expected));
        }
    }
    let column = |field: &String| {
        let found = COLUMNS.iter().find(|column| column.name == field);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
            let expected = format!("the columns are {}", names.join(", "));
            Error::config("field", format!("{field:?}"), &expected)
        })
    };
    fields.iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(fields: &[&str]) -> Result<Vec<&'static str>> {
        let fields: Vec<_> = fields.iter().copied().map(String::from).collect();
        Ok(chosen(&fields)?.iter().map(|column| column.name).collect())
    }

    #[test]
    fn columns_come_in_the_order_of_the_fields_or_all() {
        assert_eq!(names(&["status", "id"]).unwrap(), ["status", "id"]);
        assert_eq!(names(&[]).unwrap().len(), COLUMNS.len());
    }

    #[test]
    fn a_field_that_is_unknown_or_named_twice_is_refused() {
        let error = |fields| names(fields).unwrap_err().to_string();
        let unknown = error(&["id", "runtime"]);
        assert!(unknown.contains(r#"invalid field "runtime": the columns are id, "#));
        let twice = error(&["id", "meta.origin", "id"]);
        assert_eq!(twice, r#"invalid field "id": a file has each column once"#);
    }
}
