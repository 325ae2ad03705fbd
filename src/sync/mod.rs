//! Syncs a list into a table of a database: one row for each run, as it is listed last.
//!
//! A [`SyncJob`] writes the rows of a walk to a [`SyncTarget`]. With the feature `sqlite` or
//! `postgres`, a [`Database`] has such targets; implement the trait for any other place. Runs that
//! have not finished are read again by each sync until they have
//! ([`Emit::Changes`](crate::Emit::Changes)), and rows are replaced by ID.
//!
//! Rows and the [`Cursor`](crate::Cursor) after them are committed in one transaction. A sync may
//! be stopped or killed, and its database may crash, at any moment: the next sync reads the
//! committed cursor, and continues from there.
#![cfg_attr(
    feature = "sqlite",
    doc = r#"
# Example: a nightly sync into SQLite

```
use apify_runs::emulator::Emulator;
use apify_runs::sync::{Database, SyncJob};

# #[tokio::main(flavor = "current_thread")]
# async fn main() -> Result<(), Box<dyn std::error::Error>> {
let emulator = Emulator::builder().runs(5000).start().await?;
let folder = tempfile::tempdir()?;
let address = format!("sqlite:{}", folder.path().join("runs.db").display());

let database = Database::open(address).await?;
let runs = emulator.client().runs("janedoe/my-actor");
let summary = SyncJob::new(runs, database.target()).run().await?;
assert_eq!((summary.new, summary.updated), (5000, 0));

// The next night.
emulator.change(|store| store.start_run("new"));
let runs = emulator.client().runs("janedoe/my-actor");
let summary = SyncJob::new(runs, database.target()).run().await?;
assert_eq!((summary.new, summary.list_rows), (1, Some(5001)));
# Ok(())
# }
```
"#
)]
//! # Tables
//!
//! | table or view | holds |
//! |---|---|
//! | `runs` | a row for each run: a column for each field of [`RunSummary`](crate::RunSummary), such as `act_id` and `meta_origin`; `raw`, the row as it was received, with [`SyncJob::raw`]; `list`, the `id` in `sync_state` of the list that stored it last; `synced_at`, when that was; `deleted_at`, since when it is known to be deleted ([`SyncJob::reconcile`]) |
//! | `actors` | `id`, `name`, `username` and `title` of Actors: [`Database::save_actors`] |
//! | `sync_state` | a row for each list: its query, the cursor, how many runs it has added, and when it was synced and reconciled last |
//! | `apify_runs_schema` | the version of the tables |
//! | `cost_by_day`, `cost_by_actor`, `failures` | views: runs, their cost in US dollars, and in `unknown_cost_runs` how many have no known cost. Such a cost is null in `runs`, and is not part of any sum. Days are in UTC, and null for runs without a start |
//!
//! Times are `timestamp with time zone` in PostgreSQL. SQLite has no type for them: they are texts
//! such as `2025-09-01T00:00:00.000Z`, always in milliseconds and UTC, so that they sort as times.
//! In PostgreSQL, the `id` of `runs` has the collation `C`: IDs sort by bytes, as in SQLite.
//!
//! You may add indexes, tables and views: no statement of a sync alters or removes them. A column
//! that a later version of this crate adds is null in existing rows.
//!
//! The `id` of `runs` is the primary key in PostgreSQL, and has a unique index in SQLite. A first
//! sync that is longer than a batch may drop this key of an empty table and add it before its last
//! rows: building an index once over all rows is faster than row by row. If the sync breaks off,
//! the next one adds the key before it continues. No run has two rows meanwhile. In PostgreSQL, the
//! key is a unique index until a sync finds nobody reading the table.
//!
//! [`DatabaseBuilder::open_read_only`] reads these tables, and changes nothing.
//!
//! # Guarantees
//!
//! **SQLite.** The file is in WAL mode with `synchronous = NORMAL`. A commit survives the end of
//! the process. If the machine loses power, the last commits may be lost, each with its cursor,
//! and the next sync reads their rows again. While many rows are written, the log beside the file
//! can take a few hundred MB. It is removed when the last connection is closed.
//!
//! **PostgreSQL**, 13 or newer. A commit is as durable as the server's settings make it. If the
//! connection is lost, even during a commit, the sync tries to connect again for up to five
//! minutes, reads whether the commit has succeeded, and continues. Each job has a connection of
//! its own. A connection pooler must pool sessions, not transactions.
//!
//! # Several lists and several jobs
//!
//! Any number of lists may be synced into one database, in sequence or in parallel, by one process
//! or several. Two lists may have runs in common; such a run has the row that was written last.
//! A list is locked while it is synced; a second job of the same list fails with
//! [`ErrorKind::Locked`](crate::ErrorKind::Locked). The lock is released when its process ends,
//! even if it is killed: in SQLite it is a lock on a file beside the database, in PostgreSQL an
//! advisory lock of the session.
//!
//! A list is identified by its query. A query with a time that changes, such as "the last 30 days",
//! is another list each time.

mod batch;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod database;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod database_reader;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod first_load;
mod job;
mod list;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod reader;
mod reconcile;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod reconciliation;
mod run;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod schema;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod stored;
mod summary;
mod target;
mod writer;

pub use batch::SyncBatch;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use database::{Database, DatabaseBuilder, DatabaseTarget};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use database_reader::DatabaseReader;
pub use job::SyncJob;
pub use list::SyncList;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use stored::{DatabaseSnapshot, StoredList, StoredRun, StoredRuns};
pub use summary::{SyncProgress, SyncSummary};
pub use target::{Committed, Reconciled, SyncTarget, TargetError, TargetResult, Written};
