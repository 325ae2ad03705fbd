//! Signals that end the program.

use std::future::pending;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

const INTERRUPT: u8 = 2;
#[cfg(unix)]
const TERMINATE: u8 = 15;

/// A signal that has arrived.
#[derive(Default)]
pub(crate) struct StopSignal {
    signal: AtomicU8,
    arrived: Notify,
}

impl StopSignal {
    /// Waits for signals from now on, in the background. The first one asks to stop; a second
    /// one ends the program at once, which loses nothing that is committed.
    pub(crate) fn listen() -> Arc<Self> {
        let stop = Arc::new(Self::default());
        let listening = Arc::clone(&stop);
        tokio::spawn(async move {
            let signal = next().await;
            listening.signal.store(signal, Ordering::Relaxed);
            listening.arrived.notify_waiters();
            exit(i32::from(128 + next().await));
        });
        stop
    }

    /// Waits until a signal arrives, if none has.
    pub(crate) async fn requested(&self) {
        let arrived = self.arrived.notified();
        if self.signal() == 0 {
            arrived.await;
        }
    }

    /// The number of the signal, or 0 while there is none.
    pub(crate) fn signal(&self) -> u8 {
        self.signal.load(Ordering::Relaxed)
    }
}

#[cfg(unix)]
async fn next() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = async |kind: SignalKind, number: u8| {
        match signal(kind) {
            Ok(mut signals) => signals.recv().await,
            Err(_) => pending().await,
        };
        number
    };
    tokio::select! {
        number = wait(SignalKind::interrupt(), INTERRUPT) => number,
        number = wait(SignalKind::terminate(), TERMINATE) => number,
    }
}

#[cfg(not(unix))]
async fn next() -> u8 {
    match tokio::signal::ctrl_c().await {
        Ok(()) => INTERRUPT,
        Err(_) => pending().await,
    }
}
