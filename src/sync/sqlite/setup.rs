//! Creates the tables, or checks existing ones.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::super::schema::{MARK, Schema, VERSION};
use super::super::target::TargetResult;
use super::checkpointer::LOG_BYTES;
use super::error::target_error;

/// In bytes. Commits of many rows are faster than with SQLite's default of 4096.
const PAGE_SIZE: u32 = 16_384;

/// Prepares a connection and the tables. Nothing is written to a database that has tables of
/// others with the same names.
pub(super) fn set_up(
    connection: &mut Connection,
    schema: &Schema,
    path: &Path,
) -> TargetResult<()> {
    let found = |result: rusqlite::Result<Tables>| result.map_err(|it| target_error(path, it));
    let tables = found(Tables::read(connection, schema))?;
    tables.check(schema)?;
    configure(connection).map_err(|error| target_error(path, error))?;
    if tables.is_current(schema) {
        return Ok(());
    }
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = begun.map_err(|error| target_error(path, error))?;
    // Another process may have made them in between.
    let tables = found(Tables::read(&transaction, schema))?;
    let version = tables.check(schema)?;
    let statements = match version {
        Some(version) => schema.migrate(version, |column| tables.columns.contains(column)),
        None => schema.create(),
    };
    let write = || {
        for statement in statements {
            transaction.execute(&statement, [])?;
        }
        transaction.commit()
    };
    write().map_err(|error| target_error(path, error))
}

/// The version of the tables, if they exist. Nothing is written.
pub(super) fn check(
    connection: &Connection,
    schema: &Schema,
    path: &Path,
) -> TargetResult<Option<i64>> {
    let tables = Tables::read(connection, schema);
    tables.map_err(|it| target_error(path, it))?.check(schema)
}

/// In this mode, a transaction survives the end of the process. When the machine loses power, the
/// last ones may be lost, each with its cursor: the next sync reads their rows again.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    let set = |pragma: &str| connection.query_row(&format!("PRAGMA {pragma}"), [], |_| Ok(()));
    // Takes effect only in a new file.
    connection.execute_batch(&format!("PRAGMA page_size = {PAGE_SIZE}"))?;
    set("journal_mode = WAL")?;
    connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    // Threads that sort a new index.
    set("threads = 2")?;
    // The log is copied by `Checkpointer`.
    set("wal_autocheckpoint = 0")?;
    set(&format!("journal_size_limit = {LOG_BYTES}"))
}

/// What is in a database.
struct Tables {
    /// Tables, views and indexes with the names of ours.
    names: Vec<String>,
    mark: Option<Vec<(i64, String)>>,
    columns: BTreeSet<String>,
}

impl Tables {
    fn read(connection: &Connection, schema: &Schema) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare("SELECT name FROM sqlite_master")?;
        let names: Vec<String> = statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let key = schema.key();
        let is_ours = |name: &String| {
            let mut ours = schema.names().chain([key.as_str()]);
            ours.any(|ours| ours.eq_ignore_ascii_case(name))
        };
        let names: Vec<_> = names.into_iter().filter(is_ours).collect();
        let mark = match names.iter().any(|name| name == MARK) {
            true => {
                let mark = format!("SELECT version, runs_table FROM {}", schema.quoted(MARK));
                let mut statement = connection.prepare(&mark)?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Some(rows.collect::<rusqlite::Result<_>>()?)
            }
            false => None,
        };
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?)")?;
        let columns = statement.query_map([schema.table()], |row| row.get(0))?;
        Ok(Self {
            names,
            mark,
            columns: columns.collect::<rusqlite::Result<_>>()?,
        })
    }

    /// The version of the tables, if they exist.
    fn check(&self, schema: &Schema) -> TargetResult<Option<i64>> {
        match &self.mark {
            Some(mark) => Ok(Some(schema.check_mark(mark)?)),
            None if self.names.is_empty() => Ok(None),
            None => Err(schema.foreign(&self.names).into()),
        }
    }

    /// Whether there is nothing to make or to change.
    fn is_current(&self, schema: &Schema) -> bool {
        let version = self.mark.as_ref().and_then(|mark| mark.first());
        version.is_some_and(|(version, _)| {
            *version == VERSION
                && schema
                    .migrate(VERSION, |column| self.columns.contains(column))
                    .is_empty()
        })
    }
}
