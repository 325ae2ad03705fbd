//! The key of the table of runs.

use tokio_postgres::{Client, Transaction};

use super::super::first_load::KeyChange;
use super::super::schema::{SYNC_STATE, Schema};

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

/// Changes the key in a transaction of its own: readers do not wait for the rows of a batch. Returns
/// false if the key is to be dropped and stays.
pub(super) async fn change_key(
    client: &mut Client,
    schema: &Schema,
    change: KeyChange,
) -> Result<bool> {
    match change {
        KeyChange::None => Ok(true),
        KeyChange::Drop => drop_key(client, schema).await,
        KeyChange::Add => restore_key(client, schema).await.map(|()| true),
    }
}

/// Adds the key, if the table has none: a unique index, which then becomes the primary key.
///
/// It stays an index if somebody reads the table at that moment. Otherwise this transaction would
/// wait for that reader, and all later readers for this transaction. The next sync tries again.
pub(super) async fn restore_key(client: &mut Client, schema: &Schema) -> Result<()> {
    let runs = schema.runs();
    let mut transaction = client.transaction().await?;
    // Waits for a transaction that drops the key.
    let lock = format!("LOCK TABLE {runs} IN ACCESS SHARE MODE");
    transaction.batch_execute(&lock).await?;
    let mut key = find_key(&transaction, schema).await?;
    if key.is_none() {
        // One session adds it. The time that this takes grows with the table.
        let lock = format!(
            "SET LOCAL statement_timeout = 0; LOCK TABLE {runs} IN SHARE ROW EXCLUSIVE MODE"
        );
        transaction.batch_execute(&lock).await?;
        key = find_key(&transaction, schema).await?;
    }
    if key.is_none() {
        transaction.batch_execute(&schema.create_key()).await?;
        key = find_key(&transaction, schema).await?;
    }
    if let Some(Key::Index(name)) = key {
        let primary = format!("ADD PRIMARY KEY USING INDEX {name}");
        alter(&mut transaction, schema, &primary).await?;
    }
    transaction.commit().await
}

/// Drops the key of an empty table, if nothing depends on it and it can be added again.
async fn drop_key(client: &mut Client, schema: &Schema) -> Result<bool> {
    let mut transaction = client.transaction().await?;
    let Some(Key::Primary(name)) = find_key(&transaction, schema).await? else {
        return Ok(false);
    };
    if !alter(&mut transaction, schema, &format!("DROP CONSTRAINT {name}")).await? {
        return Ok(false);
    }
    // Whether the role may add it again.
    let attempt = transaction.transaction().await?;
    match attempt.batch_execute(&schema.create_key()).await {
        Ok(()) => attempt.rollback().await?,
        Err(error) if error.as_db_error().is_some() => return Ok(false),
        Err(error) => return Err(error),
    }
    // The table is empty, and no other list, role or server writes to it. A stricter isolation level
    // would not see what another session has just stored. The sync of a list that is added from here
    // on waits in `restore_key`.
    let is_first = format!(
        "SELECT (SELECT count(*) FROM {}) = 1 AND NOT EXISTS (SELECT FROM {}) \
         AND current_setting('transaction_isolation') = 'read committed' \
         AND c.relacl IS NULL AND c.relreplident = 'd' \
         AND NOT EXISTS (SELECT FROM pg_publication_tables AS p \
                         WHERE p.schemaname = n.nspname AND p.tablename = c.relname) \
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE c.oid = $1::text::regclass",
        schema.quoted(SYNC_STATE),
        schema.runs()
    );
    let is_first = transaction.query_one(&is_first, &[&schema.runs()]).await?;
    if !is_first.get::<_, bool>(0) || find_key(&transaction, schema).await?.is_some() {
        return Ok(false);
    }
    transaction.commit().await.map(|()| true)
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

async fn find_key(transaction: &Transaction<'_>, schema: &Schema) -> Result<Option<Key>> {
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
