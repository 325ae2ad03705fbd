//! The service that runs are read from.

use apify_runs::emulator::Emulator;
use apify_runs::{Client, ClientBuilder, RetryPolicy};

use crate::arguments::{ServiceArguments, SourceArguments};
use crate::exit::Failure;
use crate::token;

/// A client, and the emulator behind it under `--demo`.
pub(crate) struct Service {
    pub(crate) client: Client,
    _emulator: Option<Emulator>,
}

impl Service {
    pub(crate) async fn open(arguments: &SourceArguments) -> Result<Self, Failure> {
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
        let retry = RetryPolicy::default().max_retries(service.max_retries);
        Ok(Self {
            client: builder.timeout(service.timeout).retry(retry).build()?,
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
