//! PostgreSQL.

mod config;
mod copy;
mod error;
mod key;
mod reader;
mod server;
mod session;
mod setup;
mod target;
mod tls;

pub(super) use server::PostgresServer;
pub(super) use target::PostgresTarget;

/// The schema of the tables, by default.
pub(super) const SCHEMA: &str = "apify";
