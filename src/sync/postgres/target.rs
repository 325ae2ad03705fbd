//! A list in a schema of a server.

use std::pin::pin;

use futures_util::SinkExt;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, CopyInSink, Transaction};

use super::super::batch::SyncBatch;
use super::super::first_load::FirstLoad;
use super::super::list::SyncList;
use super::super::reconciliation::{Findings, STALE};
use super::super::schema::{SYNC_STATE, Schema, SqlColumn};
use super::super::target::{Committed, Reconciled, SyncTarget, TargetError, TargetResult, Written};
use super::copy::{Encoder, server_time};
use super::error::target_error;
use super::key::{change_key, restore_key};
use super::server::PostgresServer;
use super::session::Session;
use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind};
use crate::run::Id;

/// The temporary table of the IDs that are on a list.
const LISTED: &str = "pg_temp.apify_runs_listed";

/// A list in a schema of a server.
pub(in super::super) struct PostgresTarget {
    server: PostgresServer,
    /// The connection, once the list is locked.
    open: Option<OpenList>,
}

/// A list that is locked, by a connection.
struct OpenList {
    session: Session,
    /// Its number in the schema.
    id: i64,
    /// Whether the table is expected to have none of its runs.
    is_new: bool,
    first_load: FirstLoad,
    /// When the walk has begun whose runs are collected, in seconds after 1970.
    listing: Option<f64>,
}

impl PostgresTarget {
    pub(in super::super) fn new(server: PostgresServer) -> Self {
        Self { server, open: None }
    }

    fn open(&mut self) -> TargetResult<(&mut OpenList, &Schema)> {
        let open = self.open.as_mut().ok_or_else(not_loaded)?;
        Ok((open, &self.server.schema))
    }

    /// Gives the connection up after an error that may pass: the next load makes a new one.
    fn note<T>(&mut self, result: TargetResult<T>) -> TargetResult<T> {
        if matches!(&result, Err(error) if error.is_transient()) {
            self.open = None;
        }
        result
    }
}

/// A method was called before `load`.
fn not_loaded() -> TargetError {
    Error::new(ErrorKind::Output, "the list has not been loaded").into()
}

impl SyncTarget for PostgresTarget {
    async fn load(&mut self, list: &SyncList) -> TargetResult<Committed> {
        let mut open = match self.open.take() {
            Some(open) if !open.session.client.is_closed() => open,
            _ => {
                let client = self.server.connect().await?;
                OpenList::lock(client, &self.server.schema, list).await?
            }
        };
        let state = self.server.schema.quoted(SYNC_STATE);
        let select = format!("SELECT \"cursor\", \"rows\" FROM {state} WHERE \"id\" = $1");
        let row = open.session.client.query_one(&select, &[&open.id]).await;
        let row = row.map_err(target_error)?;
        let cursor: Cursor = row.get::<_, &str>(0).parse().map_err(|error: Error| {
            let message = format!("the cursor of {list} cannot be read");
            Error::new(ErrorKind::Damaged, message).with_source(error)
        })?;
        let rows: i64 = row.get(1);
        let committed = Committed::new(cursor, rows.cast_unsigned());
        open.is_new &= rows == 0;
        open.first_load = FirstLoad::new(&committed);
        self.open = Some(open);
        Ok(committed)
    }

    async fn commit(&mut self, _list: &SyncList, batch: &SyncBatch) -> TargetResult<Written> {
        let (open, schema) = self.open()?;
        let written = open.commit(schema, batch).await;
        self.note(written)
    }

    async fn begin_listing(&mut self, _list: &SyncList) -> TargetResult<()> {
        let (open, _) = self.open()?;
        let begun = open.begin_listing().await.map_err(target_error);
        self.note(begun)
    }

    async fn add_listed(&mut self, _list: &SyncList, ids: &[Id]) -> TargetResult<()> {
        let (open, _) = self.open()?;
        let added = open.add_listed(ids).await.map_err(target_error);
        self.note(added)
    }

    async fn mark_deleted(&mut self, list: &SyncList) -> TargetResult<Reconciled> {
        let (open, schema) = self.open()?;
        let marked = open.mark_deleted(schema, list).await;
        self.note(marked)
    }

    async fn close(&mut self, _list: &SyncList) -> TargetResult<()> {
        let Some(OpenList {
            mut session,
            mut first_load,
            ..
        }) = self.open.take()
        else {
            return Ok(());
        };
        let key = change_key(&mut session.client, &self.server.schema, first_load.end()).await;
        // The session would keep the lock until the server has seen its end.
        let unlock = "SELECT pg_advisory_unlock_all()";
        let unlocked = session.client.batch_execute(unlock).await;
        match key.map(drop).and(unlocked).map_err(target_error) {
            Err(error) if !error.is_transient() => Err(error),
            _ => Ok(()),
        }
    }
}

