//! RowsInto from JSON, each built where it stays.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::meta::MetaInto;
use super::text::TextInto;
use super::{Id, RunMeta, RunStatus, RunSummary};
use crate::limits::MAX_PAGE_SIZE;
use crate::timestamp::TimeInto;

/// The names of a row's fields.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Field {
    Id,
    ActId,
    UserId,
    ActorTaskId,
    Status,
    StartedAt,
    FinishedAt,
    BuildId,
    BuildNumber,
    BuildNumberInt,
    Meta,
    UsageTotalUsd,
    DefaultKeyValueStoreId,
    DefaultDatasetId,
    DefaultRequestQueueId,
    #[serde(other)]
    Unknown,
}

impl RunSummary {
    /// A row before its fields are read.
    pub(crate) fn blank() -> Self {
        Self {
            id: Id::default(),
            act_id: None,
            user_id: None,
            actor_task_id: None,
            status: RunStatus::default(),
            started_at: None,
            finished_at: None,
            build_id: None,
            build_number: None,
            build_number_int: None,
            meta: RunMeta::default(),
            usage_total_usd: None,
            default_key_value_store_id: None,
            default_dataset_id: None,
            default_request_queue_id: None,
        }
    }

    /// Reads the fields into a blank row, in place: a row is large, and a page has a
    /// thousand of them.
    fn fill<'de, A: MapAccess<'de>>(&mut self, mut fields: A) -> Result<(), A::Error> {
        let mut has_id = false;
        while let Some(field) = fields.next_key()? {
            match field {
                Field::Id => {
                    self.id = fields.next_value()?;
                    has_id = true;
                }
                Field::ActId => fields.next_value_seed(TextInto(&mut self.act_id))?,
                Field::UserId => fields.next_value_seed(TextInto(&mut self.user_id))?,
                Field::ActorTaskId => fields.next_value_seed(TextInto(&mut self.actor_task_id))?,
                Field::Status => {
                    let mut status = None;
                    fields.next_value_seed(TextInto(&mut status))?;
                    self.status = status.unwrap_or_default();
                }
                Field::StartedAt => fields.next_value_seed(TimeInto(&mut self.started_at))?,
                Field::FinishedAt => fields.next_value_seed(TimeInto(&mut self.finished_at))?,
                Field::BuildId => fields.next_value_seed(TextInto(&mut self.build_id))?,
                Field::BuildNumber => fields.next_value_seed(TextInto(&mut self.build_number))?,
                Field::BuildNumberInt => self.build_number_int = fields.next_value()?,
                Field::Meta => fields.next_value_seed(MetaInto(&mut self.meta))?,
                Field::UsageTotalUsd => self.usage_total_usd = fields.next_value()?,
                Field::DefaultKeyValueStoreId => {
                    fields.next_value_seed(TextInto(&mut self.default_key_value_store_id))?;
                }
                Field::DefaultDatasetId => {
                    fields.next_value_seed(TextInto(&mut self.default_dataset_id))?;
                }
                Field::DefaultRequestQueueId => {
                    fields.next_value_seed(TextInto(&mut self.default_request_queue_id))?;
                }
                Field::Unknown => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        if has_id {
            Ok(())
        } else {
            Err(de::Error::missing_field("id"))
        }
    }
}

impl<'de> Deserialize<'de> for RunSummary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut run = Self::blank();
        deserializer.deserialize_map(RowVisitor(&mut run))?;
        Ok(run)
    }
}

/// The most rows that a page may have: ten times as many as the service sends. A body holds
/// millions of tiny ones, which take a hundred times its memory.
pub(crate) const MAX_ROWS: usize = 10 * MAX_PAGE_SIZE as usize;

/// The rows of a page, each built where it stays.
pub(crate) struct RowsInto(pub(crate) Vec<RunSummary>);

impl RowsInto {
    /// Room for a full page at once: rows that move while the list grows cost more than memory
    /// that is never touched.
    pub(crate) fn with_room() -> Self {
        Self(Vec::with_capacity(MAX_PAGE_SIZE as usize))
    }
}

impl<'de> Deserialize<'de> for RowsInto {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RowsVisitor)
    }
}

struct RowsVisitor;

impl<'de> Visitor<'de> for RowsVisitor {
    type Value = RowsInto;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of runs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RowsInto, A::Error> {
        let mut rows = RowsInto::with_room();
        while items.next_element_seed(NextRow(&mut rows.0))?.is_some() {
            if rows.0.len() > MAX_ROWS {
                return Err(de::Error::invalid_length(rows.0.len(), &self));
            }
        }
        Ok(rows)
    }
}

/// Reads one more row into the list. After an error, the last row is not complete.
struct NextRow<'a>(&'a mut Vec<RunSummary>);

impl<'de> DeserializeSeed<'de> for NextRow<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.push(RunSummary::blank());
        let Some(row) = self.0.last_mut() else {
            return Ok(());
        };
        deserializer.deserialize_map(RowVisitor(row))
    }
}

struct RowVisitor<'a>(&'a mut RunSummary);

impl<'de> Visitor<'de> for RowVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a run")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<(), A::Error> {
        self.0.fill(fields)
    }
}
