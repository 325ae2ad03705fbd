//! CSV: flat columns behind a header.

use std::collections::VecDeque;
use std::fmt::Write;
use std::io::{self, Read, Take};

use csv::{Terminator, Writer, WriterBuilder};

use super::columns::chosen;
use super::encoder::Encoder;
use super::row_check::{RowCheck, next_row};
use crate::error::{Error, ErrorKind, Result};
use crate::run::{Column, Get, RunSummary};
use crate::stream::batch::RawBatch;
use crate::timestamp;

/// Writes one record for each run.
pub(super) struct Csv {
    columns: Vec<Column>,
    records: Writer<Vec<u8>>,
    /// Whether the next chunk begins a file, and so with a header.
    is_first: bool,
    size: usize,
}

impl Csv {
    pub(super) fn new(fields: &[String], is_first: bool) -> Result<Self> {
        Ok(Self {
            columns: chosen(fields)?,
            records: writer(Vec::new()),
            is_first,
            size: 0,
        })
    }

    fn write(&mut self, rows: &VecDeque<RunSummary>) -> Result<(), csv::Error> {
        if std::mem::take(&mut self.is_first) {
            let names = self.columns.iter().map(|column| column.name);
            self.records.write_record(names)?;
        }
        let mut text = String::new();
        for run in rows {
            for column in &self.columns {
                text.clear();
                let value = value(*column, run, &mut text);
                self.size += value.len() + 1;
                self.records.write_field(value)?;
            }
            self.records.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }
}

impl Encoder for Csv {
    fn add(&mut self, rows: &VecDeque<RunSummary>, _: Option<&RawBatch>) -> Result<()> {
        self.write(rows).map_err(|error| {
            Error::new(ErrorKind::Output, "a row cannot be written as CSV").with_source(error)
        })
    }

    fn size(&self) -> usize {
        self.size
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        let next = writer(Vec::with_capacity(self.size));
        self.size = 0;
        let records = std::mem::replace(&mut self.records, next);
        records.into_inner().map_err(|error| {
            let cause = error.into_error();
            Error::new(ErrorKind::Output, "rows cannot be written as CSV").with_source(cause)
        })
    }
}

/// Reads the records of a file again.
pub(super) fn read(reader: Take<impl Read>, rows: &mut RowCheck) -> io::Result<()> {
    let longest = reader.limit();
    let mut records = csv::Reader::from_reader(reader);
    let headers = records.headers()?.clone();
    let place = |name: &str| headers.iter().position(|header| header == name);
    let (id, finished_at) = (place("id"), place("finishedAt"));
    let mut record = csv::StringRecord::new();
    while records.read_record(&mut record)? {
        next_row(records.get_mut(), longest)?;
        let value = |place: Option<usize>| place.and_then(|place| record.get(place));
        rows.row(value(id), value(finished_at));
    }
    Ok(())
}

fn writer(room: Vec<u8>) -> Writer<Vec<u8>> {
    let mut builder = WriterBuilder::new();
    builder.terminator(Terminator::CRLF).from_writer(room)
}

/// A value as text: as it is in the API's JSON, without quotes; nothing if there is none.
fn value<'a>(column: Column, run: &'a RunSummary, text: &'a mut String) -> &'a str {
    // Writing to a `String` does not fail.
    let _ = match column.get {
        Get::Text(get) => return get(run).unwrap_or_default(),
        Get::Time(get) => get(run).map_or(Ok(()), |time| text.write_str(&timestamp::to_text(time))),
        Get::Integer(get) => get(run).map_or(Ok(()), |integer| write!(text, "{integer}")),
        Get::Number(get) => get(run).map_or(Ok(()), |number| write!(text, "{number}")),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_stands_at_the_beginning_and_odd_values_are_quoted() {
        let run = r#"{"id":"a,\"b\"","status":"READY","startedAt":"2025-09-01T00:00:00.5Z",
            "usageTotalUsd":1e-7,"buildNumberInt":-3,"meta":{"origin":"x\ny"}}"#;
        let rows: VecDeque<RunSummary> = [serde_json::from_str(run).unwrap()].into();
        let fields = [
            "id",
            "finishedAt",
            "startedAt",
            "meta.origin",
            "usageTotalUsd",
        ];
        let mut csv = Csv::new(&fields.map(String::from), true).unwrap();
        csv.add(&rows, None).unwrap();
        let mut file = csv.finish().unwrap();
        csv.add(&rows, None).unwrap();
        file.extend(csv.finish().unwrap());
        let record = "\"a,\"\"b\"\"\",,2025-09-01T00:00:00.500Z,\"x\ny\",0.0000001\r\n";
        assert_eq!(
            String::from_utf8(file).unwrap(),
            format!("id,finishedAt,startedAt,meta.origin,usageTotalUsd\r\n{record}{record}")
        );
    }
}
