//! What stands between the values of a row.

use super::reader::Reader;

/// The maximum number of keys that are told apart: several times as many as the service sends.
const MAX_PLACES: usize = 64;
/// The maximum number of texts after one value. There are several where some rows lack fields.
const MAX_GAPS: usize = 4;

/// A text that JSON does not have between two values.
const NEVER: &str = "\0";

/// A field of a row, or of its `meta`, with a value of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
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
    /// `meta`, if it is no object.
    Meta,
    UsageTotalUsd,
    DefaultKeyValueStoreId,
    DefaultDatasetId,
    DefaultRequestQueueId,
    Origin,
    ClientIp,
    UserAgent,
    ScheduleId,
    ScheduledAt,
    /// A field that this crate does not know.
    Unknown,
    UnknownOfMeta,
    /// Any known field, if it is `null`: it has been read.
    Null,
    /// No field: the row begins.
    Start,
    /// No field: the row has ended.
    End,
}

impl Field {
    fn of_row(key: &str) -> Self {
        match key {
            "id" => Self::Id,
            "actId" => Self::ActId,
            "userId" => Self::UserId,
            "actorTaskId" => Self::ActorTaskId,
            "status" => Self::Status,
            "startedAt" => Self::StartedAt,
            "finishedAt" => Self::FinishedAt,
            "buildId" => Self::BuildId,
            "buildNumber" => Self::BuildNumber,
            "buildNumberInt" => Self::BuildNumberInt,
            "meta" => Self::Meta,
            "usageTotalUsd" => Self::UsageTotalUsd,
            "defaultKeyValueStoreId" => Self::DefaultKeyValueStoreId,
            "defaultDatasetId" => Self::DefaultDatasetId,
            "defaultRequestQueueId" => Self::DefaultRequestQueueId,
            _ => Self::Unknown,
        }
    }

    fn of_meta(key: &str) -> Self {
        match key {
            "origin" => Self::Origin,
            "clientIp" => Self::ClientIp,
            "userAgent" => Self::UserAgent,
            "scheduleId" => Self::ScheduleId,
            "scheduledAt" => Self::ScheduledAt,
            _ => Self::UnknownOfMeta,
        }
    }

    fn is_in_meta(self) -> bool {
        matches!(
            self,
            Self::Origin
                | Self::ClientIp
                | Self::UserAgent
                | Self::ScheduleId
                | Self::ScheduledAt
                | Self::UnknownOfMeta
        )
    }

    /// A bit for a field that may come once only.
    pub(super) fn bit(self) -> u32 {
        match self {
            Self::Unknown | Self::UnknownOfMeta | Self::Null | Self::Start | Self::End => 0,
            known => 1 << known as u32,
        }
    }

    /// What a value of this field begins with, as far as that belongs to the text before it.
    /// `None` if it is left to `serde_json`.
    fn opening(self, reader: &Reader<'_>) -> Option<Opening> {
        match self {
            Self::Start | Self::End | Self::Unknown | Self::UnknownOfMeta => Some(Opening::None),
            Self::Id => reader.starts_with("\"").then_some(Opening::Quote),
            _ if reader.starts_with("null") => Some(Opening::Null),
            Self::BuildNumberInt | Self::UsageTotalUsd => Some(Opening::None),
            Self::Meta => None,
            _ => reader.starts_with("\"").then_some(Opening::Quote),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    None,
    /// The value is a string. The text after it begins with the closing quote.
    Quote,
    Null,
}

impl Opening {
    fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Quote => "\"",
            Self::Null => "null",
        }
    }
}

/// The texts between the values of rows, as learned from the rows so far.
///
/// A text reaches from the end of one value to the beginning of the next. It holds all keys,
/// whitespace and punctuation between them, and the quotes of strings. If it was valid JSON in one
/// row, it is in any other, after a value of the same field and kind.
pub(super) struct Layout<'a> {
    places: Vec<Place<'a>>,
}

/// The texts that can follow the value of a key.
struct Place<'a> {
    field: Field,
    key: &'a str,
    opening: Opening,
    gaps: [Gap<'a>; MAX_GAPS],
    /// How many texts were added, including those that were replaced.
    gap_count: usize,
}

