//! The file that stores the state of a watch.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apify_runs::Cursor;
use chrono::{DateTime, Utc};
use fs4::{FileExt, TryLockError};
use serde::{Deserialize, Serialize};

use super::alert::Alert;
use super::digest::Digest;
use crate::exit::{Exit, Failure};
use crate::replace::{cannot_write, hidden, replace_file};

/// The version of the file that is read and written.
const VERSION: u64 = 1;

/// What is stored between two starts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    version: u64,
    /// By their names. A list that is no longer watched keeps its place.
    pub(crate) lists: BTreeMap<String, ListState>,
    /// By the names of their sinks.
    pub(crate) queues: BTreeMap<String, Queue>,
    /// The alerts since the last summary.
    pub(crate) digest: Option<Digest>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListState {
    /// Runs that started earlier are not watched.
    pub(crate) started_after: DateTime<Utc>,
    /// Runs that ended earlier raise no alert.
    pub(crate) ended_after: DateTime<Utc>,
    /// All alerts of the rows before it are in the queues, or delivered.
    pub(crate) cursor: Cursor,
    /// Runs with an alert because they have not finished, and when they were seen last.
    pub(crate) running: BTreeMap<String, DateTime<Utc>>,
}

/// The alerts that a sink has still to deliver.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Queue {
    pub(crate) waiting: VecDeque<Alert>,
    /// Alerts that the receiver has refused. They are tried again later.
    pub(crate) refused: VecDeque<Alert>,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.refused.len()
    }

    /// Moves refused alerts to the end of the queue, where they delay none that was not tried.
    pub(crate) fn try_refused_again(&mut self) {
        self.waiting.append(&mut self.refused);
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: VERSION,
            lists: BTreeMap::new(),
            queues: BTreeMap::new(),
            digest: None,
        }
    }
}

/// The file, locked against other watches.
#[derive(Clone)]
pub(crate) struct StateFile {
    path: PathBuf,
    _lock: Arc<File>,
}

impl StateFile {
    /// Opens and locks the file. It need not exist yet.
    pub(crate) fn open(path: &Path) -> Result<(Self, State), Failure> {
        let lock = lock(path)?;
        let state = match fs::read(path) {
            Ok(bytes) => read(path, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(failure(path, &format!("cannot be read: {error}"))),
        };
        let path = path.to_owned();
        let _lock = Arc::new(lock);
        Ok((Self { path, _lock }, state))
    }

    /// Replaces the file, as a whole or not at all.
    pub(crate) fn replace(&self, state: &[u8]) -> Result<(), Failure> {
        replace_file(&self.path, ".unfinished", state)
    }
}

fn lock(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    // The file itself is replaced at each write, so another one is locked.
    let file = options.open(hidden(path, ".lock"));
    let file = file.map_err(|error| cannot_write(path, &error))?;
    match FileExt::try_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(failure(
            path,
            "is in use by another watch: name another file with --state",
        )),
        Err(TryLockError::Error(error)) => {
            Err(failure(path, &format!("cannot be locked: {error}")))
        }
    }
}

fn read(path: &Path, bytes: &[u8]) -> Result<State, Failure> {
    #[derive(Deserialize)]
    struct Head {
        version: u64,
    }
    let remedy = "name another file with --state, or remove it to start from now";
    let unreadable = |error: serde_json::Error| {
        let message = format!("is not the state of a watch ({error}): {remedy}");
        failure(path, &message)
    };
    let head: Head = serde_json::from_slice(bytes).map_err(unreadable)?;
    if head.version != VERSION {
        let version = head.version;
        let message = format!("has version {version}, and this program reads {VERSION}: {remedy}");
        return Err(failure(path, &message));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

fn failure(path: &Path, what: &str) -> Failure {
    Failure::new(Exit::Output, format!("{} {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.json");
        let (file, mut state) = StateFile::open(&path).unwrap();
        let now = Utc::now();
        state.digest = Some(Digest::new(now));
        state.lists.insert(
            "account".into(),
            ListState {
                started_after: now,
                ended_after: now,
                cursor: Cursor::default(),
                running: BTreeMap::new(),
            },
        );
        file.replace(&serde_json::to_vec(&state).unwrap()).unwrap();
        let second = StateFile::open(&path).map(|_| ()).unwrap_err();
        assert_eq!(second.exit, Exit::Output);
        drop(file);
        let (_file, again) = StateFile::open(&path).unwrap();
        assert_eq!(again.lists["account"].ended_after, now);
        assert_eq!(again.digest, state.digest);
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.json");
        for (text, part) in [
            ("{}", "is not the state"),
            (r#"{"version": 9}"#, "has version 9"),
        ] {
            fs::write(&path, text).unwrap();
            let failure = StateFile::open(&path).map(|_| ()).unwrap_err();
            assert_eq!(failure.exit, Exit::Output);
            assert!(failure.message.contains(part), "{}", failure.message);
        }
    }
}
