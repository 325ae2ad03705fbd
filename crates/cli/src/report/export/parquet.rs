//! Runs as Parquet.

use std::fs::File;
use std::sync::Arc;

use apify_runs::{Id, RunOrigin, RunStatus};
use chrono::{DateTime, Utc};
use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::{Field, Row};
use parquet::schema::types::{Type, TypePtr};

use super::count::Count;
use crate::report::row::ReportRow;

/// The columns that are read. Those of `meta` are in a group.
const COLUMNS: [&str; 7] = [
    "id",
    "actId",
    "actorTaskId",
    "status",
    "startedAt",
    "finishedAt",
    "usageTotalUsd",
];

pub(super) fn read(
    file: File,
    count: &mut Count,
    each: &mut impl FnMut(ReportRow),
) -> Result<(), ParquetError> {
    let reader = SerializedFileReader::new(file)?;
    let schema = reader.metadata().file_metadata().schema();
    let columns = projection(schema)?;
    if columns.get_fields().is_empty() {
        let rows = u64::try_from(reader.metadata().file_metadata().num_rows())?;
        count.rows += rows;
        (0..rows).for_each(|_| each(ReportRow::default()));
        return Ok(());
    }
    for row in reader.get_row_iter(Some(columns))? {
        count.rows += 1;
        match run(&row?) {
            Some(row) => each(row),
            None => count.unreadable += 1,
        }
    }
    Ok(())
}

/// The part of a schema that is read.
fn projection(schema: &Type) -> Result<Type, ParquetError> {
    let mut fields: Vec<TypePtr> = Vec::new();
    for field in schema.get_fields() {
        if COLUMNS.contains(&field.name()) && field.is_primitive() {
            fields.push(Arc::clone(field));
        } else if field.name() == "meta" && field.is_group() {
            let mut inner = field.get_fields().iter();
            let Some(origin) = inner.find(|inner| inner.name() == "origin") else {
                continue;
            };
            let group = Type::group_type_builder("meta").with_fields(vec![Arc::clone(origin)]);
            let group = group.with_repetition(field.get_basic_info().repetition());
            fields.push(Arc::new(group.build()?));
        }
    }
    Type::group_type_builder(schema.name())
        .with_fields(fields)
        .build()
}

/// The run of a row. `None` if a value is of another type.
fn run(row: &Row) -> Option<ReportRow> {
    let mut run = ReportRow::default();
    for (name, field) in row.get_column_iter() {
        match name.as_str() {
            "id" => run.id = text(field)?.unwrap_or_default().into(),
            "actId" => run.actor = text(field)?.map(Id::from),
            "actorTaskId" => run.task = text(field)?.map(Id::from),
            "status" => run.status = text(field)?.map(RunStatus::from).unwrap_or_default(),
            "startedAt" => run.started_at = time(field)?,
            "finishedAt" => run.finished_at = time(field)?,
            "usageTotalUsd" => run.cost = number(field)?,
            "meta" => run.origin = origin(field)?,
            _ => {}
        }
    }
    Some(run)
}

fn text(field: &Field) -> Option<Option<&str>> {
    match field {
        Field::Null => Some(None),
        Field::Str(text) => Some(Some(text)),
        _ => None,
    }
}

fn time(field: &Field) -> Option<Option<DateTime<Utc>>> {
    let time = match field {
        Field::Null => return Some(None),
        Field::TimestampMillis(millis) => DateTime::from_timestamp_millis(*millis),
        Field::TimestampMicros(micros) => DateTime::from_timestamp_micros(*micros),
        _ => None,
    };
    time.map(Some)
}

fn number(field: &Field) -> Option<Option<f64>> {
    match field {
        Field::Null => Some(None),
        Field::Double(number) => Some(Some(*number)),
        _ => None,
    }
}

fn origin(field: &Field) -> Option<Option<RunOrigin>> {
    match field {
        Field::Null => Some(None),
        Field::Group(meta) => {
            let (_, origin) = meta.get_column_iter().next()?;
            Some(text(origin)?.map(RunOrigin::from))
        }
        _ => None,
    }
}
