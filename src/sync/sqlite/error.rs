//! Errors of SQLite.

use std::path::Path;

use rusqlite::ErrorCode;

use super::super::target::TargetError;
use crate::error::{Error, ErrorKind};

/// What an error of SQLite means to a sync.
pub(super) fn target_error(path: &Path, error: rusqlite::Error) -> TargetError {
    let code = error.sqlite_error_code();
    let kind = match code {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => ErrorKind::Damaged,
        _ => ErrorKind::Output,
    };
    let message = match code {
        Some(ErrorCode::DiskFull) => "cannot be written: the disk is full",
        Some(ErrorCode::ReadOnly) => "cannot be written: it is read-only",
        Some(ErrorCode::CannotOpen) => "cannot be opened",
        Some(ErrorCode::NotADatabase) => "is no SQLite database",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "is locked by another program",
        _ => "cannot be used",
    };
    let is_transient = matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    );
    let error = Error::new(kind, format!("{} {message}", path.display())).with_source(error);
    match is_transient {
        true => TargetError::transient(error),
        false => error.into(),
    }
}
