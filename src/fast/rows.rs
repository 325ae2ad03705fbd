//! The rows of a page, each built where it stays.

use super::layout::{Field, Layout};
use super::reader::Reader;
use crate::run::{MOST_ROWS, RunSummary};

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
        if rows.len() == MOST_ROWS {
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
        match next.field {
            Field::Id => row.id = reader.string()?.into(),
            Field::ActId => reader.text(&mut row.act_id)?,
            Field::UserId => reader.text(&mut row.user_id)?,
            Field::ActorTaskId => reader.text(&mut row.actor_task_id)?,
            Field::Status => {
                if !reader.eat("null") {
                    row.status = reader.string()?.into();
                }
            }
            Field::StartedAt => reader.nullable(&mut row.started_at)?,
            Field::FinishedAt => reader.nullable(&mut row.finished_at)?,
            Field::BuildId => reader.text(&mut row.build_id)?,
            Field::BuildNumber => reader.text(&mut row.build_number)?,
            Field::BuildNumberInt => reader.nullable(&mut row.build_number_int)?,
            Field::Meta => reader.expect("null")?,
            Field::UsageTotalUsd => reader.nullable(&mut row.usage_total_usd)?,
            Field::DefaultKeyValueStoreId => reader.text(&mut row.default_key_value_store_id)?,
            Field::DefaultDatasetId => reader.text(&mut row.default_dataset_id)?,
            Field::DefaultRequestQueueId => reader.text(&mut row.default_request_queue_id)?,
            Field::Origin => reader.text(&mut row.meta.origin)?,
            Field::ClientIp => {
                if !reader.eat("null") {
                    reader.text(&mut row.meta.details_mut().client_ip)?
                }
            }
            Field::UserAgent => {
                if !reader.eat("null") {
                    reader.text(&mut row.meta.details_mut().user_agent)?
                }
            }
            Field::ScheduleId => {
                if !reader.eat("null") {
                    reader.text(&mut row.meta.details_mut().schedule_id)?
                }
            }
            Field::ScheduledAt => {
                if !reader.eat("null") {
                    reader.nullable(&mut row.meta.details_mut().scheduled_at)?
                }
            }
            Field::Unknown | Field::UnknownOfMeta => reader.skip_scalar()?,
            Field::Start => return None,
            Field::End => break,
        }
    }
    (seen & Field::Id.bit() != 0).then_some(())
}