impl OpenList {
    /// Locks a list for the session, and adds it if it does not exist.
    async fn lock(mut client: Client, schema: &Schema, list: &SyncList) -> TargetResult<Self> {
        let state = schema.quoted(SYNC_STATE);
        let (id, is_locked) = find_and_lock(&client, &state, list)
            .await
            .map_err(target_error)?;
        if !is_locked {
            let message = format!("another sync of {list} writes to this database");
            return Err(Error::new(ErrorKind::Locked, message).into());
        }
        restore_key(&mut client, schema)
            .await
            .map_err(target_error)?;
        let session = Session::prepare(client, schema).await;
        Ok(Self {
            session: session.map_err(target_error)?,
            id,
            is_new: true,
            first_load: FirstLoad::Over,
            listing: None,
        })
    }

    async fn commit(&mut self, schema: &Schema, batch: &SyncBatch) -> TargetResult<Written> {
        let Session {
            client,
            copy,
            upsert,
        } = &mut self.session;
        let change = self.first_load.before(batch);
        let changed = change_key(client, schema, change).await;
        if !changed.map_err(target_error)? {
            self.first_load = FirstLoad::Over;
        }
        let mut transaction = client.transaction().await.map_err(target_error)?;
        let (mut new, mut updated) = (0, 0);
        if !batch.runs().is_empty() {
            if self.is_new {
                let inserted = insert(&mut transaction, schema, self.id, batch).await;
                self.is_new = inserted.map_err(target_error)?;
            }
            if self.is_new {
                new = batch.runs().len() as i64;
            } else {
                let sink = transaction.copy_in(&*copy).await.map_err(target_error)?;
                let sent = send(sink, &schema.columns(), batch, None).await;
                sent.map_err(target_error)?;
                let counts = transaction.query_one(&*upsert, &[&self.id]).await;
                let counts = counts.map_err(target_error)?;
                new = counts.get::<_, i64>(0);
                updated = counts.get::<_, i64>(1) - new;
            }
        }
        let state = schema.quoted(SYNC_STATE);
        let update = format!(
            "UPDATE {state} SET \"cursor\" = $1, \"rows\" = \"rows\" + $2, \
             \"skipped\" = \"skipped\" + $3, \"last_sync_at\" = now(), \
             \"last_success_at\" = CASE WHEN $4 THEN now() ELSE \"last_success_at\" END \
             WHERE \"id\" = $5"
        );
        let (cursor, skipped) = (batch.cursor().to_string(), batch.skipped().cast_signed());
        let changed = transaction
            .execute(
                &update,
                &[&cursor, &new, &skipped, &batch.is_complete(), &self.id],
            )
            .await
            .map_err(target_error)?;
        if changed != 1 {
            let message = format!("{SYNC_STATE} has lost the row of the list during the sync");
            return Err(Error::new(ErrorKind::Damaged, message).into());
        }
        transaction.commit().await.map_err(target_error)?;
        Ok(Written::new(new.cast_unsigned(), updated.cast_unsigned()))
    }

    async fn begin_listing(&mut self) -> Result<(), tokio_postgres::Error> {
        let client = &self.session.client;
        client
            .batch_execute(&format!(
                "DROP TABLE IF EXISTS {LISTED}; CREATE TEMPORARY TABLE apify_runs_listed (id text)"
            ))
            .await?;
        let now = "SELECT extract(epoch FROM clock_timestamp())::double precision";
        self.listing = Some(client.query_one(now, &[]).await?.get(0));
        Ok(())
    }

    async fn add_listed(&mut self, ids: &[Id]) -> Result<(), tokio_postgres::Error> {
        let copy = format!("COPY {LISTED} FROM STDIN (FORMAT binary)");
        let mut sink = pin!(self.session.client.copy_in(&copy).await?);
        let mut encoder = Encoder::new();
        for id in ids {
            encoder.begin_row(1);
            encoder.add_text(Some(id));
        }
        sink.send(encoder.finish()).await?;
        sink.finish().await.map(drop)
    }

