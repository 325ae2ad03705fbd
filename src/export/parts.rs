//! An output in parts: files that do not change, and a manifest of those that count.

use super::checkpoint::{Checkpoint, Part};
use super::format::Format;
use super::job::Job;
use super::output::Target;
use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind, Result};

/// The name of the manifest. Spark, DuckDB and others pass over what begins like this.
pub(super) const MANIFEST: &str = "_manifest.json";
/// How the name of a part begins.
const PART: &str = "part-";

/// Where parts are kept. Its methods block.
pub(super) trait Store: Send {
    /// The full name of a file, for errors.
    fn full_name(&self, name: &str) -> String;

    /// Reads the manifest, if there is one, and remembers which one it is.
    fn manifest(&mut self) -> Result<Option<Vec<u8>>>;

    /// Puts a manifest in the place of the one that was read or put last.
    ///
    /// # Errors
    ///
    /// `ErrorKind::Locked` if another one is there.
    fn replace_manifest(&mut self, manifest: Vec<u8>) -> Result<()>;

    /// Stores a part, which is permanent when this returns.
    fn put(&mut self, name: &str, part: Vec<u8>) -> Result<()>;

    /// The names of all files that are there.
    fn list(&self) -> Result<Vec<String>>;

    /// Removes a file.
    fn delete(&self, name: &str) -> Result<()>;
}

/// Parts in a store.
///
/// A commit stores a part under a name that nobody has used, and then replaces the manifest
/// with one that lists it, and holds the cursor behind it. A part that no manifest lists does
/// not count; the next start removes it.
///
/// Each start first puts a manifest of its own in the place of the last one. From then on, an
/// export that still runs on another machine cannot replace it, so that its parts never count
/// and may be removed.
pub(super) struct Parts<S> {
    store: S,
    format: Format,
    checkpoint: Checkpoint,
}

impl<S: Store> Parts<S> {
    pub(super) fn open(mut store: S, job: &Job, restart: bool) -> Result<Self> {
        let name = store.full_name(MANIFEST);
        let stored = store.manifest()?;
        let stored = match &stored {
            Some(text) if !restart => Some(Checkpoint::parse(text, &name)?),
            _ => None,
        };
        if let Some(stored) = &stored {
            stored.check(job, &name)?;
            if stored.parts.is_none() {
                let message = format!("{name} is the checkpoint of one file");
                return Err(Error::new(ErrorKind::Damaged, message));
            }
        }
        let listed = store.list()?;
        if stored.is_none() && !restart {
            check_is_free(&store, &listed)?;
        }
        let checkpoint = stored.unwrap_or_else(|| Checkpoint {
            parts: Some(Vec::new()),
            ..Checkpoint::new(job.clone(), Cursor::default())
        });
        let checkpoint = Checkpoint {
            writer: format!("{:016x}", fastrand::u64(..)),
            ..checkpoint
        };
        let known = |name: &String| checkpoint.parts().iter().any(|part| part.name == *name);
        for part in checkpoint.parts() {
            if !listed.contains(&part.name) {
                let message = format!("{} is gone", store.full_name(&part.name));
                return Err(Error::new(ErrorKind::Damaged, message));
            }
        }
        store.replace_manifest(checkpoint.to_json()?)?;
        let orphans = listed.iter().filter(|name| is_part(name) && !known(name));
        orphans
            .into_iter()
            .try_for_each(|name| store.delete(name))?;
        Ok(Self {
            store,
            format: job.format,
            checkpoint,
        })
    }

    /// A name that no other part has, nor ever had. In the order of the names, parts are in
    /// the order of the walk.
    fn new_name(&self) -> String {
        let (number, noise) = (self.checkpoint.parts().len(), fastrand::u32(..));
        format!("{PART}{number:06}-{noise:08x}.{}", self.format)
    }
}

impl<S: Store> Target for Parts<S> {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn begins_file(&self) -> bool {
        true
    }

    fn has_parts(&self) -> bool {
        true
    }

    fn commit(&mut self, chunk: Vec<u8>, next: Checkpoint) -> Result<()> {
        let mut parts = self.checkpoint.parts().to_vec();
        let mut stored = None;
        if !chunk.is_empty() {
            let name = self.new_name();
            parts.push(Part {
                name: name.clone(),
                rows: next.committed.rows - self.checkpoint.committed.rows,
                length: chunk.len() as u64,
                crc32: crc32fast::hash(&chunk),
            });
            self.store.put(&name, chunk)?;
            stored = Some(name);
        }
        let next = Checkpoint {
            parts: Some(parts),
            writer: self.checkpoint.writer.clone(),
            ..next
        };
        if let Err(error) = self.store.replace_manifest(next.to_json()?) {
            // Only then it is certain that the manifest does not list it.
            if let Some(name) = stored
                && error.kind() == ErrorKind::Locked
            {
                let _ = self.store.delete(&name);
            }
            return Err(error);
        }
        self.checkpoint = next;
        Ok(())
    }
}

impl Checkpoint {
    /// The parts that count.
    pub(super) fn parts(&self) -> &[Part] {
        self.parts.as_deref().unwrap_or_default()
    }
}

fn is_part(name: &str) -> bool {
    name.starts_with(PART)
}

/// A place without a manifest must not hold anybody's parts.
fn check_is_free(store: &impl Store, listed: &[String]) -> Result<()> {
    let Some(name) = listed.iter().find(|name| is_part(name)) else {
        return Ok(());
    };
    let name = store.full_name(name);
    let message = format!(
        "{name} is there, but no manifest: name another place, or start again with restart, \
         which removes all parts"
    );
    Err(Error::new(ErrorKind::Damaged, message))
}
