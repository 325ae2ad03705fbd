//! Threads that may block.

use std::thread::{Builder, JoinHandle};

use tokio::task::spawn_blocking;

use crate::error::{Error, ErrorKind, Result};

/// Starts a thread of an export.
pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let thread = Builder::new().name(format!("apify-runs {name}"));
    thread.spawn(work).map_err(|error| {
        Error::new(ErrorKind::Output, "no thread to write with").with_source(error)
    })
}

/// A thread that writes has panicked.
pub(super) fn broken() -> Error {
    Error::new(ErrorKind::Output, "the thread that writes has broken off")
}

/// Reads on a thread where no task waits for it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        let message = "the thread that reads has broken off";
        Err(Error::new(ErrorKind::Output, message).with_source(error))
    })
}