    async fn mark_deleted(&mut self, schema: &Schema, list: &SyncList) -> TargetResult<Reconciled> {
        let begun = self.listing.ok_or_else(not_loaded)?;
        let stored_before = begun - STALE as f64;
        let (runs, state) = (schema.runs(), schema.quoted(SYNC_STATE));
        // A run without a start may be on the list where the walk does not look.
        let of_list = "r.\"list\" = $1 AND r.\"synced_at\" <= to_timestamp($2) \
                       AND r.\"deleted_at\" IS NULL AND r.\"started_at\" IS NOT NULL";
        let is_listed = format!("EXISTS (SELECT FROM {LISTED} AS l WHERE l.id = r.\"id\")");
        let transaction = self.session.client.transaction().await;
        let transaction = transaction.map_err(target_error)?;
        // Without it, the server does not know that there are many.
        let analyze = format!("ANALYZE {LISTED}");
        transaction
            .batch_execute(&analyze)
            .await
            .map_err(target_error)?;
        let count = format!(
            "SELECT count(*) FILTER (WHERE NOT {is_listed}), count(*) FILTER (WHERE {is_listed}), \
             EXISTS (SELECT FROM {LISTED}) \
             FROM {runs} AS r WHERE {of_list}"
        );
        let counts = transaction
            .query_one(&count, &[&self.id, &stored_before])
            .await;
        let counts = counts.map_err(target_error)?;
        let findings = Findings {
            gone: counts.get(0),
            kept: counts.get(1),
            lists_any: counts.get(2),
        };
        findings.check(list)?;
        let mark = format!(
            "UPDATE {runs} AS r SET \"deleted_at\" = now() WHERE {of_list} AND NOT {is_listed}"
        );
        let deleted = transaction
            .execute(&mark, &[&self.id, &stored_before])
            .await;
        let deleted = deleted.map_err(target_error)?;
        let unmark = format!(
            "UPDATE {runs} AS r SET \"deleted_at\" = NULL \
             WHERE r.\"deleted_at\" IS NOT NULL AND {is_listed}"
        );
        let restored = transaction
            .execute(&unmark, &[])
            .await
            .map_err(target_error)?;
        let note = format!("UPDATE {state} SET \"last_reconcile_at\" = now() WHERE \"id\" = $1");
        transaction
            .execute(&note, &[&self.id])
            .await
            .map_err(target_error)?;
        transaction.commit().await.map_err(target_error)?;
        Ok(Reconciled::new(deleted, restored))
    }
}

/// The number of a list, and whether it is locked now.
async fn find_and_lock(
    client: &Client,
    state: &str,
    list: &SyncList,
) -> Result<(i64, bool), tokio_postgres::Error> {
    let insert = format!(
        "INSERT INTO {state} (\"list\", \"query\", \"cursor\", \"rows\", \"skipped\") \
         SELECT $1, $2, $3, 0, 0 WHERE NOT EXISTS (SELECT FROM {state} WHERE \"list\" = $1) \
         ON CONFLICT DO NOTHING"
    );
    let cursor = Cursor::default().to_string();
    client
        .execute(&insert, &[&list.key(), &list.query(), &cursor])
        .await?;
    let select = format!("SELECT \"id\" FROM {state} WHERE \"list\" = $1");
    let id: i64 = client.query_one(&select, &[&list.key()]).await?.get(0);
    // The number of the table is another one in each schema.
    let lock =
        format!("SELECT pg_try_advisory_lock(('{state}'::regclass::oid::bigint << 32) | $1)");
    let is_locked = client.query_one(&lock, &[&id]).await?.get(0);
    Ok((id, is_locked))
}

/// Copies the rows of a batch into the table of runs, which takes half the time of an upsert. If
/// the table already has one of the runs, copies none and returns false.
async fn insert(
    transaction: &mut Transaction<'_>,
    schema: &Schema,
    list: i64,
    batch: &SyncBatch,
) -> Result<bool, tokio_postgres::Error> {
    let now = "SELECT (extract(epoch FROM now()) * 1000000)::bigint";
    let now: i64 = transaction.query_one(now, &[]).await?.get(0);
    let savepoint = transaction.transaction().await?;
    let copy = format!(
        "COPY {} ({}) FROM STDIN (FORMAT binary)",
        schema.runs(),
        schema.quoted_columns(&["list", "synced_at"])
    );
    let sink = savepoint.copy_in(&copy).await?;
    match send(
        sink,
        &schema.columns(),
        batch,
        Some([list, server_time(now)]),
    )
    .await
    {
        Ok(_) => savepoint.commit().await.map(|()| true),
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
            savepoint.rollback().await.map(|()| false)
        }
        Err(error) => Err(error),
    }
}

/// Sends the rows of a batch, each followed by the integers in `more`.
async fn send(
    sink: CopyInSink<bytes::Bytes>,
    columns: &[SqlColumn],
    batch: &SyncBatch,
    more: Option<[i64; 2]>,
) -> Result<u64, tokio_postgres::Error> {
    let mut sink = pin!(sink);
    let mut encoder = Encoder::new();
    let more = more.as_ref().map_or(&[][..], |more| more);
    for (place, run) in batch.runs().iter().enumerate() {
        encoder.begin_row(columns.len() + 1 + more.len());
        encoder.add_run(columns, run);
        encoder.add_text(batch.raw_row(place));
        for integer in more {
            encoder.add_integer(Some(*integer));
        }
        if let Some(chunk) = encoder.chunk() {
            sink.send(chunk).await?;
        }
    }
    sink.send(encoder.finish()).await?;
    sink.finish().await
}
