//! The list that the arguments name.

use std::env::{self, VarError};

use apify_runs::emulator::Emulator;
use apify_runs::export::Checkpoint;
use apify_runs::{Client, ClientBuilder, RetryPolicy, RunQuery, RunStatus};
use chrono::{DateTime, Utc};

use crate::arguments::{ServiceArguments, SourceArguments};
use crate::exit::Failure;
use crate::times::When;
use crate::token;

/// A client, and the emulator that it reads from, if it does.
pub(crate) struct Source {
    pub(crate) client: Client,
    _emulator: Option<Emulator>,
}

impl Source {
    pub(crate) async fn open(arguments: &SourceArguments) -> Result<Self, Failure> {
        let service = &arguments.service;
        let (builder, emulator) = match arguments.demo {
            Some(runs) => {
                let started = Emulator::builder().runs(runs).start().await;
                let emulator = started.map_err(|error| Failure::from(error).for_good())?;
                let builder = emulator.client_builder();
                (builder, Some(emulator))
            }
            None => (builder(service)?, None),
        };
        let builder = match service.rate {
            Some(rate) => builder.max_requests_per_second(rate),
            None => builder,
        };
        Ok(Self {
            client: builder
                .timeout(service.timeout)
                .retry(retry(service))
                .build()?,
            _emulator: emulator,
        })
    }
}

/// For the service itself, with a token and perhaps with another address.
fn builder(service: &ServiceArguments) -> Result<ClientBuilder, Failure> {
    let builder = Client::builder().token(token::find(service.token_file.as_deref())?);
    let base_url = match &service.base_url {
        Some(base_url) => Some(base_url.clone()),
        None => base_url_of_environment()?,
    };
    Ok(match base_url {
        Some(base_url) => builder.base_url(base_url),
        None => builder,
    })
}

/// The address in the environment. One that is blank is none, as for the library.
fn base_url_of_environment() -> Result<Option<String>, Failure> {
    const VARIABLE: &str = "APIFY_API_BASE_URL";
    match env::var(VARIABLE) {
        Ok(base_url) => Ok(Some(base_url).filter(|base_url| !base_url.trim().is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::usage(format!("{VARIABLE} is no text"))),
    }
}

fn retry(service: &ServiceArguments) -> RetryPolicy {
    RetryPolicy::default().max_retries(service.max_retries)
}

/// The query that the arguments describe. Times that are relative mean what they meant at the
/// first start.
pub(crate) fn query(
    arguments: &SourceArguments,
    before: Option<&Checkpoint>,
) -> Result<RunQuery, Failure> {
    let query = match (&arguments.actor, &arguments.task) {
        (Some(actor), _) => RunQuery::actor(actor),
        (None, Some(task)) => RunQuery::task(task),
        (None, None) if arguments.account => RunQuery::account(),
        (None, None) => RunQuery::actor("demo"),
    };
    narrowed(query, arguments, before)
}

/// The query with the filters of the arguments.
pub(crate) fn narrowed(
    query: RunQuery,
    arguments: &SourceArguments,
    before: Option<&Checkpoint>,
) -> Result<RunQuery, Failure> {
    let mut query = query.statuses(statuses(arguments));
    let since = before.map(|checkpoint| ("since", checkpoint, checkpoint.started_after()));
    if let Some(time) = time(arguments.since.as_ref(), since)? {
        query = query.started_after(time);
    }
    let until = before.map(|checkpoint| ("until", checkpoint, checkpoint.started_before()));
    if let Some(time) = time(arguments.until.as_ref(), until)? {
        query = query.started_before(time);
    }
    Ok(query)
}

fn statuses(arguments: &SourceArguments) -> impl Iterator<Item = RunStatus> {
    let statuses = arguments.status.iter();
    statuses.map(|status| RunStatus::from(status.trim().to_uppercase().as_str()))
}

/// The time that is meant, and what the checkpoint says of it: its label, and the time then.
fn time(
    when: Option<&When>,
    before: Option<(&str, &Checkpoint, Option<DateTime<Utc>>)>,
) -> Result<Option<DateTime<Utc>>, Failure> {
    let Some(when) = when else {
        return Ok(None);
    };
    if let (Some(text), Some((label, checkpoint, then))) = (when.relative(), before)
        && checkpoint.label(label) == Some(text)
    {
        return Ok(then);
    }
    let time = when.time();
    time.map(Some)
        .ok_or_else(|| Failure::usage("a time is too long ago"))
}
