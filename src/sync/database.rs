//! A database by its address.

use std::fmt;

use super::batch::SyncBatch;
use super::database_reader::DatabaseReader;
use super::list::SyncList;
use super::place::Place;
#[cfg(feature = "postgres")]
use super::postgres::{PostgresServer, PostgresTarget};
use super::schema::DEFAULT_TABLE;
#[cfg(feature = "sqlite")]
use super::sqlite::{SqliteFile, SqliteReader, SqliteTarget};
use super::target::{Committed, Reconciled, SyncTarget, TargetResult, Written};
use crate::actor::Actor;
use crate::error::{Error, Result};
use crate::run::Id;

/// A database for syncs: a file of SQLite, or a schema of a PostgreSQL server.
///
/// It is open, and has its tables. A clone is cheap, and is the same database. Each
/// [`SyncJob`](super::SyncJob) takes a [target](Self::target) of its own.
///
/// See [the module](super) for the tables, and for what a database guarantees.
#[derive(Clone)]
pub struct Database(Kind);

#[derive(Clone)]
enum Kind {
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteFile),
    #[cfg(feature = "postgres")]
    Postgres(PostgresServer),
}

/// Settings for a [`Database`], from [`Database::builder`].
#[must_use]
#[derive(Clone)]
pub struct DatabaseBuilder {
    address: String,
    schema: Option<String>,
    table: String,
    password: Option<String>,
}

impl Database {
    /// The version of SQLite that is built in, such as `3.53.2`.
    #[cfg(feature = "sqlite")]
    pub fn sqlite_version() -> &'static str {
        rusqlite::version()
    }

    /// Opens the database at an address with default settings.
    ///
    /// # Errors
    ///
    /// As [`DatabaseBuilder::open`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn open(address: impl Into<String>) -> Result<Self> {
        Self::builder(address).open().await
    }

    /// Settings for the database at an address.
    ///
    /// - `sqlite:PATH`, with the feature `sqlite`: a file, which is created if it does not exist.
    ///   `sqlite:///PATH` is an absolute path, too.
    /// - `postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE`, or `postgresql://`, with the
    ///   feature `postgres`. `HOST` may be the folder of a socket, with `%2F` for each slash. The
    ///   options are those of `tokio-postgres`, and `sslmode` and `sslrootcert` as in PostgreSQL's
    ///   own programs. `disable` is without TLS. `prefer`, the default, and `require` check the
    ///   server's certificate only if `sslrootcert` is given. `verify-full` always checks it, and
    ///   `verify-ca` is treated as `verify-full`. `sslrootcert` is a file of root certificates;
    ///   without it, those of the operating system are used.
    pub fn builder(address: impl Into<String>) -> DatabaseBuilder {
        DatabaseBuilder {
            address: address.into(),
            schema: None,
            table: DEFAULT_TABLE.into(),
            password: None,
        }
    }

    /// A target for one [`SyncJob`](super::SyncJob).
    pub fn target(&self) -> DatabaseTarget {
        DatabaseTarget(match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(file) => TargetKind::Sqlite(SqliteTarget::new(file.clone())),
            #[cfg(feature = "postgres")]
            Kind::Postgres(server) => TargetKind::Postgres(PostgresTarget::new(server.clone())),
        })
    }

    /// The Actors of stored runs that have no row in the table `actors`, in the order of their IDs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Output`](crate::ErrorKind::Output) if they cannot be read.
    pub async fn unnamed_actors(&self) -> Result<Vec<Id>> {
        let ids = match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(file) => file.unnamed_actors().await,
            #[cfg(feature = "postgres")]
            Kind::Postgres(server) => server.unnamed_actors().await,
        };
        ids.map_err(Error::from)
    }

    /// Stores the names of Actors. A row replaces the one with the same ID.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Output`](crate::ErrorKind::Output) if they cannot be written. None is stored
    /// then.
    pub async fn save_actors(&self, actors: impl IntoIterator<Item = Actor>) -> Result<()> {
        let actors = actors.into_iter().collect();
        let saved = match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(file) => file.save_actors(actors).await,
            #[cfg(feature = "postgres")]
            Kind::Postgres(server) => server.save_actors(actors).await,
        };
        saved.map_err(Error::from)
    }
}

