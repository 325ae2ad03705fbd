//! The tables of a sync, in the words of each database.

use crate::error::{Error, ErrorKind, Result};
use crate::run::{Column, Get, columns};

/// The version of the tables. A change that older versions of the crate would misread increments
/// it, and adds a step to `MIGRATIONS`. A column that is added to the fields of a run does not: it
/// is added to the tables where it is missing.
pub(super) const VERSION: i64 = 1;
/// What marks the tables as those of this crate. Its only row has the version, and the name of the
/// table of runs.
pub(super) const MARK: &str = "apify_runs_schema";
pub(super) const ACTORS: &str = "actors";
pub(super) const SYNC_STATE: &str = "sync_state";
const VIEWS: [&str; 3] = ["cost_by_day", "cost_by_actor", "failures"];
pub(super) const DEFAULT_TABLE: &str = "runs";
/// The columns of the table of runs behind those that a batch fills.
const STORED: [&str; 3] = ["list", "synced_at", "deleted_at"];
/// PostgreSQL cuts longer names off.
const MAX_NAME: usize = 63;

/// The statements that make each version out of the one before, from version 2 on.
const MIGRATIONS: &[fn(&Schema) -> Vec<String>] = &[];

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "for SQLite"))]
    Sqlite,
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "for PostgreSQL"))]
    Postgres,
}

/// A column in a database: its name, its type, and what it is in a row.
pub(super) struct SqlColumn {
    pub(super) name: &'static str,
    pub(super) sql_type: &'static str,
    pub(super) get: Get,
}

/// Where the tables are, and what they are called.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    dialect: Dialect,
    /// The schema of PostgreSQL.
    name: Option<String>,
    table: String,
}

