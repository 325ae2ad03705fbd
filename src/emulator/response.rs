//! Responses: pages, errors and faults.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, LOCATION, RETRY_AFTER, VARY,
};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::body::{BodyEnding, ResponseBody};
use super::content_encoding::ContentEncoding;
use super::faults::Fault;
use super::indent::indented;
use super::listing::{ListQuery, Listing};
use super::settings::Settings;

/// How many requests are let through in a second.
const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");

/// The fields of a page that its headers repeat.
const PAGINATION: [HeaderName; 4] = [
    HeaderName::from_static("x-apify-pagination-offset"),
    HeaderName::from_static("x-apify-pagination-limit"),
    HeaderName::from_static("x-apify-pagination-count"),
    HeaderName::from_static("x-apify-pagination-total"),
];

/// A response before it is sent.
#[derive(Clone)]
pub(super) struct ResponseDraft {
    status: u16,
    content_type: &'static str,
    /// How the body is compressed.
    encoding: Option<ContentEncoding>,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
    /// Whether the body is JSON of the emulator's own, which is indented by default.
    is_own_json: bool,
    ending: BodyEnding,
}

impl ResponseDraft {
    pub(super) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: "application/json; charset=utf-8",
            encoding: None,
            headers: Vec::new(),
            body: body.into(),
            is_own_json: false,
            ending: BodyEnding::Complete,
        }
    }

    /// The emulator's own JSON.
    pub(super) fn json(status: u16, compact: String) -> Self {
        Self {
            is_own_json: true,
            ..Self::new(status, compact)
        }
    }

    /// A page, with another `total` if one is given.
    pub(super) fn page(query: &ListQuery, listing: &Listing, total: Option<u64>) -> Self {
        let total = total.unwrap_or(listing.total);
        let (offset, limit, count) = (query.offset, query.sent_limit, listing.count);
        let body = format!(
            r#"{{"data":{{"total":{total},"offset":{offset},"limit":{limit},"desc":{},"count":{count},"items":[{}]}}}}"#,
            query.descending, listing.items,
        );
        let values = [offset, limit, count, total].map(|value| value.to_string());
        Self {
            headers: PAGINATION.into_iter().zip(values).collect(),
            ..Self::json(200, body)
        }
    }

    pub(super) fn error(status: u16, api_type: &str, message: &str) -> Self {
        let (api_type, message) = (Value::from(api_type), Value::from(message));
        let error = format!(r#"{{"error":{{"type":{api_type},"message":{message}}}}}"#);
        Self::json(status, error)
    }

    pub(super) fn no_actor() -> Self {
        Self::error(404, "record-not-found", "Actor was not found")
    }

    /// The error object that Apify sends with a status.
    pub(super) fn standard_error(status: u16) -> Self {
        let (api_type, message) = match status {
            400 => ("invalid-value", "A parameter has a value that is not valid"),
            401 => ("user-or-token-not-found", "User was not found"),
            403 => ("insufficient-permissions", "Insufficient permissions"),
            404 => ("record-not-found", "Record was not found"),
            408 => ("request-timeout", "The request took too long"),
            429 => ("rate-limit-exceeded", "You have exceeded the rate limit"),
            503 => ("query-timeout", "The query took too long"),
            _ => ("internal-server-error", "Something went wrong on our side"),
        };
        Self::error(status, api_type, message)
    }

    /// The response of a fault that has one of its own.
    pub(super) fn fault(fault: Fault) -> Self {
        match fault {
            Fault::Status {
                status,
                retry_after,
            } => Self {
                headers: retry_after
                    .map(|value| (RETRY_AFTER, value))
                    .into_iter()
                    .collect(),
                ..Self::standard_error(status)
            },
            Fault::Html { status } => Self {
                content_type: "text/html",
                ..Self::new(status, "<html><body><h1>Bad Gateway</h1></body></html>")
            },
            Fault::BrokenJson => Self::new(200, r#"{"data":{"total":1,"items":[{"id":"#),
            Fault::ErrorInOk => {
                Self::error(200, "operation-canceled", "The operation was canceled")
            }
            Fault::Redirect(to) => Self {
                headers: vec![(LOCATION, to)],
                ..Self::new(302, "")
            },
            Fault::Response { status, body } => Self::new(status, body),
            Fault::Empty
            | Fault::Hang
            | Fault::Reset
            | Fault::Stall
            | Fault::Total(_)
            | Fault::Truncate => Self::new(200, ""),
        }
    }

    /// With its body as it is sent: indented if it is the emulator's own JSON, and compressed.
    pub(super) fn finished(self, settings: &Settings, encoding: Option<ContentEncoding>) -> Self {
        self.indented(settings.is_compact).encoded(encoding)
    }

    fn indented(mut self, is_compact: bool) -> Self {
        if self.is_own_json
            && !is_compact
            && let Ok(json) = str::from_utf8(&self.body)
        {
            self.body = indented(json).into();
        }
        self
    }

    /// With its body compressed, if it has one.
    fn encoded(mut self, encoding: Option<ContentEncoding>) -> Self {
        let Some(encoding) = encoding.filter(|_| !self.body.is_empty()) else {
            return self;
        };
        // What cannot be compressed is sent as it is.
        if let Ok(body) = encoding.encode(&self.body) {
            self.body = body.into();
            self.encoding = Some(encoding);
        }
        self
    }

    /// With half of its body, and this ending.
    pub(super) fn truncated(mut self, ending: BodyEnding) -> Self {
        self.headers
            .push((CONTENT_LENGTH, self.body.len().to_string()));
        self.body.truncate(self.body.len() / 2);
        self.ending = ending;
        self
    }

    /// The response, which drops `guard` when it has ended.
    pub(super) fn into_response<G>(
        self,
        settings: &Settings,
        now: DateTime<Utc>,
        guard: G,
    ) -> Response<ResponseBody<G>> {
        let mut response = Response::new(ResponseBody::new(self.body, self.ending, guard));
        // A status below 200 announces a response.
        let status = StatusCode::from_u16(self.status).ok();
        let status = status.filter(|status| !status.is_informational());
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut set = |name, value: &str| {
            if let Ok(value) = value.parse() {
                response.headers_mut().insert(name, value);
            }
        };
        set(CONTENT_TYPE, self.content_type);
        if let Some(encoding) = self.encoding {
            set(CONTENT_ENCODING, encoding.name());
        }
        if settings.compresses {
            set(VARY, "Accept-Encoding");
        }
        set(DATE, &http_date(now));
        if let Some(limit) = settings.sent_rate_limit() {
            set(RATE_LIMIT, &limit.to_string());
        }
        for (name, value) in self.headers {
            set(name, &value);
        }
        response
    }
}

/// A time as HTTP headers have it. A time that they cannot have becomes the nearest that they can.
fn http_date(time: DateTime<Utc>) -> String {
    const LAST_SECOND_OF_9999: u64 = 253_402_300_799;
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    let since_epoch = Duration::from_secs(seconds.min(LAST_SECOND_OF_9999));
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_form_of_http() {
        let time = crate::timestamp::parse("1994-11-06T08:49:37.999Z").unwrap();
        assert_eq!(http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
        let first = "Thu, 01 Jan 1970 00:00:00 GMT";
        assert_eq!(http_date(DateTime::<Utc>::MIN_UTC), first);
        let last = "Fri, 31 Dec 9999 23:59:59 GMT";
        assert_eq!(http_date(DateTime::<Utc>::MAX_UTC), last);
    }
}
