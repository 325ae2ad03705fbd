//! The values of fields in JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::MapAccess;
use serde::ser::{SerializeStruct, Serializer};

use super::id::Id;
use super::status::{RunOrigin, RunStatus};
use super::text::TextInto;
use crate::timestamp::{self, TimeInto};

/// A value of a field.
pub(super) trait FieldValue {
    /// Reads the next value of an object to where it stays.
    fn read<'de, A: MapAccess<'de>>(&mut self, object: &mut A) -> Result<(), A::Error>;

    /// What is written. `None` if the field is left out.
    fn present(&self) -> Option<impl Serialize>;

    /// Writes the field, unless it is left out.
    fn write<S: SerializeStruct>(
        &self,
        name: &'static str,
        object: &mut S,
    ) -> Result<(), S::Error> {
        match self.present() {
            Some(value) => object.serialize_field(name, &value),
            None => object.skip_field(name),
        }
    }
}

impl FieldValue for Id {
    fn read<'de, A: MapAccess<'de>>(&mut self, object: &mut A) -> Result<(), A::Error> {
        *self = object.next_value()?;
        Ok(())
    }

    fn present(&self) -> Option<impl Serialize> {
        Some(self)
    }
}

impl FieldValue for Option<Id> {
    fn read<'de, A: MapAccess<'de>>(&mut self, object: &mut A) -> Result<(), A::Error> {
        object.next_value_seed(TextInto(self))
    }

    fn present(&self) -> Option<impl Serialize> {
        self.as_ref()
    }
}

impl FieldValue for RunStatus {
    fn read<'de, A: MapAccess<'de>>(&mut self, object: &mut A) -> Result<(), A::Error> {
        let mut status = None;
        object.next_value_seed(TextInto(&mut status))?;
        *self = status.unwrap_or_default();
        Ok(())
    }

    fn present(&self) -> Option<impl Serialize> {
        (!self.is_empty()).then_some(self)
    }
}

impl FieldValue for Option<RunOrigin> {
    fn read<'de, A: MapAccess<'de>>(&mut self, object: &mut A) -> Result<(), A::Error> {
        object.next_value_seed(TextInto(self))
    }

    fn present(&self) -> Option<impl Serialize> {
        self.as_ref()
    }
}

impl FieldValue for Option<DateTime<Utc>> {
    fn read<'de, A: MapAccess<'de>>(&mut self, object: &mut A) -> Result<(), A::Error> {
        object.next_value_seed(TimeInto(self))
    }

    fn present(&self) -> Option<impl Serialize> {
        self.map(Time)
    }
}

impl FieldValue for Option<i64> {
    fn read<'de, A: MapAccess<'de>>(&mut self, object: &mut A) -> Result<(), A::Error> {
        *self = object.next_value()?;
        Ok(())
    }

    fn present(&self) -> Option<impl Serialize> {
        *self
    }
}

impl FieldValue for Option<f64> {
    fn read<'de, A: MapAccess<'de>>(&mut self, object: &mut A) -> Result<(), A::Error> {
        *self = object.next_value()?;
        Ok(())
    }

    fn present(&self) -> Option<impl Serialize> {
        *self
    }
}

/// A time as the API writes it.
struct Time(DateTime<Utc>);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        timestamp::required::serialize(&self.0, serializer)
    }
}
