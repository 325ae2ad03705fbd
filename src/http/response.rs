//! One request, and what its response says.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, LOCATION, USER_AGENT};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::settings::Settings;
use super::{rate, retry};
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::excerpt;
use crate::page::Page;
use crate::page::decode::{self, ApiError, Unusable};
use crate::page::raw::Spans;
use crate::pool::KEPT_BYTES;
use crate::run::RunSummary;

/// How much of the body of an error is read.
const MAX_ERROR_BYTES: usize = 16 << 10;

/// What a response says before its body.
pub(super) struct ResponseHead {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    /// The service's clock, if the response has a `Date`.
    pub(super) date: Option<DateTime<Utc>>,
    /// How many requests a second the service allows, if it announces that.
    pub(super) rate_limit: Option<f64>,
    /// Where a redirect points that was not followed: scheme, host and port.
    pub(super) redirect: Option<String>,
}

/// Sends a request and appends the body of its response, all of it within `limit`.
pub(super) async fn exchange(
    settings: &Settings,
    url: &Url,
    limit: Duration,
    body: &mut Vec<u8>,
) -> Result<ResponseHead> {
    let deadline = Instant::now() + limit;
    let late = |_| {
        let message = format!("no complete response within {limit:?}");
        Error::new(ErrorKind::Timeout, message)
    };
    let mut request = settings
        .http
        .get(url.clone())
        .header(AUTHORIZATION, settings.token.header.clone())
        .header(ACCEPT, "application/json");
    if let Some(user_agent) = &settings.user_agent {
        request = request.header(USER_AGENT, user_agent.clone());
    }
    if !settings.compression {
        request = request.header(ACCEPT_ENCODING, "identity");
    }
    let response = timeout_at(deadline, request.send()).await.map_err(late)?;
    let response = response.map_err(transport)?;
    settings.has_responded.store(true, Ordering::Relaxed);
    let (status, headers) = (response.status(), response.headers());
    let head = ResponseHead {
        status,
        retry_after: retry::retry_after(headers),
        date: retry::date(headers),
        rate_limit: rate::announced(headers),
        redirect: headers
            .get(LOCATION)
            .filter(|_| status.is_redirection())
            .map(|location| redirect_origin(url, location.to_str().unwrap_or_default())),
    };
    if status.is_success() {
        let read = read_body(response, settings.max_page_bytes, body);
        timeout_at(deadline, read).await.map_err(late)??;
    } else {
        // The status says enough, even if the rest does not come.
        let deadline = deadline.min(Instant::now() + settings.timeout / 2);
        let _ = timeout_at(deadline, read_beginning(response, body)).await;
    }
    Ok(head)
}

/// Appends the beginning of an error's body, as far as it comes.
async fn read_beginning(mut response: Response, body: &mut Vec<u8>) {
    while body.len() < MAX_ERROR_BYTES
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
}

fn redirect_origin(url: &Url, location: &str) -> String {
    match url.join(location) {
        Ok(target) if target.has_host() => target.origin().ascii_serialization(),
        _ => "an unknown host".into(),
    }
}

/// Appends the body of a response, up to `max_bytes`.
async fn read_body(mut response: Response, max_bytes: usize, body: &mut Vec<u8>) -> Result<()> {
    let too_long = || {
        let message = format!("the response is longer than max_page_bytes {max_bytes}");
        Err(Error::new(ErrorKind::Protocol, message))
    };
    let announced = response.content_length().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > max_bytes {
        return too_long();
    }
    body.reserve(announced.min(KEPT_BYTES));
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if chunk.len() > max_bytes - body.len() {
            return too_long();
        }
        body.extend_from_slice(&chunk);
    }
    Ok(())
}

fn transport(error: reqwest::Error) -> Error {
    let (kind, message) = if error.is_timeout() {
        (ErrorKind::Timeout, "the connection timed out")
    } else if error.is_builder() {
        // Every setting has been checked: it is where a redirect leads.
        (ErrorKind::Protocol, "there is no way to send the request")
    } else if error.is_redirect() {
        (ErrorKind::Protocol, "the redirects lead nowhere")
    } else if error.is_connect() {
        (ErrorKind::Transport, "no connection")
    } else if error.is_body() || error.is_decode() {
        (ErrorKind::Transport, "the response was cut off")
    } else {
        (ErrorKind::Transport, "the connection failed")
    };
    Error::new(kind, message).with_source(error.without_url())
}

/// Reads a response as a page. Its rows go into `rows`, which is empty, and their places in the
/// body into `spans`.
pub(super) fn read(
    settings: &Settings,
    head: ResponseHead,
    body: &[u8],
    rows: Vec<RunSummary>,
    spans: Option<&mut Spans>,
) -> Result<Page> {
    let redact = |text: &str| settings.token.redact(text);
    if head.status.is_success() {
        let page = decode::page_in(rows, body, spans).map_err(|unusable| match unusable {
            Unusable::ApiError(error) => reported(settings, &head, ErrorKind::Api, error),
            Unusable::TooManyRows => {
                let message = decode::TOO_MANY_ROWS;
                Error::new(ErrorKind::Protocol, message).with_status(head.status.as_u16())
            }
            Unusable::NotAList(reason) => {
                let message = decode::not_a_list(&reason, body, &redact);
                Error::new(ErrorKind::Decode, message).with_status(head.status.as_u16())
            }
        })?;
        return Ok(page);
    }
    Err(failure(settings, &head, body))
}

/// Reads a response as an object in `data`.
pub(super) fn read_object<T: DeserializeOwned>(
    settings: &Settings,
    head: ResponseHead,
    body: &[u8],
) -> Result<T> {
    #[derive(Deserialize)]
    struct Envelope<T> {
        data: T,
    }
    if !head.status.is_success() {
        return Err(failure(settings, &head, body));
    }
    serde_json::from_slice(body)
        .map(|envelope: Envelope<T>| envelope.data)
        .map_err(|error| match decode::api_error(body) {
            Some(error) => reported(settings, &head, ErrorKind::Api, error),
            None => {
                let reason = excerpt(&settings.token.redact(&error.to_string()));
                let message = format!("the response cannot be read: {reason}");
                Error::new(ErrorKind::Decode, message).with_status(head.status.as_u16())
            }
        })
}

/// The error of a response without success.
fn failure(settings: &Settings, head: &ResponseHead, body: &[u8]) -> Error {
    let redact = |text: &str| settings.token.redact(text);
    let kind = match head.status.as_u16() {
        401 | 403 => ErrorKind::Auth,
        404 => ErrorKind::NotFound,
        429 => ErrorKind::RateLimited,
        _ => ErrorKind::Api,
    };
    let error = decode::api_error(body).unwrap_or_else(|| ApiError {
        api_type: None,
        message: match &head.redirect {
            Some(origin) => Some(format!("a redirect to {origin} is not followed")),
            None if body.is_empty() => None,
            None => Some(decode::quote(body, &redact)),
        },
    });
    reported(settings, head, kind, error)
}

/// An error that the service itself reports.
fn reported(settings: &Settings, head: &ResponseHead, kind: ErrorKind, error: ApiError) -> Error {
    let shown = |text: String| excerpt(&settings.token.redact(&text));
    let api_type = error.api_type.map(shown);
    let mut message = head.status.to_string();
    if let Some(api_type) = &api_type {
        message = format!("{message} ({api_type})");
    }
    if let Some(text) = error.message.map(shown) {
        message = format!("{message}: {text}");
    }
    Error::new(kind, message)
        .with_status(head.status.as_u16())
        .with_api_type(api_type)
        .with_retry_after(head.retry_after)
}
