//! Alerts by HTTP.

use std::error::Error as StdError;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, redirect};
use serde_json::json;
use url::Url;

use super::alert::Alert;
use super::attempt::Undelivered;
use crate::exit::{Exit, Failure};
use crate::flags;

/// How long the receiver may take to respond.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest wait that is accepted from a receiver.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// A URL that alerts are sent to. All of it but the host is a secret.
pub(crate) struct Webhook {
    url: Url,
    /// The host, and a port that is not the usual one, for messages.
    host: String,
    is_slack: bool,
    http: Client,
}

impl Webhook {
    pub(crate) fn new(url: &str, is_slack: bool) -> Result<Self, Failure> {
        // The URL is not named: it is a secret.
        let wrong = || {
            let expected = "it must be a URL such as https://example.org/hook";
            Failure::usage(flags::invalid("--webhook", "", expected))
        };
        let url: Url = url.trim().parse().map_err(|_| wrong())?;
        let is_http = ["http", "https"].contains(&url.scheme());
        let host = url.host_str().filter(|_| is_http).ok_or_else(wrong)?;
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let http = Client::builder()
            .timeout(TIMEOUT)
            // After a redirect, a POST may become a GET, which delivers nothing.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("apify-runs/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::new(Exit::Failed, reason(&error)))?;
        Ok(Self {
            url,
            host,
            is_slack,
            http,
        })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Sends an alert.
    pub(crate) async fn deliver(&self, alert: &Alert) -> Result<(), Undelivered> {
        let body = match self.is_slack {
            true => json!({"text": escaped(&alert.text())}),
            false => alert.fields(),
        };
        let mut request = self.http.post(self.url.clone()).json(&body);
        if let Ok(id) = HeaderValue::from_str(&alert.id) {
            request = request.header("idempotency-key", id);
        }
        let response = request.send().await;
        let response = response.map_err(|error| Undelivered::Unavailable {
            reason: reason(&error),
            retry_after: None,
        })?;
        judge(response.status(), response.headers())
    }
}

/// The result of a response.
fn judge(status: StatusCode, headers: &HeaderMap) -> Result<(), Undelivered> {
    let reason = format!("HTTP status {status}");
    let may_pass = status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    match status.is_success() {
        true => Ok(()),
        false if may_pass => Err(Undelivered::Unavailable {
            reason,
            retry_after: retry_after(headers),
        }),
        false => Err(Undelivered::Refused { reason }),
    }
}

/// How long the receiver wants the next request to wait: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = DateTime::parse_from_rfc2822(text).ok()?;
            (date.to_utc() - Utc::now()).to_std().unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// The first cause, which does not name the URL.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no response in {} s", TIMEOUT.as_secs());
    }
    let mut cause: Option<&dyn StdError> = error.source();
    while let Some(next) = cause.and_then(StdError::source) {
        cause = Some(next);
    }
    match cause {
        Some(cause) => cause.to_string().replace('\n', " "),
        None => "the request cannot be sent".into(),
    }
}

/// The text with the characters of Slack's markup escaped.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_url_is_refused_and_not_named() {
        for url in ["", "secret", "ftp://a/secret", "mailto:secret", "https://"] {
            let failure = Webhook::new(url, false).map(|_| ()).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(!failure.message.contains("secret"), "{}", failure.message);
        }
        let host = |url| Webhook::new(url, false).map(|webhook| webhook.host);
        assert_eq!(host("https://a.b/secret").unwrap(), "a.b");
        assert_eq!(host("http://x:y@a.b:81/secret").unwrap(), "a.b:81");
    }

    #[test]
    fn a_receiver_can_ask_to_wait() {
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("70000"), Some(MAX_RETRY_AFTER));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let later = (Utc::now() + chrono::TimeDelta::minutes(2)).to_rfc2822();
        assert!(wait(&later).unwrap() > Duration::from_secs(100), "{later}");
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn slack_sees_no_markup() {
        assert_eq!(escaped("<!channel> & co"), "&lt;!channel&gt; &amp; co");
    }
}
