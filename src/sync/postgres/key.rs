//! The key of the table of runs.

use tokio_postgres::{Client, Transaction};

use super::super::schema::{SYNC_STATE, Schema};

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

/// Adds the key if the table has none, also if a transaction in progress drops it.
pub(super) async fn restore_key(client: &mut Client, schema: &Schema) -> Result<()> {
    let mut transaction = client.transaction().await?;
    let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", schema.runs());
    transaction.batch_execute(&lock).await?;
    add_key(&mut transaction, schema).await?;
    transaction.commit().await
}

/// Adds the key, if the table has none: a unique index, which becomes the primary key if nobody
/// reads the table now. Else a reader's transaction would hold up this one, and this one all other
/// readers; the next sync makes it the primary key.
pub(super) async fn add_key(transaction: &mut Transaction<'_>, schema: &Schema) -> Result<()> {
    let mut key = key(transaction, schema).await?;
    if key.is_none() {
        transaction.batch_execute(&schema.create_key()).await?;
        key = self::key(transaction, schema).await?;
    }
    if let Some(Key::Index(name)) = key {
        let primary = format!("ADD PRIMARY KEY USING INDEX {name}");
        alter(transaction, schema, &primary).await?;
    }
    Ok(())
}

/// Drops the key, if the table is empty, the schema has one list, and nothing else prevents it.
pub(super) async fn drop_key(transaction: &mut Transaction<'_>, schema: &Schema) -> Result<bool> {
    let Some(Key::Primary(name)) = key(transaction, schema).await? else {
        return Ok(false);
    };
    let mut savepoint = transaction.transaction().await?;
    let is_dropped = alter(&mut savepoint, schema, &format!("DROP CONSTRAINT {name}")).await?;
    // The sync of a list that is added from here on waits in `restore_key`.
    let is_first = format!(
        "SELECT (SELECT count(*) FROM {}) = 1 AND NOT EXISTS (SELECT FROM {})",
        schema.quoted(SYNC_STATE),
        schema.runs()
    );
    if is_dropped && savepoint.query_one(&is_first, &[]).await?.get(0) {
        savepoint.commit().await?;
        return Ok(true);
    }
    savepoint.rollback().await?;
    Ok(false)
}

/// Alters the table, unless that would have to wait, or the server refuses it.
async fn alter(transaction: &mut Transaction<'_>, schema: &Schema, change: &str) -> Result<bool> {
    let runs = schema.runs();
    let lock = format!("LOCK TABLE {runs} IN ACCESS EXCLUSIVE MODE NOWAIT");
    let statements = format!("{lock}; ALTER TABLE {runs} {change}");
    let savepoint = transaction.transaction().await?;
    match savepoint.batch_execute(&statements).await {
        Ok(()) => savepoint.commit().await.map(|()| true),
        Err(error) if error.as_db_error().is_some() => savepoint.rollback().await.map(|()| false),
        Err(error) => Err(error),
    }
}

/// A key, and its name as statements have it.
enum Key {
    Index(String),
    Primary(String),
}

async fn key(transaction: &Transaction<'_>, schema: &Schema) -> Result<Option<Key>> {
    let select = "SELECT i.indisprimary, quote_ident(c.relname) FROM pg_index AS i \
                  JOIN pg_class AS c ON c.oid = i.indexrelid \
                  JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
                  WHERE i.indrelid = $1::text::regclass AND i.indisunique AND i.indisvalid \
                  AND i.indimmediate AND i.indnkeyatts = 1 AND i.indpred IS NULL AND a.attname = 'id' \
                  ORDER BY i.indisprimary DESC LIMIT 1";
    let found = transaction.query_opt(select, &[&schema.runs()]).await?;
    Ok(found.map(|row| match row.get(0) {
        true => Key::Primary(row.get(1)),
        false => Key::Index(row.get(1)),
    }))
}
