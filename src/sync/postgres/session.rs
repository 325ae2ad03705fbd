//! A connection to a server.

use tokio_postgres::{Client, Statement};

use super::super::schema::Schema;
use super::super::target::TargetResult;
use super::config::Address;
use super::copy::BATCH;
use super::error::target_error;

/// Connects. The connection ends when the client is dropped.
pub(super) async fn connect(address: &Address) -> TargetResult<Client> {
    let connected = address.config.connect(address.tls.clone()).await;
    let (client, connection) = connected.map_err(target_error)?;
    tokio::spawn(async move {
        // The client says what has gone wrong.
        let _ = connection.await;
    });
    Ok(client)
}

/// A connection with what a sync needs.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) copy: Statement,
    pub(super) upsert: Statement,
}

impl Session {
    pub(super) async fn prepare(
        client: Client,
        schema: &Schema,
    ) -> Result<Self, tokio_postgres::Error> {
        let columns = schema.columns();
        let columns = columns.iter().map(|it| (it.name, it.sql_type));
        let columns: Vec<_> = columns.chain([("raw", "json")]).collect();
        let definitions = columns
            .iter()
            .map(|(name, kind)| format!("\"{name}\" {kind}"));
        let definitions = definitions.collect::<Vec<_>>().join(", ");
        let names = schema.quoted_columns(&[]);
        client
            .batch_execute(&format!(
                "CREATE TEMPORARY TABLE {BATCH} ({definitions}) ON COMMIT DELETE ROWS"
            ))
            .await?;
        let copy = format!("COPY pg_temp.{BATCH} ({names}) FROM STDIN (FORMAT binary)");
        // Two sessions that store the same runs lock them in the same order.
        let source = format!(
            "SELECT {names}, $1::bigint, now(), NULL FROM pg_temp.{BATCH} \
             ORDER BY \"id\" COLLATE \"C\""
        );
        let upsert = format!(
            "WITH written AS ({} RETURNING (xmax = 0) AS is_new) \
             SELECT count(*) FILTER (WHERE is_new), count(*) FROM written",
            schema.upsert(&source)
        );
        Ok(Self {
            copy: client.prepare(&copy).await?,
            upsert: client.prepare(&upsert).await?,
            client,
        })
    }
}
