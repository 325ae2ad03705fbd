//! The runs of the list.

#[cfg(any(
    feature = "csv",
    feature = "parquet",
    feature = "postgres",
    feature = "sqlite"
))]
mod columns;
mod fields;
mod id;
mod meta;
mod rows;
mod status;
mod summary;
mod text;
mod value;

#[cfg(any(
    feature = "csv",
    feature = "parquet",
    feature = "postgres",
    feature = "sqlite"
))]
pub(crate) use columns::{Column, Get, columns};
pub(crate) use fields::{Field, Kind, fields};
pub use id::Id;
pub use meta::RunMeta;
pub(crate) use rows::RowsInto;
pub use status::{RunOrigin, RunStatus};
pub use summary::RunSummary;
