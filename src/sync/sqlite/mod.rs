//! SQLite.

mod error;
mod file;
mod lock;
mod rows;
mod setup;
mod target;

pub(super) use file::SqliteFile;
pub(super) use target::SqliteTarget;
