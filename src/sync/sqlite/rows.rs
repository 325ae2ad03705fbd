//! Rows as values of SQLite.

use chrono::{DateTime, Datelike, Timelike, Utc};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Statement, ToSql};

use super::super::schema::SqlColumn;
use crate::run::{Get, RunSummary};

/// Binds the fields of a run to the first parameters of a statement.
pub(super) fn bind(
    statement: &mut Statement<'_>,
    columns: &[SqlColumn],
    run: &RunSummary,
) -> rusqlite::Result<()> {
    for (place, column) in (1..).zip(columns) {
        match column.get {
            Get::Text(get) => bind_value(statement, place, text(get(run)))?,
            Get::Time(get) => match get(run) {
                Some(time) => {
                    let time = time_text(time);
                    bind_value(statement, place, ValueRef::Text(&time))?;
                }
                None => bind_value(statement, place, ValueRef::Null)?,
            },
            Get::Integer(get) => {
                let value = get(run).map_or(ValueRef::Null, ValueRef::Integer);
                bind_value(statement, place, value)?;
            }
            Get::Number(get) => {
                let value = get(run).map_or(ValueRef::Null, ValueRef::Real);
                bind_value(statement, place, value)?;
            }
        }
    }
    Ok(())
}

pub(super) fn text(text: Option<&str>) -> ValueRef<'_> {
    text.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes()))
}

pub(super) fn bind_value(
    statement: &mut Statement<'_>,
    place: usize,
    value: ValueRef<'_>,
) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(place, Borrowed(value))
}

/// A value that is not copied before SQLite does.
struct Borrowed<'a>(ValueRef<'a>);

impl ToSql for Borrowed<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

/// A time as `YYYY-MM-DDTHH:MM:SS.mmmZ`. Times in this form sort as texts, and are compared with
/// what SQLite's functions of dates return. Years are from 0 to 9999, and finer digits are cut off.
pub(super) fn time_text(time: DateTime<Utc>) -> [u8; 24] {
    // Each part of a `DateTime` would apply the offset again.
    let time = time.naive_utc();
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |end: usize, digits: usize, mut number: u32| {
        for place in (end - digits..end).rev() {
            text[place] = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(4, 4, time.year().unsigned_abs());
    put(7, 2, time.month());
    put(10, 2, time.day());
    put(13, 2, time.hour());
    put(16, 2, time.minute());
    // A leap second has more than 999 milliseconds.
    let millis = time.nanosecond() / 1_000_000;
    put(19, 2, time.second() + millis / 1000);
    put(23, 3, millis % 1000);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp;

    #[test]
    fn a_time_is_written_in_milliseconds() {
        for text in [
            "0000-01-01T00:00:00.000Z",
            "2019-11-30T07:34:24.202Z",
            "2016-12-31T23:59:60.500Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            let time = timestamp::parse(text).unwrap();
            assert_eq!(std::str::from_utf8(&time_text(time)).unwrap(), text);
        }
        let finer = timestamp::parse("2019-11-30T07:34:24.2029Z").unwrap();
        assert_eq!(&time_text(finer), b"2019-11-30T07:34:24.202Z");
    }
}