impl DatabaseBuilder {
    /// The schema of the tables, in PostgreSQL. It is created if it does not exist. Default
    /// `apify`.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = Some(name.into());
        self
    }

    /// The name of the table of runs. Default `runs`. The other tables and the views always have
    /// the same names, so one schema has one table of runs.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = name.into();
        self
    }

    /// The password, in place of that in the address.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Connects, and creates the tables that do not exist. Tables of an older version are migrated.
    ///
    /// # Errors
    ///
    /// - [`Config`](crate::ErrorKind::Config) if the address, a name or an option cannot be used,
    ///   or if the table of runs has another name here.
    /// - [`Output`](crate::ErrorKind::Output) if the database cannot be reached or written.
    /// - [`Damaged`](crate::ErrorKind::Damaged) if the file is not a database, or if tables or
    ///   views with these names were not created by a sync, or by a newer version. Nothing has
    ///   been changed then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn open(self) -> Result<Database> {
        match self.place()? {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(path, schema) => {
                let file = SqliteFile::open(path, schema).await?;
                Ok(Database(Kind::Sqlite(file)))
            }
            #[cfg(feature = "postgres")]
            Place::Postgres {
                address,
                password,
                schema,
            } => {
                let server = PostgresServer::open(&address, password, schema).await?;
                Ok(Database(Kind::Postgres(server)))
            }
        }
    }

    /// Connects, and checks that the tables exist. Nothing is created or changed: no sync has to
    /// wait, and a role that may only read is sufficient.
    ///
    /// # Errors
    ///
    /// - [`Config`](crate::ErrorKind::Config) if the address, a name or an option cannot be used,
    ///   or if the table of runs has another name here.
    /// - [`Output`](crate::ErrorKind::Output) if the database does not exist, or cannot be reached
    ///   or read.
    /// - [`Damaged`](crate::ErrorKind::Damaged) if it has no tables of a sync, or those of a newer
    ///   version.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn open_read_only(self) -> Result<DatabaseReader> {
        match self.place()? {
            #[cfg(feature = "sqlite")]
            Place::Sqlite(path, schema) => Ok(SqliteReader::open(path, schema).await?.into()),
            #[cfg(feature = "postgres")]
            Place::Postgres {
                address,
                password,
                schema,
            } => {
                let server = PostgresServer::open_read_only(&address, password, schema).await?;
                Ok(server.into())
            }
        }
    }

    fn place(self) -> Result<Place> {
        Place::new(self.address, self.schema, self.table, self.password)
    }
}

/// Where the database is, without a password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(file) => write!(f, "sqlite:{}", file.path().display()),
            #[cfg(feature = "postgres")]
            Kind::Postgres(server) => fmt::Display::fmt(server, f),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

impl fmt::Debug for DatabaseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseBuilder")
            .field("schema", &self.schema)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// The [`SyncTarget`] of a [`Database`], for one [`SyncJob`](super::SyncJob): [`Database::target`].
pub struct DatabaseTarget(TargetKind);

enum TargetKind {
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteTarget),
    #[cfg(feature = "postgres")]
    Postgres(PostgresTarget),
}

/// Calls a method of the target that it is.
macro_rules! delegate {
    ($target:expr, $method:ident($($argument:expr),*)) => {
        match $target {
            #[cfg(feature = "sqlite")]
            TargetKind::Sqlite(target) => target.$method($($argument),*).await,
            #[cfg(feature = "postgres")]
            TargetKind::Postgres(target) => target.$method($($argument),*).await,
        }
    };
}

impl SyncTarget for DatabaseTarget {
    async fn load(&mut self, list: &SyncList) -> TargetResult<Committed> {
        delegate!(&mut self.0, load(list))
    }

    async fn commit(&mut self, list: &SyncList, batch: &SyncBatch) -> TargetResult<Written> {
        delegate!(&mut self.0, commit(list, batch))
    }

    async fn begin_listing(&mut self, list: &SyncList) -> TargetResult<()> {
        delegate!(&mut self.0, begin_listing(list))
    }

    async fn add_listed(&mut self, list: &SyncList, ids: &[Id]) -> TargetResult<()> {
        delegate!(&mut self.0, add_listed(list, ids))
    }

    async fn mark_deleted(&mut self, list: &SyncList) -> TargetResult<Reconciled> {
        delegate!(&mut self.0, mark_deleted(list))
    }

    async fn close(&mut self, list: &SyncList) -> TargetResult<()> {
        delegate!(&mut self.0, close(list))
    }
}

impl fmt::Debug for DatabaseTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseTarget").finish_non_exhaustive()
    }
}
