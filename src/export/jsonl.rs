//! JSON lines: the API's own objects, without insignificant whitespace.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Take};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::encoder::Encoder;
use super::row_check::{RowCheck, next_row};
use crate::compact::compact;
use crate::error::{Error, ErrorKind, Result};
use crate::run::RunSummary;
use crate::stream::batch::RawBatch;

/// Writes one object a line: its tokens as they were received, and nothing between them.
pub(super) struct Jsonl {
    lines: Vec<u8>,
    /// What to write of each object. Empty: all of it.
    fields: Vec<FieldTree>,
}

/// A field of an object, and what to write of it. Empty: all of it.
struct FieldTree {
    name: String,
    fields: Vec<FieldTree>,
}

impl Jsonl {
    pub(super) fn new(fields: &[String]) -> Result<Self> {
        let mut tree = Vec::new();
        for field in fields {
            insert(&mut tree, field)
                .map_err(|expected| Error::config("field", format!("{field:?}"), expected))?;
        }
        Ok(Self {
            lines: Vec::new(),
            fields: tree,
        })
    }

    fn line(&mut self, text: &[u8]) {
        if self.fields.is_empty() || !self.line_of_fields(text) {
            compact(text, &mut self.lines);
        }
        self.lines.push(b'\n');
    }

    /// The chosen fields of the object. `false` if it is none.
    fn line_of_fields(&mut self, text: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(text) else {
            return false;
        };
        write_fields(text, &self.fields, &mut self.lines).is_some()
    }
}

impl Encoder for Jsonl {
    fn add(&mut self, rows: &VecDeque<RunSummary>, raw_rows: Option<&RawBatch>) -> Result<()> {
        let Some(raw_rows) = raw_rows else {
            return rows.iter().try_for_each(|run| {
                let text = serde_json::to_vec(run).map_err(|error| {
                    let message = format!("run {} cannot be written as JSON", run.id);
                    Error::new(ErrorKind::Output, message).with_source(error)
                })?;
                self.line(&text);
                Ok(())
            });
        };
        for raw_row in raw_rows.iter() {
            self.line(raw_row);
        }
        Ok(())
    }

    fn add_unreadable(&mut self, raw_row: &str) -> bool {
        self.line(raw_row.as_bytes());
        true
    }

    fn size(&self) -> usize {
        self.lines.len()
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        let next = Vec::with_capacity(self.lines.len());
        Ok(std::mem::replace(&mut self.lines, next))
    }
}

/// Adds a field, given as `a` or `a.b`, to those that are written. The error is what is expected
/// of it.
fn insert(tree: &mut Vec<FieldTree>, path: &str) -> Result<(), &'static str> {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    if name.is_empty() {
        return Err("it must be a name, or names with dots between them");
    }
    if let Some(field) = tree.iter_mut().find(|field| field.name == name) {
        return match rest {
            Some(rest) if !field.fields.is_empty() => insert(&mut field.fields, rest),
            None if field.fields.is_empty() => Ok(()),
            // An object has each name once: one of the two would be left out without a word.
            _ => Err("a field cannot be named both as a whole and by what is in it"),
        };
    }
    let mut fields = Vec::new();
    if let Some(rest) = rest {
        insert(&mut fields, rest)?;
    }
    tree.push(FieldTree {
        name: name.into(),
        fields,
    });
    Ok(())
}

/// Writes an object with these fields of another, as far as it has them. `None`, and nothing is
/// written, if it is no object.
fn write_fields(text: &str, fields: &[FieldTree], out: &mut Vec<u8>) -> Option<()> {
    let object: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).ok()?;
    out.push(b'{');
    let mut is_first = true;
    for field in fields {
        let Some(value) = object.get(field.name.as_str()) else {
            continue;
        };
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        out.extend(
            serde_json::Value::from(field.name.as_str())
                .to_string()
                .into_bytes(),
        );
        out.push(b':');
        let written =
            !field.fields.is_empty() && write_fields(value.get(), &field.fields, out).is_some();
        if !written {
            compact(value.get().as_bytes(), out);
        }
    }
    out.push(b'}');
    Some(())
}

