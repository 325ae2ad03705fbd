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
        Some(ErrorCode::CannotOpen) => {
            "cannot be opened: check that its folder exists and may be written to"
        }
        Some(ErrorCode::NotADatabase) => "is no SQLite database",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "is locked by another program",
        _ => "cannot be used",
    };
    let is_transient = matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    );
    let error = Error::new(kind, format!("{} {message}", path.display())).with_source(cause(error));
    match is_transient {
        true => TargetError::transient(error),
        false => error.into(),
    }
}

/// The cause of an error, without a text that only repeats what the code means.
fn cause(error: rusqlite::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        rusqlite::Error::SqliteFailure(code, Some(text))
            if code.code == ErrorCode::CannotOpen || code.to_string().contains(&text) =>
        {
            code.into()
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use rusqlite::ffi;

    use super::*;

    #[test]
    fn a_cause_is_not_repeated() {
        for (code, text, causes) in [
            (
                ffi::SQLITE_CANTOPEN,
                "unable to open database file: /a/b.db",
                1,
            ),
            (ffi::SQLITE_IOERR, "disk I/O error", 1),
            (ffi::SQLITE_ERROR, "no such table: runs", 2),
        ] {
            let failure = ffi::Error::new(code);
            let error = rusqlite::Error::SqliteFailure(failure, Some(text.into()));
            let error: Error = target_error(Path::new("b.db"), error).into();
            let chain = std::iter::successors(error.source(), |cause| (*cause).source());
            assert_eq!(chain.count(), causes, "{error}");
        }
    }
}
