//! The columns of a run, where a format or a database has columns.

use chrono::{DateTime, Utc};

use super::fields::fields;
use super::status::RunOrigin;
use super::summary::RunSummary;

/// One column.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    /// Its name, as in the API's object; a dot stands before a field inside of a field.
    #[cfg_attr(
        not(any(feature = "csv", feature = "parquet")),
        allow(dead_code, reason = "for files")
    )]
    pub(crate) name: &'static str,
    /// Its name where names have lower case and no dots.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "sqlite")),
        allow(dead_code, reason = "for databases")
    )]
    pub(crate) snake_name: &'static str,
    pub(crate) get: Get,
}

/// What a column holds, and where it is in a row.
#[derive(Clone, Copy)]
pub(crate) enum Get {
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
    ($kind:ident, $name:expr, $snake_name:expr, $run:ident, $value:expr) => {
        Some(Column {
            name: $name,
            snake_name: $snake_name,
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
            $(column!($row_kind, $row_json, stringify!($row_name), run, run.$row_name),)+
        ];

        /// The columns of `meta`.
        const META: &[Option<Column>] = &[
            $(column!(
                $meta_kind,
                concat!("meta.", $meta_json),
                concat!("meta_", stringify!($meta_name)),
                run,
                run.meta.$meta_name
            ),)+
            $(column!(
                $kind,
                concat!("meta.", $json),
                concat!("meta_", stringify!($name)),
                run,
                run.meta.details()?.$name
            ),)+
        ];
    };
}

fields!(define_columns);

/// Every column, in the order of the API reference.
pub(crate) fn columns() -> Vec<Column> {
    let columns = ROW.iter().flat_map(|column| match column {
        Some(_) => std::slice::from_ref(column),
        None => META,
    });
    columns.copied().flatten().collect()
}