/// Reads the lines of a file again.
pub(super) fn read(reader: Take<impl Read>, rows: &mut RowCheck) -> io::Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line<'a> {
        #[serde(borrow, default)]
        id: Option<&'a RawValue>,
        #[serde(borrow, default)]
        finished_at: Option<&'a RawValue>,
    }
    let longest = reader.limit();
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        next_row(reader.get_mut(), longest)?;
        match serde_json::from_slice::<Line<'_>>(&line) {
            Ok(run) if line.last() == Some(&b'\n') => {
                let id = run.id.map(RawValue::get);
                rows.row(id, run.finished_at.map(RawValue::get));
            }
            // A run is an object, but the service may have sent something else.
            _ if serde_json::from_slice::<&RawValue>(&line).is_ok() => rows.row(None, None),
            _ => rows.problem(format!("row {} is no JSON", rows.count() + 1)),
        }
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fields: &[&str], rows: &[&str]) -> String {
        let fields: Vec<_> = fields.iter().map(|field| String::from(*field)).collect();
        let mut jsonl = Jsonl::new(&fields).unwrap();
        for row in rows {
            jsonl.line(row.as_bytes());
        }
        String::from_utf8(jsonl.finish().unwrap()).unwrap()
    }

    #[test]
    fn an_object_keeps_its_tokens_without_whitespace_between_them() {
        let odd = r#"{ "id": "a\n", "new": [1.10, 1e400, {"é": "\u00e9: b, c"}], "id": -0.0 }"#;
        let compact = r#"{"id":"a\n","new":[1.10,1e400,{"é":"\u00e9: b, c"}],"id":-0.0}"#;
        let pretty = "{\n  \"id\": \"b\",\r\n\t\"n\": 1\n}";
        let lines = written(&[], &[odd, compact, pretty]);
        assert_eq!(
            lines,
            format!("{compact}\n{compact}\n{{\"id\":\"b\",\"n\":1}}\n")
        );
    }

    #[test]
    fn fields_are_written_without_whitespace_between_their_tokens() {
        let row = "{\n  \"id\": \"a b\",\n  \"meta\": {\n    \"x\": [\n      1.10,\n      \": \"\n    ]\n  },\n  \"n\": { \"a\": 1 }\n}";
        let expected = r#"{"n":{"a":1},"meta":{"x":[1.10,": "]},"id":"a b"}"#;
        let lines = written(&["n", "meta.x", "id"], &[row]);
        assert_eq!(lines, format!("{expected}\n"));
    }

    #[test]
    fn a_row_that_cannot_be_read_is_written_without_whitespace() {
        let mut jsonl = Jsonl::new(&["id".into()]).unwrap();
        assert!(jsonl.add_unreadable("{\n  \"id\": [\n    1, 2\n  ],\n  \"x\": 1\n}"));
        assert!(jsonl.add_unreadable("[\n  \"no object\"\n]"));
        let lines = String::from_utf8(jsonl.finish().unwrap()).unwrap();
        assert_eq!(lines, "{\"id\":[1,2]}\n[\"no object\"]\n");
    }

    #[test]
    fn fields_come_in_the_order_they_were_asked_for() {
        let row = r#"{"id":"a","meta":{"origin":"API","x":1},"n":1.10,"status":"READY"}"#;
        let short = r#"{"id":"b","meta":null}"#;
        let fields = ["n", "meta.x", "id", "meta.origin", "unheard.of"];
        assert_eq!(
            written(&fields, &[row, short]),
            "{\"n\":1.10,\"meta\":{\"x\":1,\"origin\":\"API\"},\"id\":\"a\"}\n\
             {\"meta\":null,\"id\":\"b\"}\n"
        );
    }

    #[test]
    fn a_field_without_a_name_is_refused() {
        for field in ["", ".", "a.", ".a", "a..b"] {
            let error = Jsonl::new(&[field.into()]).err().unwrap();
            let expected = format!("invalid field {field:?}: it must be a name");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }

    #[test]
    fn a_field_is_written_as_a_whole_or_what_is_in_it() {
        for fields in [
            ["meta", "meta.origin"],
            ["meta.origin", "meta"],
            ["a.b.c", "a.b"],
        ] {
            let error = Jsonl::new(&fields.map(String::from)).err().unwrap();
            let expected = format!("invalid field {:?}: a field cannot", fields[1]);
            assert!(error.to_string().contains(&expected), "{error}");
        }
        let row = r#"{"id":"a","meta":{"origin":"API"}}"#;
        assert_eq!(written(&["id", "id"], &[row]), "{\"id\":\"a\"}\n");
    }
}
