//! The rows of a page, each built where it stays.

use super::layout::{Layout, Slot, bit};
use super::reader::Reader;
use crate::limits::MAX_ROWS;
use crate::run::{Field, RunSummary, fields};

/// Reads the rows with the brackets around them. `note` gets where each row begins and ends.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    rows: &mut Vec<RunSummary>,
    note: &mut impl FnMut(usize, usize),
) -> Option<()> {
    reader.expect_token("[")?;
    if reader.token("]") {
        return Some(());
    }
    let mut layout = Layout::new();
    // What is between two rows.
    let mut between = None;
    loop {
        if rows.len() == MAX_ROWS {
            return None;
        }
        // Made in its place: a row that is pushed is copied there.
        rows.resize_with(rows.len() + 1, RunSummary::blank);
        let row = rows.last_mut()?;
        let start = *reader;
        if read_row(row, reader, &mut layout).is_none() {
            *reader = start;
            *row = reader.any()?;
        }
        let end = *reader;
        note(start.position(), end.position());
        if between.is_some_and(|between| reader.eat(between)) {
            reader.space();
            continue;
        }
        if reader.token("]") {
            return Some(());
        }
        reader.expect_token(",")?;
        between = reader.read_since(end);
    }
}

/// Reads the fields into a blank row. `None` if that is left to `serde_json`.
pub(super) fn read_row<'a>(
    row: &mut RunSummary,
    reader: &mut Reader<'a>,
    layout: &mut Layout<'a>,
) -> Option<()> {
    let (mut place, mut seen) = (Layout::START, 0);
    loop {
        let next = layout.next(place, reader)?;
        if seen & next.fields != 0 {
            // `serde_json` decides what becomes of a field that comes twice.
            return None;
        }
        seen |= next.fields;
        place = next.place;
        match next.slot {
            Slot::End => break,
            slot => read_value(slot, row, reader)?,
        }
    }
    (seen & bit(Field::Id) != 0).then_some(())
}

/// How a value is read to where it stays, by its kind. The place of a text is returned, so that
/// there is only one piece of code that reads texts.
macro_rules! read_value {
    (Text, $value:expr, $reader:ident) => {
        &mut $value
    };
    (Id, $value:expr, $reader:ident) => {{
        $value = $reader.inside()?.into();
        return Some(());
    }};
    (Status, $value:expr, $reader:ident) => {{
        $value = $reader.inside()?.into();
        return Some(());
    }};
    (Origin, $value:expr, $reader:ident) => {{
        $value = Some($reader.inside()?.into());
        return Some(());
    }};
    (Time, $value:expr, $reader:ident) => {{
        $value = Some($reader.time()?);
        return Some(());
    }};
    (Integer, $value:expr, $reader:ident) => {{
        $value = Some($reader.integer()?);
        return Some(());
    }};
    (Number, $value:expr, $reader:ident) => {{
        $value = Some($reader.float()?);
        return Some(());
    }};
    // Only its fields are read here.
    (Meta, $value:expr, $reader:ident) => {
        return None
    };
}

macro_rules! define_read_value {
    (
        row { $($(#[$_row_doc:meta])* $row:ident $row_name:ident $_row_json:literal $row_kind:ident,)+ }
        meta { $($(#[$_meta_doc:meta])* $meta:ident $meta_name:ident $_meta_json:literal $meta_kind:ident,)+ }
        details { $($(#[$_doc:meta])* $detail:ident $detail_name:ident $_json:literal $kind:ident,)+ }
    ) => {
        /// Reads the value at a place. `None` if that is left to `serde_json`.
        #[inline(always)]
        fn read_value(slot: Slot, row: &mut RunSummary, reader: &mut Reader<'_>) -> Option<()> {
            let text = match slot {
                Slot::Null => return Some(()),
                $(Slot::$row => read_value!($row_kind, row.$row_name, reader),)+
                $(Slot::$meta => read_value!($meta_kind, row.meta.$meta_name, reader),)+
                $(Slot::$detail => {
                    read_value!($kind, row.meta.details_mut().$detail_name, reader)
                })+
                Slot::Unknown | Slot::UnknownInMeta => return reader.skip_value(),
                Slot::Start | Slot::End => return None,
            };
            *text = Some(reader.inside()?.into());
            Some(())
        }
    };
}

fields!(define_read_value);
