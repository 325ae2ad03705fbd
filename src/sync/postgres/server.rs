//! A server, and the schema of the tables on it.

use std::fmt;
use std::sync::Arc;

use tokio_postgres::Client;
use tokio_postgres::config::Host;

use super::super::schema::{ACTORS, Schema};
use super::super::target::TargetResult;
use super::config::{Address, parse};
use super::error::target_error;
use super::session::connect;
use super::setup::{check, set_up};
use crate::actor::Actor;
use crate::error::Result;
use crate::run::Id;

/// A server whose tables exist. A clone is cheap.
#[derive(Clone)]
pub(in super::super) struct PostgresServer {
    pub(super) address: Arc<Address>,
    pub(super) schema: Arc<Schema>,
}

impl PostgresServer {
    /// Connects, and creates the tables if they do not exist.
    pub(in super::super) async fn open(
        address: &str,
        password: Option<String>,
        schema: Schema,
    ) -> Result<Self> {
        let address = parse(address, password)?;
        let mut client = connect(&address).await?;
        set_up(&mut client, &schema).await?;
        Ok(Self {
            address: Arc::new(address),
            schema: Arc::new(schema),
        })
    }

    /// Connects, and checks that the tables exist.
    pub(in super::super) async fn open_read_only(
        address: &str,
        password: Option<String>,
        schema: Schema,
    ) -> Result<Self> {
        let address = parse(address, password)?;
        check(&connect(&address).await?, &schema).await?;
        Ok(Self {
            address: Arc::new(address),
            schema: Arc::new(schema),
        })
    }

    /// A connection of its own.
    pub(super) async fn connect(&self) -> TargetResult<Client> {
        connect(&self.address).await
    }

    /// The Actors of stored runs whose names are not known.
    pub(in super::super) async fn unnamed_actors(&self) -> TargetResult<Vec<Id>> {
        let client = connect(&self.address).await?;
        let select = format!(
            "SELECT DISTINCT act_id FROM {} AS r WHERE act_id IS NOT NULL \
             AND NOT EXISTS (SELECT FROM {} AS a WHERE a.id = r.act_id) ORDER BY 1",
            self.schema.runs(),
            self.schema.quoted(ACTORS)
        );
        let rows = client.query(&select, &[]).await.map_err(target_error)?;
        Ok(rows
            .iter()
            .map(|row| Id::from(row.get::<_, &str>(0)))
            .collect())
    }

    /// Stores the names of Actors.
    pub(in super::super) async fn save_actors(&self, actors: Vec<Actor>) -> TargetResult<()> {
        let client = connect(&self.address).await?;
        let upsert = format!(
            "INSERT INTO {} (\"id\", \"name\", \"username\", \"title\", \"synced_at\") \
             SELECT *, now() FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) \
             ON CONFLICT (\"id\") DO UPDATE SET \"name\" = excluded.\"name\", \
             \"username\" = excluded.\"username\", \"title\" = excluded.\"title\", \
             \"synced_at\" = excluded.\"synced_at\"",
            self.schema.quoted(ACTORS)
        );
        // Of those with one ID, the last counts.
        let actors: std::collections::BTreeMap<_, _> = actors
            .iter()
            .map(|actor| (actor.id.as_str(), actor))
            .collect();
        let ids: Vec<&str> = actors.keys().copied().collect();
        let column = |get: fn(&Actor) -> &Option<String>| -> Vec<Option<&str>> {
            actors.values().map(|actor| get(actor).as_deref()).collect()
        };
        let names = column(|actor| &actor.name);
        let usernames = column(|actor| &actor.username);
        let titles = column(|actor| &actor.title);
        let written = client
            .execute(&upsert, &[&ids, &names, &usernames, &titles])
            .await;
        written.map(drop).map_err(target_error)
    }
}

/// Where it is, without the password.
impl fmt::Display for PostgresServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.address.config;
        let hosts = config.get_hosts().iter().map(|host| match host {
            Host::Tcp(host) => host.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts = hosts.collect::<Vec<_>>().join(",");
        write!(f, "postgres://{hosts}")?;
        if let Some(database) = config.get_dbname() {
            write!(f, "/{database}")?;
        }
        write!(f, " schema {}", self.schema.name().unwrap_or_default())
    }
}
