//! A database file, and the connection that all lists share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::super::schema::Schema;
use super::super::target::{TargetError, TargetResult};
use super::checkpointer::Checkpointer;
use super::error::target_error;
use super::setup::set_up;
use crate::error::{Error, ErrorKind};

/// How long SQLite waits for a lock that another program has. A sync then waits longer.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open database. Clones share its connection: SQLite has one writer at a time anyway.
#[derive(Clone)]
pub(in super::super) struct SqliteFile {
    pub(super) path: Arc<Path>,
    pub(super) schema: Arc<Schema>,
    connection: Arc<Mutex<Connection>>,
    pub(super) checkpointer: Checkpointer,
}

impl SqliteFile {
    /// Opens a file, and creates it and its tables if they do not exist.
    pub(in super::super) async fn open(path: PathBuf, schema: Schema) -> TargetResult<Self> {
        blocking(move || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let open = || {
                let connection = Connection::open_with_flags(&path, flags)?;
                connection.busy_timeout(BUSY_TIMEOUT)?;
                Ok(connection)
            };
            let open = || open().map_err(|error| target_error(&path, error));
            let mut connection = open()?;
            set_up(&mut connection, &schema, &path)?;
            Ok(Self {
                checkpointer: Checkpointer::new(open()?, &path),
                path: path.into(),
                schema: Arc::new(schema),
                connection: Arc::new(Mutex::new(connection)),
            })
        })
        .await
    }

    /// Works on the connection, when it is free, on a thread where no task waits. If the future is
    /// dropped, the work is done all the same once it has begun.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &Path, &Schema) -> TargetResult<T> + Send + 'static,
    ) -> TargetResult<T> {
        let mut connection = Arc::clone(&self.connection).lock_owned().await;
        let (path, schema) = (Arc::clone(&self.path), Arc::clone(&self.schema));
        blocking(move || work(&mut connection, &path, &schema)).await
    }

    /// As `with`, for work that writes many rows. Then the log is copied if it is long.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &Path, &Schema) -> TargetResult<T> + Send + 'static,
    ) -> TargetResult<T> {
        let checkpointer = self.checkpointer.clone();
        let write = move |connection: &mut Connection, path: &Path, schema: &Schema| {
            let result = work(connection, path, schema);
            checkpointer.after_commit();
            result
        };
        self.with(write).await
    }

    pub(in super::super) fn path(&self) -> &Path {
        &self.path
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> TargetResult<T> + Send + 'static,
) -> TargetResult<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        let message = "the thread of the database has broken off";
        let error = Error::new(ErrorKind::Output, message).with_source(error);
        Err(TargetError::from(error))
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::schema::Dialect;
    use super::super::checkpointer::log_path;
    use super::*;

    /// Without checkpoints, the log would have all that is written.
    #[tokio::test]
    async fn a_long_log_is_copied_and_begins_anew() {
        const BLOB: u64 = 64 << 10;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.db");
        let schema = Schema::new(Dialect::Sqlite, None, "runs".into()).unwrap();
        let mut file = SqliteFile::open(path.clone(), schema).await.unwrap();
        (file.checkpointer.log_bytes, file.checkpointer.max_log_bytes) = (4 * BLOB, 16 * BLOB);
        let size = |path: &Path| path.metadata().map_or(0, |it| it.len());
        let mut longest = 0;
        for _ in 0..100 {
            let write = |connection: &mut Connection, _: &Path, _: &Schema| {
                let sql = "PRAGMA journal_size_limit = 262144; \
                           CREATE TABLE IF NOT EXISTS blobs (it); \
                           INSERT INTO blobs VALUES (randomblob(65536))";
                connection.execute_batch(sql).unwrap();
                Ok(())
            };
            file.write(write).await.unwrap();
            longest = longest.max(size(&log_path(&path)));
        }
        file.checkpointer.finish().await;
        assert!(longest > 4 * BLOB, "the log only reached {longest} bytes");
        assert!(longest < 20 * BLOB, "the log reached {longest} bytes");
        let copied = size(&path);
        assert!(copied > 100 * BLOB, "{copied} bytes are in the database");
        drop(file);
        assert!(!log_path(&path).exists(), "the log is left");
    }
}
