//! Creates the tables, or checks existing ones.

use std::collections::BTreeSet;

use tokio_postgres::{Client, GenericClient};

use super::super::schema::{MARK, Schema, VERSION};
use super::super::target::TargetResult;
use super::error::target_error;
use crate::error::{Error, ErrorKind};

const MIN_VERSION: i32 = 130_000;
/// Two processes do not make the tables at the same time: the lock has the ASCII codes of "apify".
const SETUP_LOCK: i64 = 0x61_70_69_66_79;

/// Prepares the tables. Nothing is written to a schema that has tables of others with the same
/// names, nor to one whose tables are up to date.
pub(super) async fn set_up(client: &mut Client, schema: &Schema) -> TargetResult<()> {
    let version = "SELECT current_setting('server_version_num')::int";
    let row = client.query_one(version, &[]).await.map_err(target_error)?;
    if row.get::<_, i32>(0) < MIN_VERSION {
        let message = "the server is older than PostgreSQL 13";
        return Err(Error::new(ErrorKind::Output, message).into());
    }
    let tables = Tables::read(client, schema).await.map_err(target_error)?;
    if tables.check(schema)?.is_some() && tables.changes(schema)?.is_empty() {
        return Ok(());
    }
    let transaction = client.transaction().await.map_err(target_error)?;
    let lock = format!("SELECT pg_advisory_xact_lock({SETUP_LOCK})");
    transaction
        .batch_execute(&lock)
        .await
        .map_err(target_error)?;
    // Another process may have made them in between.
    let tables = Tables::read(&transaction, schema)
        .await
        .map_err(target_error)?;
    for statement in tables.changes(schema)? {
        transaction
            .batch_execute(&statement)
            .await
            .map_err(target_error)?;
    }
    transaction.commit().await.map_err(target_error)
}

/// Checks that the tables exist. Nothing is written.
pub(super) async fn check(client: &Client, schema: &Schema) -> TargetResult<()> {
    let tables = Tables::read(client, schema).await.map_err(target_error)?;
    if tables.check(schema)?.is_none() {
        let name = schema.name().unwrap_or_default();
        let message = format!("schema {name} has no tables of a sync: apify-runs sync makes them");
        return Err(Error::new(ErrorKind::Damaged, message).into());
    }
    Ok(())
}

/// What is in a schema.
struct Tables {
    has_schema: bool,
    /// Tables and views with the names of ours.
    names: Vec<String>,
    mark: Option<Vec<(i64, String)>>,
    columns: BTreeSet<String>,
}

impl Tables {
    async fn read(
        client: &impl GenericClient,
        schema: &Schema,
    ) -> Result<Self, tokio_postgres::Error> {
        let name = schema.name().unwrap_or_default();
        let exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
        let has_schema = client.query_one(exists, &[&name]).await?.get(0);
        let ours: Vec<&str> = schema.names().collect();
        let relations = "SELECT c.relname::text FROM pg_class AS c \
                         JOIN pg_namespace AS n ON n.oid = c.relnamespace \
                         WHERE n.nspname = $1 AND c.relname = ANY($2::text[])";
        let rows = client.query(relations, &[&name, &ours]).await?;
        let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let mark = match names.iter().any(|name| name == MARK) {
            true => {
                let select = format!("SELECT version, runs_table FROM {}", schema.quoted(MARK));
                let rows = client.query(&select, &[]).await?;
                Some(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
            }
            false => None,
        };
        let columns = "SELECT a.attname::text FROM pg_attribute AS a \
                       JOIN pg_class AS c ON c.oid = a.attrelid \
                       JOIN pg_namespace AS n ON n.oid = c.relnamespace \
                       WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 \
                       AND NOT a.attisdropped";
        let rows = client.query(columns, &[&name, &schema.table()]).await?;
        Ok(Self {
            has_schema,
            names,
            mark,
            columns: rows.iter().map(|row| row.get(0)).collect(),
        })
    }

    /// The version of the tables, if they exist.
    fn check(&self, schema: &Schema) -> TargetResult<Option<i64>> {
        match &self.mark {
            Some(mark) => Ok(Some(schema.check_mark(mark)?)),
            None if self.names.is_empty() => Ok(None),
            None => Err(schema.foreign(&self.names).into()),
        }
    }

    /// Statements that make what is missing.
    fn changes(&self, schema: &Schema) -> TargetResult<Vec<String>> {
        if let Some(version) = self.check(schema)? {
            debug_assert!(version <= VERSION);
            return Ok(schema.migrate(version, |column| self.columns.contains(column)));
        }
        let mut statements = Vec::new();
        if !self.has_schema {
            let name = schema.name().unwrap_or_default();
            statements.push(format!("CREATE SCHEMA \"{name}\""));
        }
        statements.extend(schema.create());
        Ok(statements)
    }
}
