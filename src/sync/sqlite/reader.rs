//! Reads a database file.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use tokio::task::spawn_blocking;

use super::super::schema::{ACTORS, SYNC_STATE, Schema};
use super::super::stored::{DatabaseSnapshot, StoredList, StoredRun, StoredRunsSender, channel};
use super::super::target::TargetResult;
use super::checkpointer::log_path;
use super::error::target_error;
use super::file::{BUSY_TIMEOUT, blocking};
use super::setup::check;
use crate::actor::Actor;
use crate::error::{Error, ErrorKind};
use crate::run::{Id, RunOrigin, RunStatus};
use crate::timestamp;

/// A database file that is only read.
#[derive(Clone)]
pub(in super::super) struct SqliteReader {
    path: Arc<Path>,
    schema: Arc<Schema>,
}

impl SqliteReader {
    /// Checks that the file exists and has the tables of a sync.
    pub(in super::super) async fn open(path: PathBuf, schema: Schema) -> TargetResult<Self> {
        let reader = Self {
            path: path.into(),
            schema: Arc::new(schema),
        };
        let opened = reader.clone();
        blocking(move || opened.connect().map(drop)).await?;
        Ok(reader)
    }

    pub(in super::super) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a transaction, and reads lists and Actors. A thread reads the runs.
    pub(in super::super) async fn snapshot(&self) -> TargetResult<DatabaseSnapshot> {
        let reader = self.clone();
        let (connection, lists, actors) = blocking(move || {
            let connection = reader.connect()?;
            let lists = reader.lists(&connection)?;
            let actors = reader.actors(&connection);
            let actors = actors.map_err(|error| target_error(&reader.path, error))?;
            Ok((connection, lists, actors))
        })
        .await?;
        let (mut sender, runs) = channel();
        let reader = self.clone();
        spawn_blocking(move || {
            let result = reader.runs(&connection, &mut sender);
            // The program may end with the stream, before the connection has.
            drop(connection);
            sender.blocking_end(result);
        });
        Ok(DatabaseSnapshot {
            lists,
            actors,
            runs,
        })
    }

    /// A connection in a transaction, to tables that were checked in it.
    fn connect(&self) -> TargetResult<Connection> {
        let path = &*self.path;
        let failed = |error| target_error(path, error);
        if !path.exists() {
            let message = format!("{} does not exist", path.display());
            return Err(Error::new(ErrorKind::Output, message).into());
        }
        let connection = begin(path).map_err(failed)?;
        if check(&connection, &self.schema, path)?.is_none() {
            let message = format!(
                "{} has no tables of a sync: apify-runs sync makes them",
                path.display()
            );
            return Err(Error::new(ErrorKind::Damaged, message).into());
        }
        Ok(connection)
    }