/// A text between two values, and what comes behind it.
#[derive(Clone, Copy)]
struct Gap<'a> {
    text: &'a str,
    next: Next,
}

/// What comes behind a text between two values.
#[derive(Clone, Copy)]
pub(super) struct Next {
    pub(super) field: Field,
    /// The place behind its value.
    pub(super) place: u8,
    /// The bits of the fields that begin in this text.
    pub(super) fields: u32,
}

impl<'a> Layout<'a> {
    /// The place before the first value of a row.
    pub(super) const START: u8 = 0;

    pub(super) fn new() -> Self {
        let mut places = Vec::with_capacity(MAX_PLACES);
        places.push(Place::new(Field::Start, "", Opening::None));
        Self { places }
    }

    /// Reads what is between the value of a place and the next one, or the end of the row.
    #[inline]
    pub(super) fn next(&mut self, from: u8, reader: &mut Reader<'a>) -> Option<Next> {
        let place = self.places.get(usize::from(from))?;
        for gap in &place.gaps {
            if reader.eat(gap.text) {
                return Some(gap.next);
            }
        }
        self.learn(from, reader)
    }

    /// Reads a text that is new at this place token by token, and remembers it.
    #[cold]
    #[inline(never)]
    fn learn(&mut self, from: u8, reader: &mut Reader<'a>) -> Option<Next> {
        let before = *reader;
        let place = self.places.get(usize::from(from))?;
        if place.opening == Opening::Quote {
            reader.expect("\"")?;
        }
        let (field, key, fields) = next_field(place.field, reader)?;
        let opening = field.opening(reader)?;
        reader.expect(opening.text())?;
        let next = Next {
            field: if opening == Opening::Null {
                Field::Null
            } else {
                field
            },
            place: self.place(field, key, opening),
            fields,
        };
        let gap = Gap {
            text: reader.read_since(before)?,
            next,
        };
        self.places.get_mut(usize::from(from))?.add(gap);
        Some(next)
    }

    /// The place behind the value of this key.
    fn place(&mut self, field: Field, key: &'a str, opening: Opening) -> u8 {
        // All keys that are not known are one if there are too many of them.
        let is_full = self.places.len() >= MAX_PLACES;
        let is_same = |place: &Place<'_>| {
            (place.field, place.opening) == (field, opening) && (is_full || place.key == key)
        };
        let place = self.places.iter().position(is_same).unwrap_or_else(|| {
            self.places.push(Place::new(field, key, opening));
            self.places.len() - 1
        });
        place as u8
    }
}

impl<'a> Place<'a> {
    fn new(field: Field, key: &'a str, opening: Opening) -> Self {
        let none = Gap {
            text: NEVER,
            next: Next {
                // Where nothing is read.
                field: Field::Start,
                place: Layout::START,
                fields: 0,
            },
        };
        Self {
            field,
            key,
            opening,
            gaps: [none; MAX_GAPS],
            gap_count: 0,
        }
    }

    fn add(&mut self, gap: Gap<'a>) {
        self.gaps[self.gap_count % MAX_GAPS] = gap;
        self.gap_count += 1;
    }
}

/// Reads on from the end of a value, or the beginning of a row, to the next value: its field,
/// its key, and the bits of all fields that begin there.
fn next_field<'a>(after: Field, reader: &mut Reader<'a>) -> Option<(Field, &'a str, u32)> {
    let (mut is_in_meta, mut fields) = (after.is_in_meta(), 0);
    // Whether the object that is read has no field yet.
    let mut is_first = after == Field::Start;
    if is_first {
        reader.expect("{")?;
    }
    loop {
        reader.space();
        if reader.eat("}") {
            if !std::mem::take(&mut is_in_meta) {
                return Some((Field::End, "", fields));
            }
            is_first = false;
            continue;
        }
        if !std::mem::take(&mut is_first) {
            reader.expect_token(",")?;
        }
        let key = reader.key()?;
        let field = if is_in_meta {
            Field::of_meta(key)
        } else {
            Field::of_row(key)
        };
        if fields & field.bit() != 0 {
            return None;
        }
        fields |= field.bit();
        if field == Field::Meta && reader.token("{") {
            (is_in_meta, is_first) = (true, true);
            continue;
        }
        return Some((field, key, fields));
    }
}
