//! The stored form of a query and of a source: in cursors, checkpoints and splits.

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{RunQuery, RunSource, Scope};
use crate::limits::MAX_PAGE_SIZE;
use crate::run::RunStatus;
use crate::timestamp;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredQuery {
    scope: Scope,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    statuses: Vec<RunStatus>,
    #[serde(
        default,
        with = "timestamp::optional",
        skip_serializing_if = "Option::is_none"
    )]
    started_after: Option<DateTime<Utc>>,
    #[serde(
        default,
        with = "timestamp::optional",
        skip_serializing_if = "Option::is_none"
    )]
    started_before: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    excludes_end: bool,
    #[serde(default)]
    descending: bool,
    #[serde(default)]
    offset: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(default = "default_page_size")]
    page_size: u32,
    /// Of a split only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    undated_first: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    from_split: bool,
    /// Of a split that an earlier version has stored: its part of a request rate.
    #[serde(default, skip_serializing)]
    share: Option<IgnoredAny>,
}

fn default_page_size() -> u32 {
    MAX_PAGE_SIZE
}

impl From<RunSource> for StoredQuery {
    fn from(source: RunSource) -> Self {
        let RunSource {
            query,
            undated_first,
            from_split,
        } = source;
        Self {
            scope: query.scope,
            statuses: query.statuses,
            started_after: query.started_after,
            started_before: query.started_before,
            excludes_end: query.excludes_end,
            descending: query.descending,
            offset: query.offset,
            limit: query.limit,
            page_size: query.page_size,
            undated_first,
            from_split,
            share: None,
        }
    }
}

impl From<StoredQuery> for RunSource {
    fn from(stored: StoredQuery) -> Self {
        Self {
            query: RunQuery {
                scope: stored.scope,
                statuses: stored.statuses,
                started_after: stored.started_after,
                started_before: stored.started_before,
                excludes_end: stored.excludes_end,
                descending: stored.descending,
                offset: stored.offset,
                limit: stored.limit,
                page_size: stored.page_size,
            },
            undated_first: stored.undated_first,
            from_split: stored.from_split || stored.share.is_some(),
        }
    }
}

impl Serialize for RunSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        StoredQuery::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RunSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StoredQuery::deserialize(deserializer).map(Self::from)
    }
}

impl From<RunQuery> for StoredQuery {
    fn from(query: RunQuery) -> Self {
        RunSource::from(query).into()
    }
}

impl TryFrom<StoredQuery> for RunQuery {
    type Error = &'static str;

    fn try_from(stored: StoredQuery) -> Result<Self, Self::Error> {
        let source = RunSource::from(stored);
        match source.is_split() {
            true => Err("it is a split and not a query"),
            false => Ok(source.query),
        }
    }
}
