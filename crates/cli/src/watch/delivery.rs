//! Delivers the alerts in the outbox to a sink, one after the other.

use std::pin::pin;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::alert::Alert;
use super::attempt::Undelivered;
use super::exec::Exec;
use super::outbox::Outbox;
use super::printer::Printer;
use super::webhook::Webhook;
use crate::console::{Console, Level};
use crate::exit::{Exit, Failure};
use crate::signals::StopSignal;

/// How often a refused alert is tried before the ones after it.
const ATTEMPTS: u32 = 5;
/// The time after which refused alerts are tried again.
const REFUSED_INTERVAL: Duration = Duration::from_secs(3600);
/// How long the last attempt may take after the program is told to stop.
const GRACE: Duration = Duration::from_secs(10);
const MIN_DELAY: Duration = Duration::from_millis(500);
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Where alerts go.
pub(crate) enum Sink {
    Printer(Printer),
    Webhook(Webhook),
    Exec(Exec),
}

impl Sink {
    /// Its name in the state.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Printer(_) => "stdout",
            Self::Webhook(_) => "webhook",
            Self::Exec(_) => "exec",
        }
    }

    /// Its name in messages.
    fn description(&self) -> String {
        match self {
            Self::Printer(_) => "standard output".into(),
            Self::Webhook(webhook) => format!("the webhook at {}", webhook.host()),
            Self::Exec(exec) => format!("the command {}", exec.program()),
        }
    }

    async fn deliver(&self, alert: &Alert) -> Result<(), Undelivered> {
        match self {
            Self::Printer(printer) => printer.deliver(alert).await,
            Self::Webhook(webhook) => webhook.deliver(alert).await,
            Self::Exec(exec) => exec.deliver(alert).await,
        }
    }
}

/// Delivers the alerts of one sink.
pub(crate) struct Delivery<'a> {
    pub(crate) sink: &'a Sink,
    pub(crate) outbox: &'a Outbox,
    pub(crate) stop: &'a StopSignal,
    pub(crate) console: &'a Console,
    /// Whether the lists are read only once.
    pub(crate) once: bool,
    /// Whether no more alerts will be added.
    pub(crate) is_closed: watch::Sender<bool>,
}

/// How the work on an alert has ended.
enum Ended {
    Delivered,
    Refused,
    /// It stays in front, and nothing more is delivered to this sink.
    Kept,
}

impl Delivery<'_> {
    /// Delivers alerts until the program is to stop, or until none is left and none will be added.
    ///
    /// # Errors
    ///
    /// How the program ends, if it cannot continue.
    pub(crate) async fn run(&self) -> Result<(), Result<Exit, Failure>> {
        let name = self.sink.name();
        let (mut changes, mut closed) = (self.outbox.changes(), self.is_closed.subscribe());
        let mut tried_refused = Instant::now();
        let mut is_down = false;
        while self.stop.signal() == 0 {
            changes.mark_unchanged();
            if tried_refused.elapsed() >= REFUSED_INTERVAL {
                tried_refused = Instant::now();
                self.outbox.try_refused_again(name);
            }
            let Some(alert) = self.outbox.front(name) else {
                if *closed.borrow_and_update() {
                    break;
                }
                tokio::select! {
                    _ = changes.changed() => {}
                    _ = closed.changed() => {}
                    () = sleep(REFUSED_INTERVAL) => {}
                    () = self.stop.requested() => {}
                }
                continue;
            };
            match self.one(&alert, &mut is_down).await? {
                Ended::Delivered => self.outbox.delivered(name),
                Ended::Refused => self.outbox.refused(name),
                Ended::Kept => break,
            }
        }
        Ok(())
    }

    /// Tries until the alert is delivered or given up.
    async fn one(&self, alert: &Alert, is_down: &mut bool) -> Result<Ended, Result<Exit, Failure>> {
        let mut delays = ExponentialBuilder::new()
            .with_min_delay(MIN_DELAY)
            .with_max_delay(MAX_DELAY)
            .without_max_times()
            .with_jitter()
            .build();
        let (mut attempts, mut refusals) = (0, 0);
        loop {
            let Some(result) = self.attempt(alert).await else {
                return Ok(Ended::Kept);
            };
            attempts += 1;
            if result.is_err() {
                self.outbox.failed(self.sink.name());
            }
            let mut wait = delays.next().unwrap_or(MAX_DELAY);
            match result {
                Ok(()) => {
                    if std::mem::take(is_down) {
                        let sink = self.sink.description();
                        let text = format!("{sink} accepts alerts again");
                        self.console.log(Level::Info, &text, json!({}));
                    }
                    return Ok(Ended::Delivered);
                }
                Err(Undelivered::Over(end)) => return Err(end),
                Err(Undelivered::Refused { reason }) => {
                    refusals += 1;
                    if refusals == ATTEMPTS {
                        self.say_refused(alert, &reason);
                        return Ok(Ended::Refused);
                    }
                }
                Err(Undelivered::Unavailable {
                    reason,
                    retry_after,
                }) => {
                    // Most failures are over at the second attempt.
                    if attempts > 1 && !std::mem::replace(is_down, true) {
                        self.say_down(&reason);
                    }
                    wait = wait.max(retry_after.unwrap_or_default());
                    let gives_up = self.once || *self.is_closed.borrow();
                    if gives_up && (attempts >= ATTEMPTS || wait > MAX_DELAY) {
                        return Ok(Ended::Kept);
                    }
                }
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = self.stop.requested() => return Ok(Ended::Kept),
            }
        }
    }

    /// One attempt. `None` if the program is to stop and the attempt does not end soon.
    async fn attempt(&self, alert: &Alert) -> Option<Result<(), Undelivered>> {
        let mut attempt = pin!(self.sink.deliver(alert));
        tokio::select! {
            result = &mut attempt => return Some(result),
            () = self.stop.requested() => {}
        }
        timeout(GRACE, attempt).await.ok()
    }

    fn say_refused(&self, alert: &Alert, reason: &str) {
        let (sink, id) = (self.sink.description(), &alert.id);
        let text = format!(
            "{sink} has refused alert {id}: {reason}; it is kept, and tried again in an hour or at \
             the next start"
        );
        let fields = json!({"alert": id, "error": reason});
        self.console.log(Level::Warning, &text, fields);
    }

    /// Reported once, not at each attempt.
    fn say_down(&self, reason: &str) {
        let sink = self.sink.description();
        let text = format!("{sink} accepts no alerts: {reason}; they are kept and tried again");
        let fields = json!({"error": reason});
        self.console.log(Level::Warning, &text, fields);
    }
}
