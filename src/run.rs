//! One run, as the list shows it.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use compact_str::CompactString;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::query::MAX_PAGE_SIZE;
use crate::timestamp::{self, TimeInto};

/// One run of an Actor, as a row of the list.
///
/// Every field of the [API reference](https://docs.apify.com/api/v2/act-runs-get). Only
/// [`id`](Self::id) is certain to be there; what the service leaves out or sends as `null`
/// is `None`. Fields that the service adds later are ignored. Serializes back to the API's
/// own JSON names, without the fields that are `None`.
///
/// A row of a run that is not [finished](Self::is_finished) is a snapshot: its status,
/// `finished_at` and `usage_total_usd` will change.
///
/// # Example: read one row
///
/// ```
/// use apify_runs::{RunStatus, RunSummary};
///
/// let run: RunSummary = serde_json::from_str(
///     r#"{"id": "HG7ML7M8z78YcAPEB", "status": "SUCCEEDED",
///         "startedAt": "2019-11-30T07:34:24.202Z", "finishedAt": "2019-11-30T07:35:24.202Z"}"#,
/// )?;
/// assert_eq!(run.id, "HG7ML7M8z78YcAPEB");
/// assert_eq!(run.status, RunStatus::Succeeded);
/// assert_eq!(run.duration().map(|d| d.as_secs()), Some(60));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RunSummary {
    /// The run's ID: 17 letters and digits.
    pub id: Id,
    /// The Actor that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act_id: Option<Id>,
    /// Who started the run. Often absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Id>,
    /// The task the run was started from, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_task_id: Option<Id>,
    /// Where the run is in its life. An empty [`RunStatus::Other`] if the row has none.
    #[serde(skip_serializing_if = "RunStatus::is_empty")]
    pub status: RunStatus,
    /// When the run started. Sorts the list. May be absent for a moment on a new run.
    #[serde(
        serialize_with = "timestamp::optional::serialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub started_at: Option<DateTime<Utc>>,
    /// When the run finished. `None` while it runs.
    #[serde(
        serialize_with = "timestamp::optional::serialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub finished_at: Option<DateTime<Utc>>,
    /// The build that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_id: Option<Id>,
    /// The build's number as text, such as `0.0.377`. Of any shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_number: Option<Id>,
    /// The build's number as one integer, if the service gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_number_int: Option<i64>,
    /// How the run was started. Empty if the row has none.
    #[serde(skip_serializing_if = "RunMeta::is_empty")]
    pub meta: RunMeta,
    /// What the run cost, in US dollars, at the prices of the moment of the request.
    ///
    /// Absent for runs of other people's pay-per-event Actors. Settles about ten seconds
    /// after the run has finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_total_usd: Option<f64>,
    /// The run's default key-value store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_key_value_store_id: Option<Id>,
    /// The run's default dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_dataset_id: Option<Id>,
    /// The run's default request queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_request_queue_id: Option<Id>,
}

impl RunSummary {
    /// Whether the run has reached its end: by its status, or, if the status is unknown to
    /// this crate, by having a [`finished_at`](Self::finished_at).
    pub fn is_finished(&self) -> bool {
        match &self.status {
            RunStatus::Other(_) => self.finished_at.is_some(),
            status => status.is_finished(),
        }
    }

    /// From start to finish. `None` while the run goes on, or if the times contradict
    /// each other.
    pub fn duration(&self) -> Option<Duration> {
        (self.finished_at? - self.started_at?).to_std().ok()
    }
}

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
    fn blank() -> Self {
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

/// The rows of a page, each built where it stays.
pub(crate) struct Rows(pub(crate) Vec<RunSummary>);

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RowsVisitor)
    }
}

struct RowsVisitor;

