//! How a run was started.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::text::TextInto;
use super::{Id, RunOrigin};
use crate::timestamp::{self, TimeInto};

/// How a run was started: the row's `meta`.
///
/// Most rows have an origin and nothing else, so the rest is kept aside, behind methods.
///
/// ```
/// use apify_runs::{RunMeta, RunOrigin};
///
/// let meta: RunMeta = serde_json::from_str(
///     r#"{"origin": "SCHEDULER", "scheduleId": "aHMzN2RhZ", "scheduledAt": "2025-01-01T06:00:00Z"}"#,
/// )?;
/// assert_eq!(meta.origin, Some(RunOrigin::Scheduler));
/// assert_eq!(meta.schedule_id(), Some("aHMzN2RhZ"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunMeta {
    /// What started the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<RunOrigin>,
    #[serde(flatten)]
    details: Option<Box<MetaDetails>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetaDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_ip: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schedule_id: Option<Id>,
    #[serde(
        serialize_with = "timestamp::optional::serialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) scheduled_at: Option<DateTime<Utc>>,
}

/// The names of the fields of `meta`.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum MetaField {
    Origin,
    ClientIp,
    UserAgent,
    ScheduleId,
    ScheduledAt,
    #[serde(other)]
    Unknown,
}

/// Reads `meta`, or `null` as an empty one, to where it stays.
pub(super) struct MetaInto<'a>(pub(super) &'a mut RunMeta);

impl<'de> DeserializeSeed<'de> for MetaInto<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MetaInto<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("how a run was started, or null")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut details = MetaDetails::default();
        while let Some(field) = fields.next_key()? {
            match field {
                MetaField::Origin => fields.next_value_seed(TextInto(&mut self.0.origin))?,
                MetaField::ClientIp => fields.next_value_seed(TextInto(&mut details.client_ip))?,
                MetaField::UserAgent => {
                    fields.next_value_seed(TextInto(&mut details.user_agent))?
                }
                MetaField::ScheduleId => {
                    fields.next_value_seed(TextInto(&mut details.schedule_id))?;
                }
                MetaField::ScheduledAt => {
                    fields.next_value_seed(TimeInto(&mut details.scheduled_at))?;
                }
                MetaField::Unknown => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.0.set_details(details);
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }
}

impl<'de> Deserialize<'de> for RunMeta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut meta = Self::default();
        MetaInto(&mut meta).deserialize(deserializer)?;
        Ok(meta)
    }
}

impl RunMeta {
    /// The address the run was started from, if the service tells.
    pub fn client_ip(&self) -> Option<&str> {
        self.details.as_ref()?.client_ip.as_deref()
    }

    /// The program the run was started with, if the service tells.
    pub fn user_agent(&self) -> Option<&str> {
        self.details.as_ref()?.user_agent.as_deref()
    }

    /// The schedule that started the run, if one did.
    pub fn schedule_id(&self) -> Option<&str> {
        self.details.as_ref()?.schedule_id.as_deref()
    }

    /// The time the run was scheduled for, if it was.
    pub fn scheduled_at(&self) -> Option<DateTime<Utc>> {
        self.details.as_ref()?.scheduled_at
    }

    /// The rest of `meta`, to be filled: it has to get a value.
    #[cold]
    pub(crate) fn details_mut(&mut self) -> &mut MetaDetails {
        self.details.get_or_insert_default()
    }

    /// Keeps the rest of `meta`, if there is any.
    fn set_details(&mut self, details: MetaDetails) {
        if details != MetaDetails::default() {
            self.details = Some(Box::new(details));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.origin.is_none() && self.details.is_none()
    }
}
