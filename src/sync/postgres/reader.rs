//! Reads the tables of a server.

use std::pin::pin;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use tokio_postgres::{Client, Row};

use super::super::schema::{ACTORS, SYNC_STATE, Schema};
use super::super::stored::{DatabaseSnapshot, StoredList, StoredRun, StoredRunsSender, channel};
use super::super::target::TargetResult;
use super::error::target_error;
use super::server::PostgresServer;
use super::session::connect;
use crate::actor::Actor;
use crate::run::{Id, RunOrigin, RunStatus};

impl PostgresServer {
    /// Begins a transaction, and reads lists and Actors. A task reads the runs.
    pub(in super::super) async fn snapshot(&self) -> TargetResult<DatabaseSnapshot> {
        let client = connect(&self.address).await?;
        let small = read_small(&client, &self.schema).await;
        let (lists, actors) = small.map_err(target_error)?;
        let (mut sender, runs) = channel();
        let schema = self.schema.clone();
        tokio::spawn(async move {
            let result = send_runs(&client, &schema, &mut sender).await;
            sender.end(result.map_err(target_error)).await;
        });
        Ok(DatabaseSnapshot {
            lists,
            actors,
            runs,
        })
    }
}

async fn read_small(
    client: &Client,
    schema: &Schema,
) -> Result<(Vec<StoredList>, Vec<Actor>), tokio_postgres::Error> {
    let begin = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
    client.batch_execute(begin).await?;
    let lists = format!(
        "SELECT query, rows, skipped, {}, {} FROM {} ORDER BY id",
        millis("last_sync_at"),
        millis("last_success_at"),
        schema.quoted(SYNC_STATE)
    );
    let actors = format!(
        "SELECT id, name, username, title FROM {} ORDER BY id",
        schema.quoted(ACTORS)
    );
    let lists = client.query(&lists, &[]).await?;
    let actors = client.query(&actors, &[]).await?;
    let lists = lists.iter().map(list).collect::<Result<_, _>>()?;
    let actors = actors.iter().map(actor).collect::<Result<_, _>>()?;
    Ok((lists, actors))
}

/// A time as a statement returns it: in milliseconds after 1970.
fn millis(column: &str) -> String {
    format!("(extract(epoch FROM {column}) * 1000)::bigint")
}

fn list(row: &Row) -> Result<StoredList, tokio_postgres::Error> {
    Ok(StoredList {
        query: row.try_get(0)?,
        rows: row.try_get::<_, i64>(1)?.cast_unsigned(),
        skipped: row.try_get::<_, i64>(2)?.cast_unsigned(),
        last_sync_at: time(row, 3)?,
        last_success_at: time(row, 4)?,
    })
}

fn actor(row: &Row) -> Result<Actor, tokio_postgres::Error> {
    Ok(Actor {
        id: row.try_get::<_, &str>(0)?.into(),
        name: row.try_get(1)?,
        username: row.try_get(2)?,
        title: row.try_get(3)?,
    })
}

fn time(row: &Row, place: usize) -> Result<Option<DateTime<Utc>>, tokio_postgres::Error> {
    let millis: Option<i64> = row.try_get(place)?;
    Ok(millis.and_then(DateTime::from_timestamp_millis))
}

async fn send_runs(
    client: &Client,
    schema: &Schema,
    sender: &mut StoredRunsSender,
) -> Result<(), tokio_postgres::Error> {
    let select = format!(
        "SELECT id, act_id, actor_task_id, status, {}, {}, meta_origin, usage_total_usd FROM {}",
        millis("started_at"),
        millis("finished_at"),
        schema.runs()
    );
    let parameters: [&str; 0] = [];
    let mut rows = pin!(client.query_raw(&select, parameters).await?);
    while let Some(row) = rows.try_next().await? {
        if !sender.send(run(&row)?).await {
            break;
        }
    }
    Ok(())
}

fn run(row: &Row) -> Result<StoredRun, tokio_postgres::Error> {
    let text = |place: usize| row.try_get::<_, Option<&str>>(place);
    Ok(StoredRun {
        id: text(0)?.unwrap_or_default().into(),
        act_id: text(1)?.map(Id::from),
        actor_task_id: text(2)?.map(Id::from),
        status: text(3)?.map(RunStatus::from).unwrap_or_default(),
        started_at: time(row, 4)?,
        finished_at: time(row, 5)?,
        origin: text(6)?.map(RunOrigin::from),
        usage_total_usd: row.try_get(7)?,
    })
}
