//! How the program ends.

use std::error::Error as StdError;
use std::process::ExitCode;

use apify_runs::{Error, ErrorKind};

use crate::flags;

/// The exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Complete,
    /// The reader of standard output has stopped reading.
    BrokenPipe,
    Failed,
    Usage,
    OtherExport,
    Auth,
    GaveUp,
    Output,
    /// Some of several lists.
    SomeFailed,
    /// By this signal.
    Interrupted(u8),
}

/// What the codes mean, for `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0    complete, or whoever reads standard output has read enough of it
  1    failed: the message says why
  2    wrong usage
  3    the checkpoint is one of another export
  4    no token, or one that is not accepted
  5    no response after all retries, or the list moved too often: resume later
  6    the output is damaged, or another export or verify uses it
  7    some of several lists failed: the table says which, and why
  130  interrupted (SIGINT), after a commit; 143 by SIGTERM";

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Complete | Self::BrokenPipe => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::OtherExport => 3,
            Self::Auth => 4,
            Self::GaveUp => 5,
            Self::Output => 6,
            Self::SomeFailed => 7,
            Self::Interrupted(signal) => 128 + signal,
        }
    }

    fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Config => Self::Usage,
            ErrorKind::CursorMismatch => Self::OtherExport,
            ErrorKind::Auth => Self::Auth,
            ErrorKind::Damaged | ErrorKind::Locked => Self::Output,
            _ if error.is_transient() => Self::GaveUp,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why the program fails, and perhaps how to resume.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// A command.
    pub(crate) resume_command: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            resume_command: None,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Adds the command that resumes an export.
    pub(crate) fn with_command(mut self, command: Option<String>) -> Self {
        self.resume_command = command;
        self
    }

    /// Says what the failure is about.
    pub(crate) fn about(mut self, subject: &dyn std::fmt::Display) -> Self {
        self.message = format!("{subject}: {}", self.message);
        self
    }

    /// Exits with the code of a failure that does not pass by itself.
    pub(crate) fn permanent(mut self) -> Self {
        self.exit = Exit::Failed;
        self
    }
}

impl From<Error> for Failure {
    /// With all causes, on one line.
    fn from(error: Error) -> Self {
        let mut message = error
            .setting()
            .map_or_else(|| error.to_string(), flags::message);
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some print their cause with themselves.
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Self::new(Exit::of(&error), message.replace('\n', " "))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Failed, error.to_string())
    }
}

/// Whether the reader of the output has stopped reading.
pub(crate) fn is_broken_pipe(error: &Error) -> bool {
    // A connection to the service may break in the same way.
    if error.kind() != ErrorKind::Output {
        return false;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        let error_of_system = error.downcast_ref::<std::io::Error>();
        if error_of_system.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
            return true;
        }
        cause = error.source();
    }
    false
}
