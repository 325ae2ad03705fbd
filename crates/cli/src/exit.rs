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
    /// The same command can complete it.
    Incomplete,
    Output,
    /// Some of several lists.
    SomeFailed,
    /// By this signal.
    Interrupted(u8),
}

/// What the codes mean, for `--help`.
pub(crate) const HELP: &str = "\
Environment:
  APIFY_RUNS_PAGE_SIZE is --page-size, and so on for each flag but --restart; flags come first

Exit codes:
  0    complete, or whoever reads standard output has read enough of it
  1    failed: the message says why
  2    wrong usage
  3    the checkpoint is one of another export
  4    no token, or one that is not accepted
  5    not complete: no response after all retries, the list moved too often, a
       killed export left something to commit, or watch could not deliver all
       alerts; the same command resumes
  6    the output or the --state of watch is damaged, or another process uses it
  7    some of several lists failed: the table says which, and why
  130  interrupted (SIGINT), with all progress stored; 143 by SIGTERM";

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Complete | Self::BrokenPipe => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::OtherExport => 3,
            Self::Auth => 4,
            Self::Incomplete => 5,
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
            _ if error.is_transient() => Self::Incomplete,
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
        let remedy = match error.kind() {
            ErrorKind::NotFound => {
                "; check the name, and that the token is of the owner if it is private"
            }
            _ => "",
        };
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some print their cause with themselves.
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Self::new(Exit::of(&error), message.replace('\n', " ") + remedy)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Failed, error.to_string())
    }
}

/// Why a request failed, in few words: the first cause, or else what the service says.
pub(crate) fn reason(error: &Error) -> String {
    let mut first: Option<&dyn StdError> = error.source();
    while let Some(cause) = first.and_then(StdError::source) {
        first = Some(cause);
    }
    match first.map(|cause| (cause, cause.downcast_ref::<std::io::Error>())) {
        Some((_, Some(io))) if io.raw_os_error().is_some() => io.kind().to_string(),
        Some((cause, _)) => cause.to_string().replace('\n', " "),
        None => error.message().into(),
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
