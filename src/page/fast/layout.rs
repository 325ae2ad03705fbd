//! What stands between the values of a row.

use super::reader::Reader;
use crate::run::{Field, Kind, fields};

/// The maximum number of keys that are told apart: several times as many as the service sends.
const MAX_PLACES: usize = 64;
/// The maximum number of texts after one value. There are several where some rows lack fields.
const MAX_GAPS: usize = 4;

/// A text that JSON does not have between two values.
const NEVER: &str = "\0";

macro_rules! define_slot {
    (
        row { $($(#[$_row_doc:meta])* $row:ident $_row:ident $_row_json:literal $_row_kind:ident,)+ }
        meta { $($(#[$_meta_doc:meta])* $meta:ident $_meta:ident $_meta_json:literal $_meta_kind:ident,)+ }
        details { $($(#[$_doc:meta])* $detail:ident $_detail:ident $_json:literal $_kind:ident,)+ }
    ) => {
        /// What is at a place of a row.
        ///
        /// The fields are variants of it, instead of one variant that has a field, for the sake of
        /// speed: there is one jump to the code that reads a value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Slot {
            $($row,)+
            $($meta,)+
            $($detail,)+
            /// `null` as the value of a field: it has been read.
            Null,
            /// The value of a field that this crate does not know.
            Unknown,
            /// The value of a field of `meta` that this crate does not know.
            UnknownInMeta,
            /// The beginning of the row.
            Start,
            /// The end of the row: it has been read.
            End,
        }

        impl From<Field> for Slot {
            fn from(field: Field) -> Self {
                match field {
                    $(Field::$row => Self::$row,)+
                    $(Field::$meta => Self::$meta,)+
                    $(Field::$detail => Self::$detail,)+
                }
            }
        }

        impl Slot {
            fn field(self) -> Option<Field> {
                match self {
                    $(Self::$row => Some(Field::$row),)+
                    $(Self::$meta => Some(Field::$meta),)+
                    $(Self::$detail => Some(Field::$detail),)+
                    Self::Null | Self::Unknown | Self::UnknownInMeta | Self::Start | Self::End => None,
                }
            }
        }
    };
}

fields!(define_slot);

impl Slot {
    fn of_row(key: &str) -> Self {
        Field::of_row(key).map_or(Self::Unknown, Self::from)
    }

    fn of_meta(key: &str) -> Self {
        Field::of_meta(key).map_or(Self::UnknownInMeta, Self::from)
    }

    fn is_in_meta(self) -> bool {
        self == Self::UnknownInMeta || self.field().is_some_and(Field::is_in_meta)
    }

    /// A bit for a field that may come once only.
    fn bit(self) -> u32 {
        self.field().map_or(0, bit)
    }

    /// What the value begins with, as far as that belongs to the text before it. `None` if it is
    /// left to `serde_json`.
    fn opening(self, reader: &Reader<'_>) -> Option<Opening> {
        let Some(field) = self.field() else {
            return Some(Opening::None);
        };
        let quote = || reader.starts_with("\"").then_some(Opening::Quote);
        match field.kind() {
            Kind::Id => quote(),
            _ if reader.starts_with("null") => Some(Opening::Null),
            Kind::Text | Kind::Status | Kind::Origin | Kind::Time => quote(),
            Kind::Integer | Kind::Number => Some(Opening::None),
            // Its fields are read, not the object.
            Kind::Meta => None,
        }
    }
}

/// The bit of a field among those of all fields.
pub(super) const fn bit(field: Field) -> u32 {
    1 << field as u32
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
    slot: Slot,
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
    pub(super) slot: Slot,
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
        places.push(Place::new(Slot::Start, "", Opening::None));
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
        let (slot, key, fields) = next_slot(place.slot, reader)?;
        let opening = slot.opening(reader)?;
        reader.expect(opening.text())?;
        let next = Next {
            slot: match opening {
                Opening::Null => Slot::Null,
                Opening::None | Opening::Quote => slot,
            },
            place: self.place(slot, key, opening),
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
    fn place(&mut self, slot: Slot, key: &'a str, opening: Opening) -> u8 {
        // All keys that are not known are one if there are too many of them.
        let is_full = self.places.len() >= MAX_PLACES;
        let is_same = |place: &Place<'_>| {
            (place.slot, place.opening) == (slot, opening) && (is_full || place.key == key)
        };
        let place = self.places.iter().position(is_same).unwrap_or_else(|| {
            self.places.push(Place::new(slot, key, opening));
            self.places.len() - 1
        });
        place as u8
    }
}

impl<'a> Place<'a> {
    fn new(slot: Slot, key: &'a str, opening: Opening) -> Self {
        let none = Gap {
            text: NEVER,
            next: Next {
                // Where nothing is read.
                slot: Slot::Start,
                place: Layout::START,
                fields: 0,
            },
        };
        Self {
            slot,
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

/// Reads on from the end of a value, or the beginning of a row, to the next value: what it is,
/// its key, and the bits of all fields that begin there.
fn next_slot<'a>(after: Slot, reader: &mut Reader<'a>) -> Option<(Slot, &'a str, u32)> {
    let (mut is_in_meta, mut fields) = (after.is_in_meta(), 0);
    // Whether the object that is read has no field yet.
    let mut is_first = after == Slot::Start;
    if is_first {
        reader.expect("{")?;
    }
    loop {
        reader.space();
        if reader.eat("}") {
            if !std::mem::take(&mut is_in_meta) {
                return Some((Slot::End, "", fields));
            }
            is_first = false;
            continue;
        }
        if !std::mem::take(&mut is_first) {
            reader.expect_token(",")?;
        }
        let key = reader.key()?;
        let slot = if is_in_meta {
            Slot::of_meta(key)
        } else {
            Slot::of_row(key)
        };
        if fields & slot.bit() != 0 {
            return None;
        }
        fields |= slot.bit();
        if slot == Slot::Meta && reader.token("{") {
            (is_in_meta, is_first) = (true, true);
            continue;
        }
        return Some((slot, key, fields));
    }
}
