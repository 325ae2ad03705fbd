//! A field that is listed in `run::fields` is in all that is read and written.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record;
use serde_json::{Map, Value};

use super::columns::chosen;
use super::csv::Csv;
use super::encoder::Encoder;
use super::jsonl::Jsonl;
use super::parquet::Parquet;
use crate::emulator::Emulator;
use crate::page::{decode, fast};
use crate::run::{Field, Kind, RunSummary, columns};
use crate::timestamp;

/// A value that no other field has.
#[derive(Debug, Clone, PartialEq)]
enum Distinct {
    Text(String),
    Time(DateTime<Utc>),
    Integer(i64),
    Number(f64),
}

impl Distinct {
    fn of(field: Field) -> Self {
        let number = field as i64;
        match field.kind() {
            Kind::Id | Kind::Text | Kind::Status | Kind::Origin => {
                Self::Text(format!("text {number}"))
            }
            Kind::Time => {
                let start = DateTime::from_timestamp_millis(1_756_684_800_123).unwrap();
                Self::Time(start + TimeDelta::seconds(number))
            }
            Kind::Integer => Self::Integer(number),
            Kind::Number => Self::Number(number as f64 + 0.5),
            Kind::Meta => panic!("it has fields of its own"),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Time(time) => timestamp::to_text(*time).into(),
            Self::Integer(integer) => (*integer).into(),
            Self::Number(number) => (*number).into(),
        }
    }

    fn to_csv(&self) -> String {
        match self.to_json() {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    fn to_parquet(&self) -> record::Field {
        match self {
            Self::Text(text) => record::Field::Str(text.clone()),
            Self::Time(time) => record::Field::TimestampMillis(time.timestamp_millis()),
            Self::Integer(integer) => record::Field::Long(*integer),
            Self::Number(number) => record::Field::Double(*number),
        }
    }
}

/// Every field that has a value of its own, by its path, in the order of the list.
fn fields() -> Vec<(String, Field)> {
    let fields = Field::ROW.iter().flat_map(|field| match field.kind() {
        Kind::Meta => {
            let path = |inner: &Field| (format!("meta.{}", inner.name()), *inner);
            Field::META.iter().map(path).collect()
        }
        _ => vec![(field.name().to_owned(), *field)],
    });
    fields.collect()
}

fn paths() -> Vec<String> {
    fields().into_iter().map(|(path, _)| path).collect()
}

/// A row with a distinct value in each field, as JSON.
fn json() -> String {
    let object = |fields: &[String]| format!("{{{}}}", fields.join(","));
    let pair = |name: &str, value: &str| format!("\"{name}\":{value}");
    let plain = |field: &Field| pair(field.name(), &Distinct::of(*field).to_json().to_string());
    let meta: Vec<_> = Field::META.iter().map(plain).collect();
    let row = Field::ROW.iter().map(|field| match field.kind() {
        Kind::Meta => pair(field.name(), &object(&meta)),
        _ => plain(field),
    });
    object(&row.collect::<Vec<_>>())
}

fn row() -> RunSummary {
    serde_json::from_str(&json()).unwrap()
}

fn encoded(mut encoder: impl Encoder) -> Vec<u8> {
    encoder.add(&VecDeque::from([row()]), None).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn rows_have_it_however_they_are_read() {
    let body = format!(r#"{{"data":{{"items":[{}]}}}}"#, json());
    let fast = fast::page(&body, Vec::new(), None).unwrap();
    let any = decode::page_in_any_form(&body).unwrap();
    assert_eq!(fast.rows, any.rows);
    for row in [&fast.rows[0], &any.rows[0], &row()] {
        assert_eq!(serde_json::to_string(row).unwrap(), json());
    }
}

#[test]
fn json_lines_have_it() {
    let lines = encoded(Jsonl::new(&[]).unwrap());
    assert_eq!(String::from_utf8(lines).unwrap(), json() + "\n");
}

#[test]
fn csv_has_a_column_of_it() {
    let names: Vec<_> = columns().iter().map(|column| column.name).collect();
    assert_eq!(names, paths());
    let values = fields().into_iter().map(|(_, field)| field);
    let values: Vec<_> = values.map(|field| Distinct::of(field).to_csv()).collect();
    let file = encoded(Csv::new(&[], true).unwrap());
    let expected = format!("{}\r\n{}\r\n", paths().join(","), values.join(","));
    assert_eq!(String::from_utf8(file).unwrap(), expected);
}

#[test]
fn parquet_has_a_column_of_it() {
    let file = encoded(Parquet::new(&[]).unwrap());
    let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
    let row = reader.get_row_iter(None).unwrap().next().unwrap().unwrap();
    let mut found = Vec::new();
    for (name, value) in row.get_column_iter() {
        match value {
            record::Field::Group(group) => {
                let inner = group.get_column_iter();
                found
                    .extend(inner.map(|(inner, value)| (format!("{name}.{inner}"), value.clone())));
            }
            value => found.push((name.clone(), value.clone())),
        }
    }
    let expected = fields().into_iter();
    let expected = expected.map(|(path, field)| (path, Distinct::of(field).to_parquet()));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn it_can_be_chosen_by_its_name() {
    for path in paths() {
        let columns = chosen(std::slice::from_ref(&path)).unwrap();
        assert_eq!(columns[0].name, path);
    }
}

#[tokio::test]
async fn generated_rows_have_it() {
    let emulator = Emulator::builder().runs(1000).start().await.unwrap();
    let mut found = BTreeSet::new();
    let mut note = |prefix: &str, object: &Map<String, Value>| {
        let present = object.iter().filter(|(_, value)| !value.is_null());
        found.extend(present.map(|(name, _)| format!("{prefix}{name}")));
    };
    for place in 0..emulator.len() {
        let run = emulator.run(place).unwrap();
        note("", run.as_object().unwrap());
        note("meta.", run["meta"].as_object().unwrap());
        assert!(serde_json::from_value::<RunSummary>(run).is_ok());
    }
    let missing: Vec<_> = paths()
        .into_iter()
        .filter(|path| !found.contains(path))
        .collect();
    assert_eq!(missing, [""; 0]);
}
