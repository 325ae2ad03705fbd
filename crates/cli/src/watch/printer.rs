//! Alerts on standard output.

use std::io::{self, ErrorKind, Write};

use tokio::task::spawn_blocking;

use super::alert::Alert;
use super::attempt::Undelivered;
use crate::exit::{Exit, Failure};

/// Prints alerts.
pub(crate) struct Printer {
    pub(crate) json: bool,
}

impl Printer {
    /// Prints an alert. The other sinks do not wait for a slow reader.
    pub(crate) async fn deliver(&self, alert: &Alert) -> Result<(), Undelivered> {
        let text = match self.json {
            true => alert.fields().to_string(),
            false => alert.text(),
        };
        let print = move || {
            let mut out = io::stdout().lock();
            out.write_all(format!("{text}\n").as_bytes())?;
            out.flush()
        };
        let printed = spawn_blocking(print).await;
        let printed = printed.unwrap_or_else(|error| Err(io::Error::other(error)));
        printed.map_err(|error| {
            Undelivered::Over(match error.kind() {
                ErrorKind::BrokenPipe => Ok(Exit::BrokenPipe),
                _ => {
                    let message = format!("standard output cannot be written to: {error}");
                    Err(Failure::new(Exit::Failed, message))
                }
            })
        })
    }
}
