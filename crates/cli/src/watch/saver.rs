//! Stores the outbox in the state file.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::outbox::Outbox;
use super::state::StateFile;
use crate::exit::{Exit, Failure};

/// The pause after a write, as a multiple of the time that the write took.
const REST: u32 = 4;
const MAX_REST: Duration = Duration::from_secs(5);

/// Stores each change, and the last state when the watch is done.
///
/// # Errors
///
/// It returns at once if the file cannot be written.
pub(crate) async fn save_changes(
    outbox: &Outbox,
    file: &StateFile,
    mut is_done: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let mut changes = outbox.changes();
    loop {
        tokio::select! {
            _ = changes.changed() => {}
            _ = is_done.wait_for(|is_done| *is_done) => return save(outbox, file).await,
        }
        let begun = Instant::now();
        save(outbox, file).await?;
        tokio::select! {
            () = sleep((begun.elapsed() * REST).min(MAX_REST)) => {}
            _ = is_done.wait_for(|is_done| *is_done) => {}
        }
    }
}

async fn save(outbox: &Outbox, file: &StateFile) -> Result<(), Failure> {
    let (file, state) = (file.clone(), outbox.stored()?);
    let saved = spawn_blocking(move || file.replace(&state)).await;
    saved.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?
}