impl<'de> Visitor<'de> for RowsVisitor {
    type Value = Rows;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of runs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Rows, A::Error> {
        // Room for a full page at once: rows that move while the list grows cost more than
        // memory that is never touched.
        let mut rows = Vec::with_capacity(MAX_PAGE_SIZE as usize);
        while items.next_element_seed(NextRow(&mut rows))?.is_some() {}
        if rows.len() < rows.capacity() / 2 {
            rows.shrink_to_fit();
        }
        Ok(Rows(rows))
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

/// Reads a string, or `null` as `None`, to where it stays: what is returned is copied twice.
struct TextInto<'a, T>(&'a mut Option<T>);

impl<'de, T: for<'a> From<&'a str>> DeserializeSeed<'de> for TextInto<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<T: for<'a> From<&'a str>> Visitor<'_> for TextInto<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or null")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        *self.0 = Some(T::from(text));
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        *self.0 = None;
        Ok(())
    }
}

/// A short opaque string that identifies something: a run, an Actor, a dataset, a build.
///
/// Up to 24 bytes (12 on 32-bit machines) are kept inline, so an ID of Apify's 17 characters
/// costs no allocation. It reads as a `&str`.
///
/// ```
/// use apify_runs::Id;
///
/// let id = Id::from("HG7ML7M8z78YcAPEB");
/// assert_eq!(id, "HG7ML7M8z78YcAPEB");
/// assert!(id.starts_with("HG7"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(CompactString);

impl Id {
    /// The text of the ID.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Deref for Id {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Id {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Id {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0.into_string()
    }
}

impl PartialEq<str> for Id {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Id {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromStrVisitor::new("a string"))
    }
}

/// Builds any `T: From<&str>` from a JSON string without an allocation on the way.
struct FromStrVisitor<T> {
    expected: &'static str,
    target: PhantomData<T>,
}

impl<T> FromStrVisitor<T> {
    fn new(expected: &'static str) -> Self {
        Self {
            expected,
            target: PhantomData,
        }
    }
}

impl<T: for<'a> From<&'a str>> Visitor<'_> for FromStrVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok(T::from(text))
    }
}

/// An enum of the values known today that keeps any other value as it came.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $name:ident, $expected:literal,
        { $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
            /// A value this crate does not know, as the service spelled it.
            Other(Id),
        }

        impl $name {
            /// The value in the API's own spelling.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )+
                    other => Self::Other(other.into()),
                }
            }
        }

        impl FromStr for $name {
            type Err = std::convert::Infallible;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.as_str(), f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(FromStrVisitor::new($expected))
            }
        }
    };
}

open_enum! {
    /// Where a run is in its life
    /// ([lifecycle](https://docs.apify.com/platform/actors/running/runs-and-builds#lifecycle)).
    ///
    /// Reads and writes in the API's spelling. A status this crate does not know is kept in
    /// [`Other`](Self::Other), never refused.
    ///
    /// ```
    /// use apify_runs::RunStatus;
    ///
    /// assert_eq!(RunStatus::from("TIMED-OUT"), RunStatus::TimedOut);
    /// assert_eq!(RunStatus::from("PAUSED").to_string(), "PAUSED");
    /// ```
    RunStatus, "a run status",
    {
        /// `READY`: waits to be started.
        Ready = "READY",
        /// `RUNNING`: at work.
        Running = "RUNNING",
        /// `SUCCEEDED`: finished well.
        Succeeded = "SUCCEEDED",
        /// `FAILED`: finished with an error.
        Failed = "FAILED",
        /// `TIMING-OUT`: is being stopped because its time is up.
        TimingOut = "TIMING-OUT",
        /// `TIMED-OUT`: was stopped because its time was up.
        TimedOut = "TIMED-OUT",
        /// `ABORTING`: is being stopped by a user or the system.
        Aborting = "ABORTING",
        /// `ABORTED`: was stopped by a user or the system.
        Aborted = "ABORTED",
    }
}

impl RunStatus {
    /// Whether a run with this status has reached its end. `false` for
    /// [`Other`](Self::Other), of which nothing is known.
    pub fn is_finished(&self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::TimedOut | Self::Aborted
        )
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Other(text) if text.is_empty())
    }
}

