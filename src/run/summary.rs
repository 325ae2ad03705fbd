//! One run, as the list shows it.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};

use super::fields::{Field, field_type, fields};
use super::id::Id;
use super::meta::RunMeta;
use super::status::RunStatus;
use super::text::FromStrVisitor;
use super::value::FieldValue;

macro_rules! run_summary {
    (
        row { $($(#[$doc:meta])* $field:ident $name:ident $json:literal $kind:ident,)+ }
        $($_meta:tt)*
    ) => {
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
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub struct RunSummary {
            $($(#[$doc])* pub $name: field_type!($kind),)+
        }

        impl RunSummary {
            /// The names of all fields in the API's JSON, with `meta.` before those of
            /// [`meta`](Self::meta).
            pub const FIELDS: &'static [&'static str] = Field::NAMES;

            /// A row before its fields are read.
            pub(crate) fn blank() -> Self {
                Self {
                    $($name: Default::default(),)+
                }
            }

            /// Reads the fields into a blank row, in place: a row is large, and a page has a
            /// thousand of them.
            fn fill<'de, A: MapAccess<'de>>(&mut self, mut object: A) -> Result<(), A::Error> {
                let mut has_id = false;
                while let Some(RowField(field)) = object.next_key()? {
                    match field {
                        $(Some(Field::$field) => self.$name.read(&mut object)?,)+
                        _ => {
                            object.next_value::<IgnoredAny>()?;
                        }
                    }
                    has_id |= field == Some(Field::Id);
                }
                if has_id {
                    Ok(())
                } else {
                    Err(de::Error::missing_field("id"))
                }
            }
        }

        impl Serialize for RunSummary {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let length = 0 $(+ usize::from(self.$name.present().is_some()))+;
                let mut object = serializer.serialize_struct("RunSummary", length)?;
                $(self.$name.write($json, &mut object)?;)+
                object.end()
            }
        }
    };
}

fields!(run_summary);

impl RunSummary {
    /// Whether the run has reached its end: by its status, or, if the status is unknown to
    /// this crate, by having a [`finished_at`](Self::finished_at).
    pub fn is_finished(&self) -> bool {
        match &self.status {
            RunStatus::Other(_) => self.finished_at.is_some(),
            status => status.is_finished(),
        }
    }

    /// From start to finish. `None` while it runs, or if the times contradict
    /// each other.
    pub fn duration(&self) -> Option<Duration> {
        (self.finished_at? - self.started_at?).to_std().ok()
    }
}

/// The name of a field of a row.
struct RowField(Option<Field>);

impl From<&str> for RowField {
    fn from(name: &str) -> Self {
        Self(Field::of_row(name))
    }
}

impl<'de> Deserialize<'de> for RowField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(FromStrVisitor::new("the name of a field"))
    }
}

/// Reads a row into a blank one.
pub(super) struct RowVisitor<'a>(pub(super) &'a mut RunSummary);

impl<'de> Visitor<'de> for RowVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a run")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        self.0.fill(object)
    }
}

impl<'de> Deserialize<'de> for RunSummary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut run = Self::blank();
        deserializer.deserialize_map(RowVisitor(&mut run))?;
        Ok(run)
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
