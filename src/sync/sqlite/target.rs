//! A list in a database file.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::super::batch::SyncBatch;
use super::super::first_load::{FirstLoad, KeyChange};
use super::super::list::SyncList;
use super::super::reconciliation::{Findings, STALE};
use super::super::schema::{ACTORS, SYNC_STATE, Schema};
use super::super::target::{Committed, Reconciled, SyncTarget, TargetResult, Written};
use super::error::target_error;
use super::file::SqliteFile;
use super::key::{add_key, drop_key, has_key, restore_key};
use super::lock::ListLock;
use super::rows::{bind, bind_value, text, time_text};
use crate::actor::Actor;
use crate::error::{Error, ErrorKind};
use crate::run::Id;

/// A list in a database file.
pub(in super::super) struct SqliteTarget {
    file: SqliteFile,
    /// The list, once it is locked.
    open: Option<OpenList>,
    first_load: FirstLoad,
}

/// A list that is locked.
#[derive(Clone)]
struct OpenList {
    /// Its number in the database.
    id: i64,
    /// Work that has begun keeps it to its end.
    _lock: Arc<ListLock>,
    /// When the walk has begun whose runs are collected.
    listing: Option<DateTime<Utc>>,
}

impl SqliteTarget {
    pub(in super::super) fn new(file: SqliteFile) -> Self {
        Self {
            file,
            open: None,
            first_load: FirstLoad::Over,
        }
    }

    fn open(&self) -> TargetResult<OpenList> {
        self.open.clone().ok_or_else(not_loaded)
    }

    /// Works on an open list.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &Schema, &OpenList) -> rusqlite::Result<TargetResult<T>>
        + Send
        + 'static,
    ) -> TargetResult<T> {
        let open = self.open()?;
        self.file
            .write(move |connection, path, schema| {
                let result = work(connection, schema, &open);
                result.map_err(|error| target_error(path, error))?
            })
            .await
    }
}

/// A method was called before `load`.
fn not_loaded() -> super::super::target::TargetError {
    Error::new(ErrorKind::Output, "the list has not been loaded").into()
}

impl SyncTarget for SqliteTarget {
    async fn load(&mut self, list: &SyncList) -> TargetResult<Committed> {
        let (list, open) = (list.clone(), self.open.clone());
        let load = move |connection: &mut Connection, path: &Path, schema: &Schema| {
            let state = schema.quoted(SYNC_STATE);
            let failed = |error| target_error(path, error);
            let id = list_id(connection, &state, &list).map_err(failed)?;
            let open = match open {
                Some(open) if open.id == id => open,
                _ => OpenList {
                    id,
                    _lock: Arc::new(ListLock::acquire(path, id, list.query())?),
                    listing: None,
                },
            };
            let select = format!("SELECT \"cursor\", \"rows\" FROM {state} WHERE \"id\" = ?");
            let (cursor, rows): (String, i64) = connection
                .query_row(&select, [id], |row| Ok((row.get(0)?, row.get(1)?)))
                .map_err(failed)?;
            // The first load of another process may have ended without adding it.
            restore_key(connection, schema).map_err(failed)?;
            let cursor = cursor.parse().map_err(|error| unreadable(&list, error))?;
            Ok((open, Committed::new(cursor, rows.cast_unsigned())))
        };
        let (open, committed) = self.file.with(load).await?;
        self.open = Some(open);
        self.first_load = FirstLoad::new(&committed);
        Ok(committed)
    }

    async fn commit(&mut self, _list: &SyncList, batch: &SyncBatch) -> TargetResult<Written> {
        let batch = batch.clone();
        let mut first_load = std::mem::take(&mut self.first_load);
        let commit = move |connection: &mut Connection, schema: &Schema, open: &OpenList| {
            let written = commit(connection, schema, open, &mut first_load, &batch)?;
            Ok(written.map(|written| (written, first_load)))
        };
        let (written, first_load) = self.with(commit).await?;
        self.first_load = first_load;
        Ok(written)
    }

    async fn begin_listing(&mut self, _list: &SyncList) -> TargetResult<()> {
        self.with(|connection, _, open| {
            let listed = listed(open);
            connection.execute_batch(&format!(
                "DROP TABLE IF EXISTS {listed}; \
                 CREATE TABLE {listed} (id text PRIMARY KEY NOT NULL) WITHOUT ROWID"
            ))?;
            Ok(Ok(()))
        })
        .await?;
        if let Some(open) = &mut self.open {
            open.listing = Some(Utc::now());
        }
        Ok(())
    }

    async fn add_listed(&mut self, _list: &SyncList, ids: &[Id]) -> TargetResult<()> {
        let ids = ids.to_vec();
        self.with(move |connection, _, open| {
            let transaction = connection.transaction()?;
            let insert = format!("INSERT OR IGNORE INTO {} VALUES (?)", listed(open));
            {
                let mut statement = transaction.prepare(&insert)?;
                for id in &ids {
                    bind_value(&mut statement, 1, text(Some(id)))?;
                    statement.raw_execute()?;
                }
            }
            transaction.commit()?;
            Ok(Ok(()))
        })
        .await
    }

