//! The service that runs are read from.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use apify_runs::emulator::Emulator;
use apify_runs::{Client, ClientBuilder, RetryEvent, RetryPolicy};
use serde_json::json;

use crate::arguments::{ServiceArguments, SourceArguments};
use crate::console::{Console, Level};
use crate::exit::{Failure, reason};
use crate::token;

/// How long the next retries are not shown after one was, unless everything is to be said.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A client, and the emulator behind it under `--demo`.
pub(crate) struct Service {
    pub(crate) client: Client,
    /// Where it is, for messages.
    pub(crate) name: String,
    _emulator: Option<Emulator>,
}

impl Service {
    pub(crate) async fn open(
        arguments: &SourceArguments,
        console: &Console,
    ) -> Result<Self, Failure> {
        let service = &arguments.service;
        let (builder, emulator) = match arguments.demo {
            Some(runs) => {
                let started = Emulator::builder().runs(runs).start().await;
                let emulator = started.map_err(|error| Failure::from(error).permanent())?;
                (emulator.client_builder(), Some(emulator))
            }
            None => (builder(service)?, None),
        };
        let builder = match service.rate {
            Some(rate) => builder.max_requests_per_second(rate),
            None => builder,
        };
        let builder = match service.total_rate {
            Some(rate) => builder.max_total_requests_per_second(rate),
            None => builder,
        };
        let retry = RetryPolicy::default()
            .max_retries(service.max_retries)
            .on_retry(show_retries(service.max_retries, console.clone()));
        let client = builder.timeout(service.timeout).retry(retry).build()?;
        let name = match emulator {
            Some(_) => "the built-in emulator".into(),
            None => client.base_url().to_string(),
        };
        Ok(Self {
            client,
            name,
            _emulator: emulator,
        })
    }
}

/// For the service itself. Flags come before the environment.
fn builder(service: &ServiceArguments) -> Result<ClientBuilder, Failure> {
    let token = token::find(service.token_file.as_deref())?;
    let builder = ClientBuilder::from_env()?.token(token);
    Ok(match &service.base_url {
        Some(base_url) => builder.base_url(base_url),
        None => builder,
    })
}

/// Says that a request is sent again, and why. Of those that fail at once it is enough to see one.
fn show_retries(max: u32, console: Console) -> impl Fn(&RetryEvent<'_>) + Send + Sync {
    let shown = Mutex::new(None::<Instant>);
    move |event| {
        let now = Instant::now();
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = shown.is_none_or(|shown| now.duration_since(shown) >= RETRY_INTERVAL);
        if !is_due && !console.is_verbose() {
            return;
        }
        *shown = Some(now);
        let (attempts, seconds) = (event.attempts, event.delay.as_secs_f64());
        let reason = reason(event.error);
        let text = format!("retry {attempts}/{max} in {seconds:.1} s: {reason}");
        let fields = json!({
            "attempts": attempts,
            "delay_seconds": seconds,
            "error": event.error.to_string(),
        });
        console.log(Level::Info, &text, fields);
    }
}
