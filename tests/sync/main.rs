//! What a user of syncs sees, on real databases: a file of SQLite, and a server of PostgreSQL that
//! `postgres.sh` starts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod child;
mod database;
mod first_load;
mod flaky;
mod list;
mod postgres;
mod proxy;
mod scenarios;
#[cfg(target_os = "linux")]
mod small_disk;
mod sqlite;
mod target;