    async fn mark_deleted(&mut self, list: &SyncList) -> TargetResult<Reconciled> {
        let list = list.clone();
        self.with(move |connection, schema, open| mark_deleted(connection, schema, open, &list))
            .await
    }

    async fn close(&mut self, _list: &SyncList) -> TargetResult<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let is_listing = open.listing.is_some();
        let adds_key = self.first_load.end() == KeyChange::Add;
        let mut closed = Ok(());
        if is_listing || adds_key {
            let close = move |connection: &mut Connection, path: &Path, schema: &Schema| {
                let drop = format!("DROP TABLE IF EXISTS {}", listed(&open));
                let mut closed = connection.execute_batch(&drop);
                if adds_key {
                    closed = closed.and_then(|()| restore_key(connection, schema));
                }
                closed.map_err(|error| target_error(path, error))
            };
            closed = self.file.with(close).await;
        }
        self.file.checkpointer.finish().await;
        closed
    }
}

/// The number of a list, which is added if it does not exist.
fn list_id(connection: &Connection, state: &str, list: &SyncList) -> rusqlite::Result<i64> {
    let select = format!("SELECT \"id\" FROM {state} WHERE \"list\" = ?");
    let find = || {
        let found = connection.query_row(&select, [list.key()], |row| row.get(0));
        found.optional()
    };
    if let Some(id) = find()? {
        return Ok(id);
    }
    let cursor = crate::cursor::Cursor::default().to_string();
    connection.execute(
        &format!(
            "INSERT INTO {state} (\"list\", \"query\", \"cursor\", \"rows\", \"skipped\") \
             VALUES (?, ?, ?, 0, 0) ON CONFLICT DO NOTHING"
        ),
        params![list.key(), list.query(), cursor],
    )?;
    Ok(find()?.unwrap_or_default())
}

fn unreadable(list: &SyncList, error: Error) -> Error {
    let message = format!("the cursor of {list} cannot be read");
    Error::new(ErrorKind::Damaged, message).with_source(error)
}

fn commit(
    connection: &mut Connection,
    schema: &Schema,
    open: &OpenList,
    first_load: &mut FirstLoad,
    batch: &SyncBatch,
) -> rusqlite::Result<TargetResult<Written>> {
    let now = time_text(Utc::now());
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match first_load.before(batch) {
        KeyChange::None => {}
        KeyChange::Drop if drop_key(&transaction, schema)? => {}
        KeyChange::Drop => *first_load = FirstLoad::Over,
        KeyChange::Add => add_key(&transaction, schema)?,
    }
    let before = last_row(&transaction, schema)?;
    if !batch.runs().is_empty() {
        let columns = schema.columns();
        let raw = columns.len() + 1;
        let places = vec!["?"; columns.len() + 3].join(", ");
        let values = format!("VALUES ({places}, NULL)");
        // The process of another list may have added the key.
        let is_insert =
            matches!(first_load, FirstLoad::Begun(_)) && !has_key(&transaction, schema)?;
        let mut statement = transaction.prepare(&match is_insert {
            true => schema.insert(&values),
            false => schema.upsert(&values),
        })?;
        bind_value(&mut statement, raw + 1, ValueRef::Integer(open.id))?;
        bind_value(&mut statement, raw + 2, ValueRef::Text(&now))?;
        for (place, run) in batch.runs().iter().enumerate() {
            bind(&mut statement, &columns, run)?;
            bind_value(&mut statement, raw, text(batch.raw_row(place)))?;
            statement.raw_execute()?;
        }
    }
    // A new row has the number behind the last one, and one that is replaced keeps its own.
    let new = last_row(&transaction, schema)? - before;
    let state = schema.quoted(SYNC_STATE);
    let now = String::from_utf8_lossy(&now);
    let success = batch.is_complete().then_some(&now);
    let changed = transaction.execute(
        &format!(
            "UPDATE {state} SET \"cursor\" = ?, \"rows\" = \"rows\" + ?, \
             \"skipped\" = \"skipped\" + ?, \"last_sync_at\" = ?, \
             \"last_success_at\" = coalesce(?, \"last_success_at\") WHERE \"id\" = ?"
        ),
        params![
            batch.cursor().to_string(),
            new,
            batch.skipped().cast_signed(),
            now,
            success,
            open.id
        ],
    )?;
    if changed != 1 {
        let message = format!("{SYNC_STATE} has lost the row of the list during the sync");
        return Ok(Err(Error::new(ErrorKind::Damaged, message).into()));
    }
    transaction.commit()?;
    let new = new.cast_unsigned();
    Ok(Ok(Written::new(new, batch.runs().len() as u64 - new)))
}

