//! Copies the write-ahead log into the database while the next rows are written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, spawn_blocking};

/// Copying starts above this length. When SQLite starts the log over, it cuts the file to this
/// length.
pub(super) const LOG_BYTES: u64 = 16 << 20;
/// Above this, the writer waits for the copy: SQLite starts the log over only once all of it is
/// copied.
const MAX_LOG_BYTES: u64 = 16 * LOG_BYTES;

/// Copies on a connection and a thread of its own. A clone shares both.
#[derive(Clone)]
pub(super) struct Checkpointer {
    connection: Arc<Mutex<Connection>>,
    /// The copy that began last. Its thread holds the connection until it ends.
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
    log: Arc<Path>,
    pub(super) log_bytes: u64,
    pub(super) max_log_bytes: u64,
}

impl Checkpointer {
    /// `connection` is not the one that writes to the database at `path`.
    pub(super) fn new(connection: Connection, path: &Path) -> Self {
        Self {
            connection: Arc::new(Mutex::new(connection)),
            task: Arc::default(),
            log: log_path(path).into(),
            log_bytes: LOG_BYTES,
            max_log_bytes: MAX_LOG_BYTES,
        }
    }

    /// Copies the log if it is long. Call after each transaction, on a thread that may block.
    pub(super) fn after_commit(&self) {
        let length = self.log_length();
        if length > self.max_log_bytes {
            checkpoint(&self.connection.blocking_lock());
        } else if length > self.log_bytes {
            let mut task = self.task.blocking_lock();
            if task.as_ref().is_none_or(JoinHandle::is_finished) {
                *task = Some(self.start());
            }
        }
    }

    /// Copies a long log to its end, so that the database is quickly closed.
    pub(super) async fn finish(&self) {
        // If a copy fails, the log is copied when the database is closed.
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
        if self.log_length() > self.log_bytes {
            let _ = self.start().await;
        }
    }

    fn start(&self) -> JoinHandle<()> {
        let connection = Arc::clone(&self.connection);
        spawn_blocking(move || checkpoint(&connection.blocking_lock()))
    }

    fn log_length(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |log| log.len())
    }
}

/// Errors are ignored: the log keeps everything, and the next checkpoint or closing the database
/// tries again.
fn checkpoint(connection: &Connection) {
    let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
}

/// The path of the log of a database. It is beside the file itself, not beside a symbolic link.
pub(super) fn log_path(database: &Path) -> PathBuf {
    let file = fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let mut log = file.into_os_string();
    log.push("-wal");
    log.into()
}
