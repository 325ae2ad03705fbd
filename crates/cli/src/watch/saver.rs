//! From the outbox into the file.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::outbox::Outbox;
use super::state::StateFile;
use crate::exit::{Exit, Failure};

/// For how many times as long as it takes to store the state, it is then not stored.
const REST: u32 = 4;
const MAX_REST: Duration = Duration::from_secs(5);

/// Stores each change, and what there is when it is done.
///
/// # Errors
///
/// If that fails, it does so at once.
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
