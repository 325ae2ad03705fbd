//! A database that is only read.

use std::fmt;

#[cfg(feature = "postgres")]
use super::postgres::PostgresServer;
#[cfg(feature = "sqlite")]
use super::sqlite::SqliteReader;
use super::stored::DatabaseSnapshot;
use crate::error::{Error, Result};

/// A database of syncs that is only read: [`DatabaseBuilder::open_read_only`].
///
/// It creates and alters no table or view, and writes no row. Syncs may write at the same time.
///
/// [`DatabaseBuilder::open_read_only`]: super::DatabaseBuilder::open_read_only
#[cfg_attr(
    feature = "sqlite",
    doc = r#"
# Example: what all runs have cost

```
use apify_runs::emulator::Emulator;
use apify_runs::sync::{Database, SyncJob};
use futures::TryStreamExt;

# #[tokio::main(flavor = "current_thread")]
# async fn main() -> Result<(), Box<dyn std::error::Error>> {
# let emulator = Emulator::builder().runs(2500).start().await?;
# let folder = tempfile::tempdir()?;
# let address = format!("sqlite:{}", folder.path().join("runs.db").display());
# let database = Database::open(&address).await?;
# SyncJob::new(emulator.client().runs("janedoe/my-actor"), database.target()).run().await?;
let reader = Database::builder(address).open_read_only().await?;
let mut snapshot = reader.snapshot().await?;
assert!(snapshot.lists[0].is_complete());

let (mut runs, mut usd, mut unknown) = (0, 0.0, 0);
while let Some(run) = snapshot.runs.try_next().await? {
    runs += 1;
    match run.usage_total_usd {
        Some(cost) => usd += cost,
        None => unknown += 1,
    }
}
println!("{usd:.2} USD, and {unknown} runs whose cost is unknown");
assert_eq!(runs, 2500);
# Ok(())
# }
```
"#
)]
#[derive(Clone)]
pub struct DatabaseReader(Kind);

#[derive(Clone)]
enum Kind {
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteReader),
    #[cfg(feature = "postgres")]
    Postgres(PostgresServer),
}

#[cfg(feature = "sqlite")]
impl From<SqliteReader> for DatabaseReader {
    fn from(reader: SqliteReader) -> Self {
        Self(Kind::Sqlite(reader))
    }
}

#[cfg(feature = "postgres")]
impl From<PostgresServer> for DatabaseReader {
    fn from(server: PostgresServer) -> Self {
        Self(Kind::Postgres(server))
    }
}

impl DatabaseReader {
    /// Reads lists and Actors, and returns them with a stream that reads the runs.
    ///
    /// All are read in one transaction: they are what the database holds at one moment. The
    /// transaction ends with the stream of runs.
    ///
    /// # Errors
    ///
    /// [`Output`](crate::ErrorKind::Output) if the database cannot be reached or read, and
    /// [`Damaged`](crate::ErrorKind::Damaged) if a value was not written by a sync.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn snapshot(&self) -> Result<DatabaseSnapshot> {
        let snapshot = match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(reader) => reader.snapshot().await,
            #[cfg(feature = "postgres")]
            Kind::Postgres(server) => server.snapshot().await,
        };
        snapshot.map_err(Error::from)
    }
}

/// Where the database is, without a password.
impl fmt::Display for DatabaseReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(reader) => write!(f, "sqlite:{}", reader.path().display()),
            #[cfg(feature = "postgres")]
            Kind::Postgres(server) => fmt::Display::fmt(server, f),
        }
    }
}

impl fmt::Debug for DatabaseReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseReader({self})")
    }
}
