//! The pages that the public API returns.

use chrono::{DateTime, Utc};

use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::excerpt;
use crate::page::decode::{self, Unusable};
use crate::page::{Page, UnreadableRow};
use crate::run::RunSummary;
use crate::timestamp;
use crate::walk::PageRequest;

/// New rows of one page of a walk: [`RunPages`](crate::RunPages).
#[derive(Debug)]
#[non_exhaustive]
pub struct RunPage {
    /// How many rows the list has, by the service's count. After a walk has resumed from its
    /// watermark, it is the count from there on. `None` if the service does not return a whole
    /// number.
    pub total: Option<u64>,
    /// The index in that list of the first of `items`, from 0.
    pub offset: u64,
    /// The maximum number of rows that this page could have had.
    pub limit: u64,
    /// Whether the list is newest first.
    pub desc: bool,
    /// The runs of the page that the walk has not returned before.
    pub items: Vec<RunSummary>,
}

/// One page of the list, as one request returns it: [`Client::page`](crate::Client::page).
#[derive(Debug)]
#[non_exhaustive]
pub struct ListPage {
    /// How many rows the list has, by the service's count. `None` if the service does not return a
    /// whole number.
    pub total: Option<u64>,
    /// The index in that list of the first row of the page, from 0.
    pub offset: u64,
    /// The maximum number of rows that this page could have had.
    pub limit: u64,
    /// Whether the list is newest first.
    pub desc: bool,
    /// The runs of the page that could be read.
    pub items: Vec<RunSummary>,
    /// An error of kind [`Item`](ErrorKind::Item) for each row that could not be read.
    pub unreadable: Vec<Error>,
}

impl ListPage {
    /// Reads a page from the JSON of a response: from a file, a cache, or another HTTP client.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Api`] if the response is an error object, [`ErrorKind::Protocol`] if it has
    /// more than 10,000 rows, and [`ErrorKind::Decode`] if it is not a list of runs. Rows that
    /// cannot be read are in [`unreadable`](Self::unreadable).
    ///
    /// # Example: read a response from a file
    ///
    /// ```
    /// use apify_runs::ListPage;
    ///
    /// let body = br#"{"data": {"total": 1, "offset": 0, "limit": 1000, "desc": false,
    ///     "count": 1, "items": [{"id": "HG7ML7M8z78YcAPEB", "status": "READY"}]}}"#;
    /// let page = ListPage::from_json(body)?;
    /// assert_eq!(page.items[0].id, "HG7ML7M8z78YcAPEB");
    /// # Ok::<(), apify_runs::Error>(())
    /// ```
    pub fn from_json(body: &[u8]) -> Result<Self> {
        let redact = |text: &str| text.to_owned();
        match decode::page(body) {
            Ok(page) => {
                let (offset, rows) = (page.offset.unwrap_or(0), page.row_count() as u64);
                let request = PageRequest::rows(offset, rows);
                Ok(Self::new(page, request, false, &redact))
            }
            Err(Unusable::ApiError(error)) => {
                let text = excerpt(error.message.as_deref().unwrap_or("without a message"));
                let message = format!("the response is an error: {text}");
                Err(Error::new(ErrorKind::Api, message).with_api_type(error.api_type))
            }
            Err(Unusable::TooManyRows) => {
                Err(Error::new(ErrorKind::Protocol, decode::TOO_MANY_ROWS))
            }
            Err(Unusable::NotAList(reason)) => {
                let message = decode::not_a_list(&reason, body, &redact);
                Err(Error::new(ErrorKind::Decode, message))
            }
        }
    }

    /// Fields that the response does not have are taken from the request.
    pub(crate) fn new(
        page: Page,
        request: PageRequest,
        descending: bool,
        redact: &dyn Fn(&str) -> String,
    ) -> Self {
        let head = Head::new(&page, request, descending);
        let offset = page.offset.unwrap_or(request.offset());
        let unreadable = page.unreadable.iter();
        Self {
            total: head.total,
            offset,
            limit: head.limit,
            desc: head.desc,
            unreadable: unreadable
                .map(|row| unreadable_row(row, offset, request.anchor(), redact))
                .collect(),
            items: page.rows,
        }
    }
}

/// The error in the place of a row that cannot be read.
pub(super) fn unreadable_row(
    row: &UnreadableRow,
    page_offset: u64,
    anchor: Option<DateTime<Utc>>,
    redact: &dyn Fn(&str) -> String,
) -> Error {
    let shown = |text: &str| excerpt(&redact(text));
    let id = row
        .id
        .as_deref()
        .map_or("without a readable id".into(), shown);
    let position = page_offset.saturating_add(row.index as u64);
    let list = match anchor {
        None => "the list".into(),
        Some(anchor) => format!("the list from {} on", timestamp::to_query(anchor)),
    };
    let reason = shown(&row.reason);
    let message = format!("run {id} at offset {position} of {list} cannot be read: {reason}");
    Error::new(ErrorKind::Item, message).with_row(redact(&row.text))
}

/// What a response says about the list. Fields that it does not have are taken from the request,
/// except the total.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) total: Option<u64>,
    pub(super) limit: u64,
    pub(super) desc: bool,
}

impl Head {
    pub(super) fn new(page: &Page, request: PageRequest, descending: bool) -> Self {
        Self {
            total: page.total,
            limit: page.limit.unwrap_or(request.limit()),
            desc: page.desc.unwrap_or(descending),
        }
    }
}