    fn lists(&self, connection: &Connection) -> TargetResult<Vec<StoredList>> {
        let select = format!(
            "SELECT query, rows, skipped, last_sync_at, last_success_at FROM {} ORDER BY id",
            self.schema.quoted(SYNC_STATE)
        );
        let failed = |error| target_error(&self.path, error);
        let mut statement = connection.prepare(&select).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let mut lists = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let value = |place| row.get::<_, i64>(place).map_err(failed);
            lists.push(StoredList {
                query: row.get(0).map_err(failed)?,
                rows: value(1)?.cast_unsigned(),
                skipped: value(2)?.cast_unsigned(),
                last_sync_at: self.time(row, 3)?,
                last_success_at: self.time(row, 4)?,
            });
        }
        Ok(lists)
    }

    fn actors(&self, connection: &Connection) -> rusqlite::Result<Vec<Actor>> {
        let select = format!(
            "SELECT id, name, username, title FROM {} ORDER BY id",
            self.schema.quoted(ACTORS)
        );
        let mut statement = connection.prepare(&select)?;
        let actors = statement.query_map([], |row| {
            Ok(Actor {
                id: Id::from(row.get_ref(0)?.as_str()?),
                name: row.get(1)?,
                username: row.get(2)?,
                title: row.get(3)?,
            })
        })?;
        actors.collect()
    }

    fn runs(&self, connection: &Connection, sender: &mut StoredRunsSender) -> TargetResult<()> {
        let select = format!(
            "SELECT id, act_id, actor_task_id, status, started_at, finished_at, meta_origin, \
             usage_total_usd FROM {}",
            self.schema.runs()
        );
        let failed = |error| target_error(&self.path, error);
        let mut statement = connection.prepare(&select).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if !sender.blocking_send(self.run(row)?) {
                break;
            }
        }
        Ok(())
    }

    fn run(&self, row: &Row<'_>) -> TargetResult<StoredRun> {
        let text = |place: usize| -> TargetResult<Option<&str>> {
            let value = row.get_ref(place).map(|value| value.as_str_or_null());
            let value = value.map_err(|error| target_error(&self.path, error))?;
            value.map_err(|error| target_error(&self.path, error.into()))
        };
        let cost = row.get(7);
        Ok(StoredRun {
            id: text(0)?.unwrap_or_default().into(),
            act_id: text(1)?.map(Id::from),
            actor_task_id: text(2)?.map(Id::from),
            status: text(3)?.map(RunStatus::from).unwrap_or_default(),
            started_at: self.time(row, 4)?,
            finished_at: self.time(row, 5)?,
            origin: text(6)?.map(RunOrigin::from),
            usage_total_usd: cost.map_err(|error| target_error(&self.path, error))?,
        })
    }

    /// A time that a sync has written.
    fn time(&self, row: &Row<'_>, place: usize) -> TargetResult<Option<DateTime<Utc>>> {
        let text: Option<String> = row
            .get(place)
            .map_err(|error| target_error(&self.path, error))?;
        let Some(text) = text else { return Ok(None) };
        let time = timestamp::parse(&text).ok_or_else(|| {
            let message = format!("{} has {text:?} where a time is", self.path.display());
            Error::new(ErrorKind::Damaged, message)
        })?;
        Ok(Some(time))
    }
}

/// Opens a file, and begins a transaction.
fn begin(path: &Path) -> rusqlite::Result<Connection> {
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // A connection that could write removes the notes about readers beside the file at its end.
    // Statements cannot write, and a file that is read-only is opened all the same.
    let usual = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let begin = |connection: Connection| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("PRAGMA query_only = ON; BEGIN")?;
        // A transaction begins with what is read first.
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
        Ok(connection)
    };
    let needs_notes = |error: &rusqlite::Error| {
        let code = error.sqlite_error_code();
        matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
    };
    match Connection::open_with_flags(path, usual).and_then(begin) {
        // There is no place for these notes in a folder that is read-only. If there is no log of a
        // writer either, the file itself is all there is.
        Err(error) if needs_notes(&error) && !log_path(path).exists() => {
            let uri = format!("file:{}?immutable=1", escaped(path));
            let flags = read_only | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(uri, flags).and_then(begin)
        }
        opened => opened,
    }
}

/// A path as a part of a URI.
fn escaped(path: &Path) -> String {
    let mut escaped = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(*byte));
            }
            // Writing to a `String` does not fail.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_sees_one_moment_and_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.db");
        let writer = Connection::open(&path).unwrap();
        let set_up = "PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)";
        writer.execute_batch(set_up).unwrap();
        let reader = begin(&path).unwrap();
        assert_eq!(writer.execute("DELETE FROM t", []).unwrap(), 1);
        let count = |connection: &Connection| -> i64 {
            let select = "SELECT count(*) FROM t";
            connection.query_row(select, [], |row| row.get(0)).unwrap()
        };
        assert_eq!((count(&reader), count(&writer)), (1, 0));
        reader.execute("DELETE FROM t", []).unwrap_err();
    }

    #[test]
    fn a_path_is_escaped() {
        assert_eq!(escaped(Path::new("/a b/c?%.db")), "/a%20b/c%3F%25.db");
    }
}
