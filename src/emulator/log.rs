//! The requests that were received.

use std::collections::HashMap;
use std::time::Duration;

use super::rate::LastSecond;

/// One request as the emulator received it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestRecord {
    /// The path as it was sent, percent-encoded.
    pub path: String,
    /// The parameters, decoded, in the order they were sent.
    pub query: Vec<(String, String)>,
    /// Whether there was an `Authorization` header, whatever was in it.
    pub has_token: bool,
    /// The `User-Agent` header, if there was one.
    pub user_agent: Option<String>,
    /// The `Accept-Encoding` header, if there was one.
    pub accept_encoding: Option<String>,
    /// When the request arrived, counted from the emulator's start, on tokio's clock.
    pub at: Duration,
}

impl RequestRecord {
    /// The value of a query parameter, if it was sent.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pair = self.query.iter().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
pub(super) struct RequestLog {
    pub(super) requests: Vec<RequestRecord>,
    /// How many requests were received, also those that were taken out of the list since.
    pub(super) received: u64,
    pub(super) in_flight: usize,
    /// What was let through of late, by path.
    pub(super) last_seconds: HashMap<String, LastSecond>,
    pub(super) refused: u64,
    /// Whether the task of a connection has panicked.
    pub(super) has_panicked: bool,
}
