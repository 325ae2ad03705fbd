//! A database file, and the connection that all lists share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::super::schema::Schema;
use super::super::target::{TargetError, TargetResult};
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
}

impl SqliteFile {
    /// Opens a file, and creates it and its tables if they do not exist.
    pub(in super::super) async fn open(path: PathBuf, schema: Schema) -> TargetResult<Self> {
        blocking(move || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let open = |path: &Path| {
                let connection = Connection::open_with_flags(path, flags)?;
                connection.busy_timeout(BUSY_TIMEOUT)?;
                Ok(connection)
            };
            let mut connection = open(&path).map_err(|error| target_error(&path, error))?;
            set_up(&mut connection, &schema, &path)?;
            Ok(Self {
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