/// The number of the last row of the table of runs. 0 if it has none.
fn last_row(connection: &Connection, schema: &Schema) -> rusqlite::Result<i64> {
    let select = format!("SELECT coalesce(max(rowid), 0) FROM {}", schema.runs());
    connection.query_row(&select, [], |row| row.get(0))
}

/// The table of the IDs that are on a list. It is in a file of its own that SQLite removes.
fn listed(open: &OpenList) -> String {
    format!("temp.\"listed_{}\"", open.id)
}

fn mark_deleted(
    connection: &mut Connection,
    schema: &Schema,
    open: &OpenList,
    list: &SyncList,
) -> rusqlite::Result<TargetResult<Reconciled>> {
    let Some(begun) = open.listing else {
        return Ok(Err(not_loaded()));
    };
    let (runs, state, listed) = (schema.runs(), schema.quoted(SYNC_STATE), listed(open));
    let text = |time| String::from_utf8_lossy(&time_text(time)).into_owned();
    let (now, stored_before) = (text(Utc::now()), text(begun - TimeDelta::seconds(STALE)));
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // A run without a start may be on the list where the walk does not look.
    let of_list = "\"list\" = ? AND \"synced_at\" <= ? AND \"deleted_at\" IS NULL \
                   AND \"started_at\" IS NOT NULL";
    let is_listed = format!("\"id\" IN (SELECT id FROM {listed})");
    let count =
        format!("SELECT count(*), coalesce(sum({is_listed}), 0) FROM {runs} WHERE {of_list}");
    let counts = params![open.id, stored_before];
    let (stored, kept): (i64, i64) =
        transaction.query_row(&count, counts, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let gone = stored - kept;
    let lists_any = format!("SELECT EXISTS (SELECT 1 FROM {listed})");
    let findings = Findings {
        gone,
        kept,
        lists_any: transaction.query_row(&lists_any, [], |row| row.get(0))?,
    };
    if let Err(error) = findings.check(list) {
        return Ok(Err(error.into()));
    }
    let mut deleted = 0;
    if gone > 0 {
        let mark =
            format!("UPDATE {runs} SET \"deleted_at\" = ? WHERE {of_list} AND NOT {is_listed}");
        deleted = transaction.execute(&mark, params![now, open.id, stored_before])?;
    }
    let restored = transaction.execute(
        &format!(
            "UPDATE {runs} SET \"deleted_at\" = NULL \
             WHERE \"deleted_at\" IS NOT NULL AND {is_listed}"
        ),
        [],
    )?;
    transaction.execute(
        &format!("UPDATE {state} SET \"last_reconcile_at\" = ? WHERE \"id\" = ?"),
        params![now, open.id],
    )?;
    transaction.commit()?;
    Ok(Ok(Reconciled::new(deleted as u64, restored as u64)))
}

impl SqliteFile {
    /// The Actors of stored runs whose names are not known.
    pub(in super::super) async fn unnamed_actors(&self) -> TargetResult<Vec<Id>> {
        let read = |connection: &mut Connection, path: &Path, schema: &Schema| {
            let select = format!(
                "SELECT DISTINCT act_id FROM {} WHERE act_id IS NOT NULL \
                 AND act_id NOT IN (SELECT id FROM {}) ORDER BY 1",
                schema.runs(),
                schema.quoted(ACTORS)
            );
            let read = || {
                let mut statement = connection.prepare(&select)?;
                let ids = statement.query_map([], |row| row.get::<_, String>(0))?;
                ids.map(|id| id.map(Id::from))
                    .collect::<rusqlite::Result<Vec<_>>>()
            };
            read().map_err(|error| target_error(path, error))
        };
        self.with(read).await
    }

    /// Stores the names of Actors.
    pub(in super::super) async fn save_actors(&self, actors: Vec<Actor>) -> TargetResult<()> {
        let write = move |connection: &mut Connection, path: &Path, schema: &Schema| {
            let upsert = format!(
                "INSERT INTO {} (\"id\", \"name\", \"username\", \"title\", \"synced_at\") \
                 VALUES (?, ?, ?, ?, ?) ON CONFLICT (\"id\") DO UPDATE SET \
                 \"name\" = excluded.\"name\", \"username\" = excluded.\"username\", \
                 \"title\" = excluded.\"title\", \"synced_at\" = excluded.\"synced_at\"",
                schema.quoted(ACTORS)
            );
            let mut write = || {
                let now = time_text(Utc::now());
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                for actor in &actors {
                    let id = actor.id.as_str();
                    let now = String::from_utf8_lossy(&now);
                    let Actor {
                        name,
                        username,
                        title,
                        ..
                    } = actor;
                    transaction.execute(&upsert, params![id, name, username, title, now])?;
                }
                transaction.commit()
            };
            write().map_err(|error| target_error(path, error))
        };
        self.with(write).await
    }
}