impl Schema {
    /// # Errors
    ///
    /// `ErrorKind::Config` if a name cannot be used.
    pub(super) fn new(dialect: Dialect, name: Option<String>, table: String) -> Result<Self> {
        if let Some(name) = &name {
            check_name("schema", name)?;
        }
        check_name("table", &table)?;
        let schema = Self {
            dialect,
            name,
            table,
        };
        let is_taken = Self::other_names()
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&schema.table));
        match is_taken {
            true => {
                let expected = "another table or view of the sync has that name";
                Err(Error::config("table", &schema.table, expected))
            }
            false => Ok(schema),
        }
    }

    #[cfg(feature = "postgres")]
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The name of the table of runs.
    pub(super) fn table(&self) -> &str {
        &self.table
    }

    /// All tables and views but that of runs.
    fn other_names() -> [&'static str; 6] {
        let [by_day, by_actor, failures] = VIEWS;
        [ACTORS, SYNC_STATE, MARK, by_day, by_actor, failures]
    }

    /// All tables and views.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let others: [&str; 6] = Self::other_names();
        [self.table()].into_iter().chain(others)
    }

    /// A table of this schema, as statements have it.
    pub(super) fn quoted(&self, table: &str) -> String {
        match &self.name {
            Some(name) => format!("\"{name}\".\"{table}\""),
            None => format!("\"{table}\""),
        }
    }

    /// The table of runs, as statements have it.
    pub(super) fn runs(&self) -> String {
        self.quoted(&self.table)
    }

    /// The columns with the fields of a run.
    pub(super) fn columns(&self) -> Vec<SqlColumn> {
        let column = |column: Column| SqlColumn {
            name: column.snake_name,
            sql_type: match (column.get, self.dialect) {
                (Get::Text(_), _) => "text",
                (Get::Time(_), _) => self.time(),
                (Get::Integer(_), _) => self.integer(),
                (Get::Number(_), Dialect::Sqlite) => "real",
                (Get::Number(_), Dialect::Postgres) => "double precision",
            },
            get: column.get,
        };
        columns().into_iter().map(column).collect()
    }

    /// The names of the columns that a batch fills: the fields of a run, and `raw`.
    pub(super) fn batch_columns(&self) -> Vec<&'static str> {
        let columns = self.columns();
        let names = columns.iter().map(|column| column.name);
        names.chain(["raw"]).collect()
    }

    /// `batch_columns` and others, as statements have them.
    pub(super) fn quoted_columns(&self, others: &[&str]) -> String {
        let names = self.batch_columns();
        let quoted = names.iter().chain(others).map(|name| format!("\"{name}\""));
        quoted.collect::<Vec<_>>().join(", ")
    }

    fn time(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "text",
            Dialect::Postgres => "timestamp with time zone",
        }
    }

    fn integer(&self) -> &'static str {
        match self.dialect {
            Dialect::Sqlite => "integer",
            Dialect::Postgres => "bigint",
        }
    }

    /// The columns of the table of runs that other versions may not have.
    pub(super) fn column_definitions(&self) -> impl Iterator<Item = (&'static str, String)> {
        let definition = |column: SqlColumn| {
            let SqlColumn { name, sql_type, .. } = column;
            let key = match (name, self.dialect) {
                ("id", Dialect::Sqlite) => " NOT NULL",
                // Batches are sorted by bytes, and comparing bytes is faster than applying a
                // language's rules.
                ("id", Dialect::Postgres) => " COLLATE \"C\" PRIMARY KEY NOT NULL",
                _ => "",
            };
            (name, format!("\"{name}\" {sql_type}{key}"))
        };
        self.columns().into_iter().map(definition)
    }

    /// Statements that make all tables and views.
    pub(super) fn create(&self) -> Vec<String> {
        let (time, integer) = (self.time(), self.integer());
        let (identity, raw) = match self.dialect {
            Dialect::Sqlite => ("integer PRIMARY KEY", "text"),
            Dialect::Postgres => (
                "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
                "json",
            ),
        };
        let columns = self.column_definitions().map(|(_, definition)| definition);
        let columns = columns.collect::<Vec<_>>().join(", ");
        let [actors, sync_state, mark] = [ACTORS, SYNC_STATE, MARK].map(|name| self.quoted(name));
        let tables = [
            format!(
                "CREATE TABLE {} ({columns}, \"raw\" {raw}, \"list\" {integer} NOT NULL, \
                 \"synced_at\" {time} NOT NULL, \"deleted_at\" {time})",
                self.runs(),
            ),
            format!(
                "CREATE TABLE {actors} (\"id\" text PRIMARY KEY NOT NULL, \"name\" text, \
                 \"username\" text, \"title\" text, \"synced_at\" {time} NOT NULL)"
            ),
            format!(
                "CREATE TABLE {sync_state} (\"id\" {identity}, \"list\" text NOT NULL UNIQUE, \
                 \"query\" text NOT NULL, \"cursor\" text NOT NULL, \"rows\" {integer} NOT NULL, \
                 \"skipped\" {integer} NOT NULL, \"last_sync_at\" {time}, \
                 \"last_success_at\" {time}, \"last_reconcile_at\" {time})"
            ),
            format!(
                "CREATE TABLE {mark} (\"version\" {integer} NOT NULL, \"runs_table\" text NOT NULL)"
            ),
        ];
        let key = (self.dialect == Dialect::Sqlite).then(|| self.create_key());
        let mark = format!("INSERT INTO {mark} VALUES ({VERSION}, '{}')", self.table);
        tables
            .into_iter()
            .chain(key)
            .chain(self.views())
            .chain([mark])
            .collect()
    }

    /// The name of the index that is the key of the table of runs in SQLite. PostgreSQL chooses one.
    pub(super) fn key(&self) -> String {
        format!("{}_id", self.table)
    }

    /// A statement that makes the key of the table of runs.
    pub(super) fn create_key(&self) -> String {
        let runs = self.runs();
        match self.dialect {
            Dialect::Sqlite => {
                format!("CREATE UNIQUE INDEX \"{}\" ON {runs} (\"id\")", self.key())
            }
            Dialect::Postgres => format!("CREATE UNIQUE INDEX ON {runs} (\"id\")"),
        }
    }

    /// Costs that are unknown are counted: the sum of others is not what all runs have cost.
    fn views(&self) -> [String; 3] {
        let day = match self.dialect {
            Dialect::Sqlite => "substr(r.started_at, 1, 10)",
            Dialect::Postgres => "(r.started_at AT TIME ZONE 'UTC')::date",
        };
        let costs = "count(*) AS runs, sum(r.usage_total_usd) AS usage_total_usd, \
                     count(*) - count(r.usage_total_usd) AS unknown_cost_runs";
        let runs = format!("{} AS r", self.runs());
        let with_actors = format!(
            "{runs} LEFT JOIN {} AS a ON a.id = r.act_id",
            self.quoted(ACTORS)
        );
        let [by_day, by_actor, failures] = VIEWS.map(|name| self.quoted(name));
        [
            format!(
                "CREATE VIEW {by_day} AS SELECT {day} AS day, {costs} FROM {runs} GROUP BY {day}"
            ),
            format!(
                "CREATE VIEW {by_actor} AS SELECT r.act_id, a.username, a.name, a.title, {costs}, \
                 max(r.started_at) AS last_started_at FROM {with_actors} \
                 GROUP BY r.act_id, a.username, a.name, a.title"
            ),
            format!(
                "CREATE VIEW {failures} AS SELECT {day} AS day, r.act_id, a.username, a.name, \
                 r.status, {costs}, max(r.finished_at) AS last_finished_at FROM {with_actors} \
                 WHERE r.status IN ('FAILED', 'TIMED-OUT', 'ABORTED') \
                 GROUP BY {day}, r.act_id, a.username, a.name, r.status"
            ),
        ]
    }

    /// Statements that bring tables of an older version up to date.
    pub(super) fn migrate(&self, version: i64, has_column: impl Fn(&str) -> bool) -> Vec<String> {
        let mut statements = Vec::new();
        for step in MIGRATIONS.iter().skip(version.max(1) as usize - 1) {
            statements.extend(step(self));
        }
        for (name, definition) in self.column_definitions() {
            if !has_column(name) {
                let runs = self.runs();
                statements.push(format!("ALTER TABLE {runs} ADD COLUMN {definition}"));
            }
        }
        if version != VERSION {
            let mark = self.quoted(MARK);
            statements.push(format!("UPDATE {mark} SET \"version\" = {VERSION}"));
        }
        statements
    }

    /// Checks the mark of existing tables.
    ///
    /// # Errors
    ///
    /// `ErrorKind::Damaged` if they are those of a newer version, or of no version, and
    /// `ErrorKind::Config` if the table of runs has another name.
    pub(super) fn check_mark(&self, mark: &[(i64, String)]) -> Result<i64> {
        let [(version, table)] = mark else {
            let message = format!("{MARK} must have one row, and has {}", mark.len());
            return Err(Error::new(ErrorKind::Damaged, message));
        };
        if *version > VERSION {
            let message =
                format!("the tables have version {version}; this program reads up to {VERSION}");
            return Err(Error::new(ErrorKind::Damaged, message));
        }
        if *table != self.table {
            let expected = format!("the runs of this database are in the table {table}");
            return Err(Error::config("table", &self.table, &expected));
        }
        Ok(*version)
    }

    /// The error for tables or views that another program has created.
    pub(super) fn foreign(&self, names: &[String]) -> Error {
        let message = format!(
            "{} exists already, and was not made by a sync: name another database, schema or table",
            names.join(", ")
        );
        Error::new(ErrorKind::Damaged, message)
    }

    /// The statement that stores one row. `values` are those of `batch_columns`, of the list and of
    /// the time, and `source` where they come from.
    pub(super) fn upsert(&self, source: &str) -> String {
        let names = self.quoted_columns(&STORED);
        let others = names.split(", ").filter(|name| *name != "\"id\"");
        let replace: Vec<_> = others
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        format!(
            "{} ON CONFLICT (\"id\") DO UPDATE SET {}",
            self.insert(source),
            replace.join(", ")
        )
    }

    /// As `upsert`, for a row that is not stored yet.
    pub(super) fn insert(&self, source: &str) -> String {
        let names = self.quoted_columns(&STORED);
        format!("INSERT INTO {} ({names}) {source}", self.runs())
    }
}

