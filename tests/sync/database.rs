//! What the scenarios need of a database.

use std::collections::BTreeMap;

use apify_runs::Result;
use apify_runs::sync::{Database, DatabaseBuilder};
use serde_json::Value;

/// The values of a row as text.
pub(crate) type Row = Vec<Option<String>>;

/// A database that is new, and read back with statements of its own.
pub(crate) trait TestDatabase {
    fn builder(&self) -> DatabaseBuilder;

    /// Runs statements, and returns the rows of the last one.
    async fn query(&self, sql: &str) -> Vec<Row>;

    /// How a time of a column is written as in the API.
    fn time(&self, column: &str) -> String;

    /// How a time in the past is written in a statement.
    fn minutes_ago(&self, minutes: u32) -> String;

    /// Whether no two rows of the table of runs can have the same ID.
    async fn has_key(&self) -> bool;

    async fn open(&self) -> Database {
        self.try_open().await.unwrap()
    }

    async fn try_open(&self) -> Result<Database> {
        self.builder().open().await
    }

    /// The only value that a statement returns.
    async fn value(&self, sql: &str) -> String {
        let rows = self.query(sql).await;
        assert_eq!((rows.len(), rows[0].len()), (1, 1), "{sql}");
        rows[0][0].clone().unwrap_or_default()
    }

    async fn number(&self, sql: &str) -> f64 {
        self.value(sql).await.parse().unwrap()
    }

    /// The rows of the table of runs by their IDs, with some of their columns.
    async fn runs(&self) -> BTreeMap<String, StoredRun> {
        let sql = format!(
            "SELECT id, status, {}, {}, usage_total_usd, meta_origin, build_number_int, act_id, \
             meta_user_agent, deleted_at FROM runs",
            self.time("started_at"),
            self.time("finished_at")
        );
        let rows = self.query(&sql).await.into_iter();
        rows.map(|row| {
            let number = |place: usize| row[place].as_ref().map(|text| text.parse().unwrap());
            let run = StoredRun {
                status: row[1].clone(),
                started_at: row[2].clone(),
                finished_at: row[3].clone(),
                usage_total_usd: number(4),
                origin: row[5].clone(),
                build_number_int: number(6),
                act_id: row[7].clone(),
                user_agent: row[8].clone(),
                is_deleted: row[9].is_some(),
            };
            (row[0].clone().unwrap(), run)
        })
        .collect()
    }
}

/// Some columns of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredRun {
    pub(crate) status: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) finished_at: Option<String>,
    pub(crate) usage_total_usd: Option<f64>,
    pub(crate) origin: Option<String>,
    build_number_int: Option<f64>,
    pub(crate) act_id: Option<String>,
    user_agent: Option<String>,
    pub(crate) is_deleted: bool,
}

impl StoredRun {
    /// What a row of the service should be stored as.
    pub(crate) fn of(row: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(String::from);
        let meta = &row["meta"];
        Self {
            status: text(&row["status"]),
            started_at: text(&row["startedAt"]),
            finished_at: text(&row["finishedAt"]),
            usage_total_usd: row["usageTotalUsd"].as_f64(),
            origin: text(&meta["origin"]),
            build_number_int: row["buildNumberInt"].as_f64(),
            act_id: text(&row["actId"]),
            user_agent: text(&meta["userAgent"]),
            is_deleted: false,
        }
    }
}
