//! The columns of a run, where a format has columns.

use chrono::{DateTime, Utc};

use crate::error::{Error, Result};
use crate::run::{RunOrigin, RunSummary, fields};

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

/// How a column gets the value of a field, by the kind of the field.
macro_rules! get {
    (Id, $run:ident, $value:expr) => {
        Get::Text(|$run| Some(&$value))
    };
    (Text, $run:ident, $value:expr) => {
        Get::Text(|$run| $value.as_deref())
    };
    // A row that came without a status has an empty one.
    (Status, $run:ident, $value:expr) => {
        Get::Text(|$run| Some($value.as_str()).filter(|status| !status.is_empty()))
    };
    (Origin, $run:ident, $value:expr) => {
        Get::Text(|$run| $value.as_ref().map(RunOrigin::as_str))
    };
    (Time, $run:ident, $value:expr) => {
        Get::Time(|$run| $value)
    };
    (Integer, $run:ident, $value:expr) => {
        Get::Integer(|$run| $value)
    };
    (Number, $run:ident, $value:expr) => {
        Get::Number(|$run| $value)
    };
}

/// The column of a field. `None` for `meta`, which has a column for each of its own fields.
macro_rules! column {
    (Meta, $($_rest:tt)*) => {
        None
    };
    ($kind:ident, $name:expr, $run:ident, $value:expr) => {
        Some(Column {
            name: $name,
            get: get!($kind, $run, $value),
        })
    };
}

macro_rules! define_columns {
    (
        row { $($(#[$_row_doc:meta])* $_row:ident $row_name:ident $row_json:literal $row_kind:ident,)+ }
        meta { $($(#[$_meta_doc:meta])* $_meta:ident $meta_name:ident $meta_json:literal $meta_kind:ident,)+ }
        details { $($(#[$_doc:meta])* $_detail:ident $name:ident $json:literal $kind:ident,)+ }
    ) => {
        /// The columns of a row. The columns of `meta` stand where it has none.
        const ROW: &[Option<Column>] = &[
            $(column!($row_kind, $row_json, run, run.$row_name),)+
        ];

        /// The columns of `meta`.
        const META: &[Option<Column>] = &[
            $(column!($meta_kind, concat!("meta.", $meta_json), run, run.meta.$meta_name),)+
            $(column!($kind, concat!("meta.", $json), run, run.meta.details()?.$name),)+
        ];
    };
}

fields!(define_columns);

/// Every column, in the order of the API reference.
pub(super) fn columns() -> Vec<Column> {
    let columns = ROW.iter().flat_map(|column| match column {
        Some(_) => std::slice::from_ref(column),
        None => META,
    });
    columns.copied().flatten().collect()
}

/// The columns of these names, in their order; all columns if there are none.
///
/// # Errors
///
/// `ErrorKind::Config` if there is no such column, or if one is named twice, naming it.
pub(super) fn chosen(fields: &[String]) -> Result<Vec<Column>> {
    let columns = columns();
    if fields.is_empty() {
        return Ok(columns);
    }
    for (place, field) in fields.iter().enumerate() {
        if fields[..place].contains(field) {
            let expected = "a file has each column once";
            return Err(Error::config("field", format!("{field:?}"), expected));
        }
    }
    let column = |field: &String| {
        let found = columns.iter().find(|column| column.name == field);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = columns.iter().map(|column| column.name).collect();
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
        assert_eq!(names(&[]).unwrap().len(), columns().len());
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
