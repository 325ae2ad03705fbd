//! The rows of a page, each built where it stays.

use super::layout::{Field, Layout};
use super::reader::Reader;
use crate::run::{MAX_ROWS, RunSummary};

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
        let text = match next.field {
            Field::Null => continue,
            Field::Id => {
                row.id = reader.inside()?.into();
                continue;
            }
            Field::ActId => &mut row.act_id,
            Field::UserId => &mut row.user_id,
            Field::ActorTaskId => &mut row.actor_task_id,
            Field::Status => {
                row.status = reader.inside()?.into();
                continue;
            }
            Field::StartedAt => {
                row.started_at = Some(reader.time()?);
                continue;
            }
            Field::FinishedAt => {
                row.finished_at = Some(reader.time()?);
                continue;
            }
            Field::BuildId => &mut row.build_id,
            Field::BuildNumber => &mut row.build_number,
            Field::BuildNumberInt => {
                row.build_number_int = Some(reader.integer()?);
                continue;
            }
            Field::UsageTotalUsd => {
                row.usage_total_usd = Some(reader.float()?);
                continue;
            }
            Field::DefaultKeyValueStoreId => &mut row.default_key_value_store_id,
            Field::DefaultDatasetId => &mut row.default_dataset_id,
            Field::DefaultRequestQueueId => &mut row.default_request_queue_id,
            Field::Origin => {
                row.meta.origin = Some(reader.inside()?.into());
                continue;
            }
            Field::ClientIp => &mut row.meta.details_mut().client_ip,
            Field::UserAgent => &mut row.meta.details_mut().user_agent,
            Field::ScheduleId => &mut row.meta.details_mut().schedule_id,
            Field::ScheduledAt => {
                row.meta.details_mut().scheduled_at = Some(reader.time()?);
                continue;
            }
            Field::Unknown | Field::UnknownOfMeta => {
                reader.skip_value()?;
                continue;
            }
            Field::Meta | Field::Start => return None,
            Field::End => break,
        };
        *text = Some(reader.inside()?.into());
    }
    (seen & Field::Id.bit() != 0).then_some(())
}