impl Default for RunStatus {
    /// No status at all: an empty [`Other`](Self::Other).
    fn default() -> Self {
        Self::Other(Id::default())
    }
}

open_enum! {
    /// What started a run (`meta.origin`). The service keeps adding values: one that this
    /// crate does not know is kept in [`Other`](Self::Other), never refused.
    RunOrigin, "the origin of a run",
    {
        /// `DEVELOPMENT`: the Actor's own page in the Console.
        Development = "DEVELOPMENT",
        /// `WEB`: the Console.
        Web = "WEB",
        /// `API`: a call of the API.
        Api = "API",
        /// `SCHEDULER`: a schedule.
        Scheduler = "SCHEDULER",
        /// `TEST`: the service's own test of an Actor.
        Test = "TEST",
        /// `WEBHOOK`: a webhook.
        Webhook = "WEBHOOK",
        /// `ACTOR`: another Actor.
        Actor = "ACTOR",
        /// `CLI`: the command line.
        Cli = "CLI",
        /// `STANDBY`: a request to an Actor in standby mode.
        Standby = "STANDBY",
    }
}

/// How a run was started: the row's `meta`.
///
/// Most rows have an origin and nothing else, so the rest is kept aside, behind methods.
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
struct MetaDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ip: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_id: Option<Id>,
    #[serde(
        serialize_with = "timestamp::optional::serialize",
        skip_serializing_if = "Option::is_none"
    )]
    scheduled_at: Option<DateTime<Utc>>,
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
struct MetaInto<'a>(&'a mut RunMeta);

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
        if details != MetaDetails::default() {
            self.0.details = Some(Box::new(details));
        }
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

    fn is_empty(&self) -> bool {
        self.origin.is_none() && self.details.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_row_stays_small() {
        // A page holds a thousand rows and each is moved several times: a field that makes
        // the row larger is a decision, not an accident.
        assert_eq!(size_of::<Id>(), 24);
        assert_eq!(size_of::<RunStatus>(), 24);
        assert!(
            size_of::<RunSummary>() <= 328,
            "{}",
            size_of::<RunSummary>()
        );
        assert_eq!(size_of::<Option<RunSummary>>(), size_of::<RunSummary>());
    }

    #[test]
    fn known_values_go_both_ways_and_unknown_ones_stay() {
        for text in [
            "READY",
            "RUNNING",
            "SUCCEEDED",
            "FAILED",
            "TIMING-OUT",
            "TIMED-OUT",
            "ABORTING",
            "ABORTED",
        ] {
            let status = RunStatus::from(text);
            assert!(!matches!(status, RunStatus::Other(_)), "{text}");
            assert_eq!(status.as_str(), text);
        }
        for text in [
            "DEVELOPMENT",
            "WEB",
            "API",
            "SCHEDULER",
            "TEST",
            "WEBHOOK",
            "ACTOR",
            "CLI",
            "STANDBY",
        ] {
            let origin = RunOrigin::from(text);
            assert!(!matches!(origin, RunOrigin::Other(_)), "{text}");
            assert_eq!(origin.as_str(), text);
        }
        assert_eq!(RunOrigin::from("MCP"), RunOrigin::Other("MCP".into()));
        assert_eq!(RunStatus::from("ready").as_str(), "ready");
    }

    #[test]
    fn an_unknown_status_is_finished_once_it_has_an_end() {
        let run = |json: &str| serde_json::from_str::<RunSummary>(json).unwrap();
        assert!(!run(r#"{"id":"a","status":"MIGRATED"}"#).is_finished());
        assert!(
            run(r#"{"id":"a","status":"MIGRATED","finishedAt":"2025-01-01T00:00:00.000Z"}"#)
                .is_finished()
        );
        assert!(run(r#"{"id":"a","status":"FAILED"}"#).is_finished());
        assert!(!run(r#"{"id":"a","status":"ABORTING"}"#).is_finished());
    }
}
