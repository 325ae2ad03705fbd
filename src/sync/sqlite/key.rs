//! The key of the table of runs: a unique index on the IDs.

use std::fs::{self, OpenOptions};
use std::{env, process};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::super::schema::{SYNC_STATE, Schema};

/// Whether the table has one. Files of older versions have it in the table's own definition.
pub(super) fn has_key(connection: &Connection, schema: &Schema) -> rusqlite::Result<bool> {
    name(connection, schema).map(|name| name.is_some())
}

/// The name of the index.
fn name(connection: &Connection, schema: &Schema) -> rusqlite::Result<Option<String>> {
    let select = "SELECT i.name FROM pragma_index_list(?) AS i \
                  WHERE i.\"unique\" AND NOT i.partial AND \
                  (SELECT group_concat(name) FROM pragma_index_info(i.name)) = 'id'";
    let found = connection.query_row(select, [schema.table()], |row| row.get(0));
    found.optional()
}

/// As `add_key`, in a transaction of its own.
pub(super) fn restore_key(connection: &mut Connection, schema: &Schema) -> rusqlite::Result<()> {
    if has_key(connection, schema)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    add_key(&transaction, schema)?;
    transaction.commit()
}

/// Adds the key, if the table has none.
pub(super) fn add_key(connection: &Connection, schema: &Schema) -> rusqlite::Result<()> {
    match has_key(connection, schema)? {
        true => Ok(()),
        false => connection.execute_batch(&schema.create_key()),
    }
}

/// Drops the key, if the table is empty, no other list or table needs it, and it can be added again.
pub(super) fn drop_key(connection: &Connection, schema: &Schema) -> rusqlite::Result<bool> {
    let key = schema.key();
    let is_first = format!(
        "SELECT (SELECT count(*) FROM {}) = 1 AND NOT EXISTS (SELECT 1 FROM {}) AND NOT EXISTS \
         (SELECT 1 FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f \
          WHERE m.type = 'table' AND f.\"table\" = ? COLLATE NOCASE)",
        schema.quoted(SYNC_STATE),
        schema.runs()
    );
    if name(connection, schema)?.as_ref() != Some(&key)
        || !connection.query_row(&is_first, [schema.table()], |row| row.get(0))?
        || !has_temporary_folder()
    {
        return Ok(false);
    }
    connection.execute_batch(&format!("DROP INDEX {}", schema.quoted(&key)))?;
    Ok(true)
}

/// Whether temporary files can be written: SQLite needs one to sort a new index.
fn has_temporary_folder() -> bool {
    let path = env::temp_dir().join(format!("apify-runs-{}", process::id()));
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    file.is_ok() && fs::remove_file(path).is_ok()
}
