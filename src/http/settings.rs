//! What every request of a client has in common.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;

use super::base_url;
use super::pacers::Pacers;
use super::retry::RetryPolicy;
use super::retry_budget::RetryBudget;
use super::token::Token;
use crate::error::{Error, Result};
use crate::setting::InvalidSetting;

/// Redirects on the same origin that are followed before one is taken for the response.
const MAX_REDIRECTS: usize = 5;

/// The settings of a client, which its walks share.
pub(crate) struct Settings {
    pub(crate) http: reqwest::Client,
    pub(crate) base_url: Url,
    pub(crate) token: Token,
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) pacers: Pacers,
    pub(crate) retry_budget: RetryBudget,
    /// Whether the service has responded to any request yet.
    pub(crate) has_responded: AtomicBool,
    pub(crate) compression: bool,
    pub(crate) max_page_bytes: usize,
}

/// Checks what is to be sent as `User-Agent`.
pub(crate) fn user_agent(text: &str) -> Result<HeaderValue, InvalidSetting> {
    let value = HeaderValue::from_str(text)
        .ok()
        .filter(|value| !value.is_empty());
    value.ok_or_else(|| {
        let expected = "it must be text that fits in a header";
        InvalidSetting::new("user_agent", format!("{text:?}"), expected)
    })
}

/// The HTTP client of a program that does not bring its own.
pub(crate) fn http_client(base_url: &Url, token: Token) -> Result<reqwest::Client> {
    if base_url.scheme() == "https" && !cfg!(feature = "rustls") {
        let expected = "https needs the feature rustls or an http_client";
        return Err(Error::config("base_url", base_url, expected));
    }
    let mut builder = reqwest::Client::builder().redirect(Policy::custom(move |attempt| {
        let origin = attempt.previous().first().map(Url::origin);
        let is_same_origin = origin == Some(attempt.url().origin());
        let shows_token = token.is_in(attempt.url().as_str());
        if is_same_origin && !shows_token && attempt.previous().len() <= MAX_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    }));
    if base_url::is_loopback(base_url) {
        builder = builder.no_proxy();
    }
    if base_url.scheme() == "http" {
        builder = without_certificates(builder);
    }
    builder.build().map_err(|error| {
        Error::config("http_client", "(default)", "it could not be set up").with_source(error)
    })
}

/// Redirects stay on their origin, so that plain HTTP needs no certificates: to read those of
/// the system takes longer than many a walk.
fn without_certificates(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    #[cfg(feature = "rustls")]
    let builder = builder.tls_backend_rustls().tls_certs_only([]);
    builder
}
