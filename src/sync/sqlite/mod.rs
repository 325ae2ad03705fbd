//! SQLite.

mod checkpointer;
mod error;
mod file;
mod key;
mod lock;
mod reader;
mod rows;
mod setup;
mod target;

pub(super) use file::SqliteFile;
pub(super) use reader::SqliteReader;
pub(super) use target::SqliteTarget;
