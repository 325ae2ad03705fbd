//! Finds the stored runs that are gone from their list.

use std::pin::Pin;

use serde::Deserialize;

use super::list::SyncList;
use super::reader::{Callbacks, Ending, Next, next};
use super::summary::{SyncProgress, SyncSummary};
use super::target::SyncTarget;
use super::writer::Writer;
use crate::cursor::Cursor;
use crate::emit::Emit;
use crate::error::{Error, Result};
use crate::run::Id;
use crate::runs::Runs;

/// How many IDs are added at once.
const MAX_IDS: usize = 50_000;

/// Reads the whole list, and marks the stored runs that are not on it.
///
/// A row that is on the list from the beginning of this walk to its end is handed out by it. So a
/// run that was stored before the walk began and that the walk does not hand out was not on the
/// list at some time during the walk.
pub(super) async fn reconcile<T: SyncTarget>(
    runs: Runs,
    writer: &mut Writer<T>,
    callbacks: &Callbacks,
    mut stop: Pin<&mut impl Future<Output = ()>>,
    summary: &mut SyncSummary,
) -> Result<Ending> {
    let Writer { target, list, .. } = writer;
    target.begin_listing(list).await?;
    let mut pages = runs.emit(Emit::Snapshot).resume(Cursor::default()).pages();
    let (mut ids, mut rows) = (Vec::new(), 0);
    loop {
        match next(&mut pages, None, stop.as_mut()).await {
            Next::Batch(batch) => {
                rows += batch.rows.len() as u64;
                ids.extend(batch.rows.iter().map(|run| run.id.clone()));
                pages.recycle(batch.rows);
            }
            // The run is on the list, too.
            Next::Unreadable(error) => ids.push(id_of_unreadable(error)?),
            Next::Nothing => continue,
            Next::End(Ok(Ending::Complete)) => break,
            Next::End(end) => {
                summary.reconcile_stats = Some(pages.stats());
                return end;
            }
        }
        if ids.len() >= MAX_IDS {
            add(target, list, &mut ids).await?;
        }
        callbacks.progress(&SyncProgress {
            rows,
            committed_rows: summary.rows,
            is_reconciling: true,
            stats: pages.stats(),
        });
    }
    add(target, list, &mut ids).await?;
    summary.reconcile_stats = Some(pages.stats());
    let reconciled = target.mark_deleted(list).await?;
    summary.deleted = reconciled.deleted;
    summary.restored = reconciled.restored;
    Ok(Ending::Complete)
}

/// Adds IDs in their order, in which they are next to each other in an index.
async fn add<T: SyncTarget>(target: &mut T, list: &SyncList, ids: &mut Vec<Id>) -> Result<()> {
    ids.sort_unstable();
    target.add_listed(list, ids).await?;
    ids.clear();
    Ok(())
}

/// The ID in a row that cannot be read. Without it, it is unknown which run is on the list.
fn id_of_unreadable(error: Error) -> Result<Id> {
    #[derive(Deserialize)]
    struct Row {
        id: Id,
    }
    let row = error.row().map(serde_json::from_str::<Row>);
    match row {
        Some(Ok(row)) => Ok(row.id),
        _ => Err(error),
    }
}
