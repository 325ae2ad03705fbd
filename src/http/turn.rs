//! Waiting for a time, one after the other.

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

/// Lets tasks continue in the order in which they began to wait.
pub(super) struct Turn(Semaphore);

impl Default for Turn {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl Turn {
    /// Waits until `admit` accepts the current time. If it does not, it returns when to ask again.
    ///
    /// Cancel-safe: who gives up while waiting takes nothing from the others.
    pub(super) async fn wait<T>(&self, mut admit: impl FnMut(Instant) -> Result<T, Instant>) -> T {
        // The semaphore is never closed.
        let _turn = self.0.acquire().await;
        loop {
            match admit(Instant::now()) {
                Ok(admitted) => return admitted,
                Err(time) => sleep_until(time).await,
            }
        }
    }
}
