//! Errors of PostgreSQL.

use tokio_postgres::error::SqlState;

use super::super::target::TargetError;
use crate::error::{Error, ErrorKind};

/// What an error of the server, or of the connection to it, means to a sync.
pub(super) fn target_error(error: tokio_postgres::Error) -> TargetError {
    let is_transient = match error.code() {
        Some(code) => may_pass(code),
        // The connection was lost, or there was none.
        None => true,
    };
    let message = match error.as_db_error() {
        Some(db) => format!("PostgreSQL: {} ({})", db.message(), db.code().code()),
        None => "the connection to PostgreSQL failed".to_owned(),
    };
    let error = Error::new(ErrorKind::Output, message).with_source(error);
    match is_transient {
        true => TargetError::transient(error),
        false => error.into(),
    }
}

/// Whether the same transaction may succeed later, on a connection of its own.
fn may_pass(code: &SqlState) -> bool {
    const STATES: [&SqlState; 9] = [
        &SqlState::ADMIN_SHUTDOWN,
        &SqlState::CRASH_SHUTDOWN,
        &SqlState::CANNOT_CONNECT_NOW,
        &SqlState::TOO_MANY_CONNECTIONS,
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::T_R_DEADLOCK_DETECTED,
        &SqlState::LOCK_NOT_AVAILABLE,
        &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        &SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    // Class 08 is about connections. A server that is read-only may be one that is taken over.
    STATES.contains(&code) || code.code().starts_with("08")
}