/// Names are quoted in statements, and hold nothing that would have to be escaped.
fn check_name(setting: &'static str, name: &str) -> Result<()> {
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let is_good = name.len() <= MAX_NAME
        && name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && name.chars().all(is_word);
    match is_good {
        true => Ok(()),
        false => {
            let expected =
                "it must be a letter and then letters, digits and underscores, at most 63";
            Err(Error::config(setting, format!("{name:?}"), expected))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_column() {
        let schema = Schema::new(Dialect::Sqlite, None, "runs".into()).unwrap();
        let names = schema.batch_columns();
        assert_eq!(names.len(), columns().len() + 1);
        for name in [
            "id",
            "act_id",
            "usage_total_usd",
            "meta_origin",
            "meta_scheduled_at",
            "raw",
        ] {
            assert!(names.contains(&name), "{name}");
        }
        let create = schema.create();
        assert!(create[0].contains(r#""id" text NOT NULL"#), "{}", create[0]);
        let postgres = Schema::new(Dialect::Postgres, Some("apify".into()), "runs".into());
        let create = postgres.unwrap().create();
        assert!(
            create[0].contains(r#""id" text COLLATE "C" PRIMARY KEY NOT NULL"#),
            "{}",
            create[0]
        );
        let added = schema.migrate(VERSION, |name| name != "meta_user_agent");
        assert_eq!(
            added,
            [r#"ALTER TABLE "runs" ADD COLUMN "meta_user_agent" text"#]
        );
    }

    #[test]
    fn a_name_that_would_have_to_be_escaped_is_refused() {
        let refused = |table: &str| {
            let schema = Schema::new(Dialect::Sqlite, None, table.into());
            schema.unwrap_err().setting().unwrap().name().to_owned()
        };
        for table in ["", "a b", "a\"b", "1a", "a.b", "sync_state", "failures"] {
            assert_eq!(refused(table), "table", "{table}");
        }
        Schema::new(Dialect::Postgres, Some("a-b".into()), "runs".into()).unwrap_err();
    }
}
