//! How a run was started.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};

use super::fields::{Field, field_type, fields};
use super::id::Id;
use super::status::RunOrigin;
use super::text::FromStrVisitor;
use super::value::FieldValue;

/// What the accessor of a field returns, and how it gets it, by the kind of the field.
macro_rules! accessor {
    ($(#[$doc:meta])* $name:ident Text) => {
        $(#[$doc])*
        pub fn $name(&self) -> Option<&str> {
            self.details()?.$name.as_deref()
        }
    };
    ($(#[$doc:meta])* $name:ident Time) => {
        accessor!($(#[$doc])* $name => DateTime<Utc>);
    };
    ($(#[$doc:meta])* $name:ident Integer) => {
        accessor!($(#[$doc])* $name => i64);
    };
    ($(#[$doc:meta])* $name:ident Number) => {
        accessor!($(#[$doc])* $name => f64);
    };
    ($(#[$doc:meta])* $name:ident => $type:ty) => {
        $(#[$doc])*
        pub fn $name(&self) -> Option<$type> {
            self.details()?.$name
        }
    };
}

macro_rules! run_meta {
    (
        row $_row:tt
        meta { $($(#[$doc:meta])* $field:ident $name:ident $json:literal $kind:ident,)+ }
        details {
            $($(#[$detail_doc:meta])* $detail:ident $detail_name:ident $detail_json:literal
                $detail_kind:ident,)+
        }
    ) => {
        /// How a run was started: the row's `meta`.
        ///
        /// Most rows have an origin and nothing else. The rest is behind methods, so that it takes
        /// memory only where it is.
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
        #[derive(Debug, Clone, Default, PartialEq)]
        #[non_exhaustive]
        pub struct RunMeta {
            $($(#[$doc])* pub $name: field_type!($kind),)+
            details: Option<Box<MetaDetails>>,
        }

        /// The fields of `meta` that few rows have.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub(crate) struct MetaDetails {
            $(pub(crate) $detail_name: field_type!($detail_kind),)+
        }

        impl RunMeta {
            $(accessor!($(#[$detail_doc])* $detail_name $detail_kind);)+

            fn is_empty(&self) -> bool {
                self.details.is_none() $(&& self.$name.present().is_none())+
            }

            fn fill<'de, A: MapAccess<'de>>(&mut self, mut object: A) -> Result<(), A::Error> {
                let mut details = MetaDetails::default();
                while let Some(MetaField(field)) = object.next_key()? {
                    match field {
                        $(Some(Field::$field) => self.$name.read(&mut object)?,)+
                        $(Some(Field::$detail) => details.$detail_name.read(&mut object)?,)+
                        _ => {
                            object.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                if details != MetaDetails::default() {
                    self.details = Some(Box::new(details));
                }
                Ok(())
            }
        }

        impl Serialize for RunMeta {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut length = 0 $(+ usize::from(self.$name.present().is_some()))+;
                if let Some(details) = self.details() {
                    length += 0 $(+ usize::from(details.$detail_name.present().is_some()))+;
                }
                let mut object = serializer.serialize_struct("RunMeta", length)?;
                $(self.$name.write($json, &mut object)?;)+
                if let Some(details) = self.details() {
                    $(details.$detail_name.write($detail_json, &mut object)?;)+
                }
                object.end()
            }
        }
    };
}

fields!(run_meta);

impl RunMeta {
    pub(crate) fn details(&self) -> Option<&MetaDetails> {
        self.details.as_deref()
    }

    /// The fields that few rows have, to be filled: one of them has to get a value.
    #[cold]
    pub(crate) fn details_mut(&mut self) -> &mut MetaDetails {
        self.details.get_or_insert_default()
    }
}

/// The name of a field of `meta`.
struct MetaField(Option<Field>);

impl From<&str> for MetaField {
    fn from(name: &str) -> Self {
        Self(Field::of_meta(name))
    }
}

impl<'de> Deserialize<'de> for MetaField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(FromStrVisitor::new("the name of a field"))
    }
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

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        self.0.fill(object)
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

impl FieldValue for RunMeta {
    fn read<'de, A: MapAccess<'de>>(&mut self, object: &mut A) -> Result<(), A::Error> {
        object.next_value_seed(MetaInto(self))
    }

    fn present(&self) -> Option<impl Serialize> {
        (!self.is_empty()).then_some(self)
    }
}
