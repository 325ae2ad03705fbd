//! An output in parts: files that do not change, and a manifest of those that count.

use std::collections::HashSet;

use super::checkpoint::{Checkpoint, Part};
use super::durable::UNFINISHED;
use super::format::Format;
use super::output::Sink;
use super::spec::ExportSpec;
use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind, Result};

/// The name of the manifest. Spark, DuckDB and others pass over what begins like this.
pub(super) const MANIFEST: &str = "_manifest.json";
/// How the name of a part begins.
const PART: &str = "part-";
/// How often a start tries to take over from an export that commits at the same moment.
const TAKE_OVERS: u32 = 5;

/// Where parts are kept. Its methods block.
pub(super) trait Store: Send {
    /// The full name of a file, for errors.
    fn full_name(&self, name: &str) -> String;

    /// Reads the manifest, if there is one, and remembers which one it is.
    fn manifest(&mut self) -> Result<Option<Vec<u8>>>;

    /// Reads the manifest, if there is one, whichever it is.
    fn current_manifest(&self) -> Result<Option<Vec<u8>>>;

    /// Puts a manifest in the place of the one that was read or put last.
    ///
    /// # Errors
    ///
    /// `ErrorKind::Locked` if another one is there, and `ErrorKind::Damaged` if none is.
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
    pub(super) fn open(mut store: S, job: &ExportSpec, restart: bool) -> Result<Self> {
        let mut tries = 1;
        let checkpoint = loop {
            match take_over(&mut store, job, restart) {
                Err(error) if error.kind() == ErrorKind::Locked && tries < TAKE_OVERS => tries += 1,
                taken => break taken?,
            }
        };
        Ok(Self {
            store,
            format: job.format,
            checkpoint,
        })
    }

    /// Removes a part whose manifest was refused, if the one that is there does not list it.
    ///
    /// It may: when an answer was lost, the manifest had taken its place, and another export
    /// has gone on from it.
    fn withdraw(&self, name: &str) {
        let lists = |manifest: &[u8]| {
            Checkpoint::parse(manifest, name).map_or(true, |found| found.lists(name))
        };
        if let Ok(Some(manifest)) = self.store.current_manifest()
            && !lists(&manifest)
        {
            let _ = self.store.delete(name);
        }
    }

    /// A name that no other part has, nor ever had. In the order of the names, the first million
    /// parts are in the order of the walk; the manifest has all of them in that order.
    fn new_name(&self) -> String {
        let (number, noise) = (self.checkpoint.parts().len(), fastrand::u32(..));
        format!("{PART}{number:06}-{noise:08x}.{}", self.format)
    }
}

impl<S: Store> Sink for Parts<S> {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn begins_file(&self) -> bool {
        true
    }

    fn has_parts(&self) -> bool {
        true
    }

    fn commit(&mut self, chunks: Vec<Vec<u8>>, next: Checkpoint) -> Result<()> {
        let mut parts = self.checkpoint.parts().to_vec();
        let mut stored = None;
        if !chunks.is_empty() {
            let chunk = in_one_piece(chunks);
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
            if let Some(name) = stored
                && error.kind() == ErrorKind::Locked
            {
                self.withdraw(&name);
            }
            return Err(error);
        }
        self.checkpoint = next;
        Ok(())
    }
}

/// Usually it is in one piece already.
fn in_one_piece(mut chunks: Vec<Vec<u8>>) -> Vec<u8> {
    match chunks.len() {
        1 => chunks.swap_remove(0),
        _ => chunks.concat(),
    }
}

/// Reads what is committed, and makes it this start's.
fn take_over(store: &mut impl Store, job: &ExportSpec, restart: bool) -> Result<Checkpoint> {
    let name = store.full_name(MANIFEST);
    let stored = store.manifest()?;
    let stored = match &stored {
        Some(text) if !restart => Some(Checkpoint::parse(text, &name)?),
        Some(text) => {
            Checkpoint::check_replaced(text, &name)?;
            None
        }
        None => None,
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
        check_is_free(store, &listed)?;
    }
    let checkpoint = stored.unwrap_or_else(|| Checkpoint {
        parts: Some(Vec::new()),
        ..Checkpoint::new(job.clone(), Cursor::default())
    });
    let checkpoint = Checkpoint {
        writer: format!("{:016x}", fastrand::u64(..)),
        ..checkpoint
    };
    check_is_whole(store, &checkpoint, &listed)?;
    remove_unfinished(store, &listed)?;
    store.replace_manifest(checkpoint.to_json()?)?;
    remove_orphans(store, &checkpoint, &listed)?;
    Ok(checkpoint)
}

/// Why a manifest is not replaced that is not the last one: another one is there, or none.
pub(super) fn not_replaced(place: &str, manifest: &str, is_there: bool) -> Error {
    match is_there {
        true => {
            let message = format!("another export has taken over {place}");
            Error::new(ErrorKind::Locked, message)
        }
        false => Error::new(ErrorKind::Damaged, format!("{manifest} is gone")),
    }
}

/// All parts of a manifest must be there.
fn check_is_whole(store: &impl Store, checkpoint: &Checkpoint, listed: &[String]) -> Result<()> {
    let listed: HashSet<&String> = listed.iter().collect();
    let mut parts = checkpoint.parts().iter();
    let Some(gone) = parts.find(|part| !listed.contains(&part.name)) else {
        return Ok(());
    };
    let message = format!("{} is gone", store.full_name(&gone.name));
    Err(Error::new(ErrorKind::Damaged, message))
}

/// Removes what a crash has left of files that were being written, which may be what fills the
/// disk.
fn remove_unfinished(store: &impl Store, listed: &[String]) -> Result<()> {
    let mut unfinished = listed.iter().filter(|name| is_unfinished(name));
    unfinished.try_for_each(|name| store.delete(name))
}

fn is_unfinished(name: &str) -> bool {
    let name = name.strip_prefix('.');
    let name = name.and_then(|name| name.strip_suffix(UNFINISHED));
    name.is_some_and(|name| name == MANIFEST || is_part(name))
}

/// Removes the parts that do not count.
fn remove_orphans(store: &impl Store, checkpoint: &Checkpoint, listed: &[String]) -> Result<()> {
    let known: HashSet<&String> = checkpoint.parts().iter().map(|part| &part.name).collect();
    let mut orphans = listed
        .iter()
        .filter(|name| is_part(name) && !known.contains(name));
    orphans.try_for_each(|name| store.delete(name))
}

impl Checkpoint {
    /// The parts that count.
    pub(super) fn parts(&self) -> &[Part] {
        self.parts.as_deref().unwrap_or_default()
    }

    fn lists(&self, name: &str) -> bool {
        self.parts().iter().any(|part| part.name == name)
    }
}

/// Whether an export has given a file its name: nothing else may be removed.
pub(super) fn is_part(name: &str) -> bool {
    let is_number = |text: &str| text.len() >= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_noise =
        |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some((place, format)) = name
        .strip_prefix(PART)
        .and_then(|rest| rest.split_once('.'))
    else {
        return false;
    };
    format.parse::<Format>().is_ok()
        && place
            .split_once('-')
            .is_some_and(|(number, noise)| is_number(number) && is_noise(noise))
}

/// A place without a manifest must not hold anybody's parts.
fn check_is_free(store: &impl Store, listed: &[String]) -> Result<()> {
    // Whoever has made it: a reader would take it for one of these.
    let Some(name) = listed.iter().find(|name| name.starts_with(PART)) else {
        return Ok(());
    };
    let name = store.full_name(name);
    let message = format!("{name} is there, but no manifest: it is not removed");
    Err(Error::new(ErrorKind::Damaged, message))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::RunSource;
    use crate::emit::Emit;

    type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;
    type Hook = Mutex<Box<dyn FnMut() + Send>>;

    /// Object storage in memory, on which something else happens at two moments.
    struct Memory {
        files: Files,
        known: Option<Vec<u8>>,
        /// Before files are listed.
        before_list: Hook,
        /// After a manifest was replaced. If it is another one by then, the response is taken to be
        /// lost, and the request to be repeated in vain.
        after_replace: Hook,
    }

    impl Memory {
        fn new(files: &Files) -> Self {
            Self {
                files: Arc::clone(files),
                known: None,
                before_list: Mutex::new(Box::new(|| ())),
                after_replace: Mutex::new(Box::new(|| ())),
            }
        }

        fn check_known(&self) -> Result<()> {
            let found = self.current_manifest()?;
            match found == self.known {
                true => Ok(()),
                false => Err(not_replaced("memory", MANIFEST, found.is_some())),
            }
        }
    }

    impl Store for Memory {
        fn full_name(&self, name: &str) -> String {
            name.into()
        }

        fn manifest(&mut self) -> Result<Option<Vec<u8>>> {
            self.known = self.current_manifest()?;
            Ok(self.known.clone())
        }

        fn current_manifest(&self) -> Result<Option<Vec<u8>>> {
            Ok(self.files.lock().unwrap().get(MANIFEST).cloned())
        }

        fn replace_manifest(&mut self, manifest: Vec<u8>) -> Result<()> {
            self.check_known()?;
            let mut files = self.files.lock().unwrap();
            files.insert(MANIFEST.into(), manifest.clone());
            drop(files);
            self.known = Some(manifest);
            self.after_replace.get_mut().unwrap()();
            self.check_known()
        }

        fn put(&mut self, name: &str, part: Vec<u8>) -> Result<()> {
            self.files.lock().unwrap().insert(name.into(), part);
            Ok(())
        }

        fn list(&self) -> Result<Vec<String>> {
            self.before_list.lock().unwrap()();
            Ok(self.files.lock().unwrap().keys().cloned().collect())
        }

        fn delete(&self, name: &str) -> Result<()> {
            self.files.lock().unwrap().remove(name);
            Ok(())
        }
    }

    fn open(store: Memory) -> Result<Parts<Memory>> {
        let job = ExportSpec {
            query: RunSource::from("a"),
            emit: Emit::Snapshot,
            format: Format::JSONL,
            fields: Vec::new(),
            labels: BTreeMap::new(),
        };
        Parts::open(store, &job, false)
    }

    /// Commits one part of one row.
    fn commit(parts: &mut Parts<Memory>) -> Result<()> {
        let mut next = parts.checkpoint().clone();
        next.committed.rows += 1;
        parts.commit(vec![b"{}\n".to_vec()], next)
    }

    /// How many parts the manifest lists. They, and nothing else, have to be there.
    #[track_caller]
    fn whole(files: &Files) -> usize {
        let files = files.lock().unwrap();
        let manifest = Checkpoint::parse(&files[MANIFEST], MANIFEST).unwrap();
        let listed = manifest.parts().iter().map(|part| part.name.as_str());
        let mut expected: Vec<_> = listed.chain([MANIFEST]).collect();
        expected.sort_unstable();
        assert_eq!(files.keys().collect::<Vec<_>>(), expected);
        manifest.parts().len()
    }

    /// To an export that starts, a part whose manifest comes a moment later is an orphan.
    #[test]
    fn a_part_that_is_committed_during_a_take_over_is_not_removed() {
        let files = Files::default();
        let mut running = open(Memory::new(&files)).unwrap();
        commit(&mut running).unwrap();
        let running = Arc::new(Mutex::new(running));
        let (commits, mut times) = (Arc::clone(&running), 0);
        let mut store = Memory::new(&files);
        store.before_list = Mutex::new(Box::new(move || {
            times += 1;
            if times == 1 {
                commit(&mut commits.lock().unwrap()).unwrap();
            }
        }));
        let mut later = open(store).unwrap();
        assert_eq!((later.checkpoint().parts().len(), whole(&files)), (2, 2));

        let error = commit(&mut running.lock().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        assert_eq!(whole(&files), 2);
        commit(&mut later).unwrap();
        assert_eq!(whole(&files), 3);
    }

    #[test]
    fn an_export_that_cannot_take_over_removes_nothing() {
        let files = Files::default();
        let running = Arc::new(Mutex::new(open(Memory::new(&files)).unwrap()));
        let commits = Arc::clone(&running);
        let mut store = Memory::new(&files);
        store.before_list = Mutex::new(Box::new(move || {
            commit(&mut commits.lock().unwrap()).unwrap()
        }));
        let error = open(store).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        assert_eq!(whole(&files), TAKE_OVERS as usize);
        commit(&mut running.lock().unwrap()).unwrap();
        assert_eq!(whole(&files), TAKE_OVERS as usize + 1);
    }

    /// The response to a manifest is lost, and another export goes on from that manifest.
    #[test]
    fn a_part_that_another_export_has_gone_on_from_is_not_removed() {
        let files = Files::default();
        let (others, later) = (Arc::clone(&files), Arc::new(Mutex::new(None)));
        let (taken, mut times) = (Arc::clone(&later), 0);
        let mut store = Memory::new(&files);
        store.after_replace = Mutex::new(Box::new(move || {
            times += 1;
            // The first one is that of its start.
            if times == 2 {
                *taken.lock().unwrap() = Some(open(Memory::new(&others)).unwrap());
            }
        }));
        let error = commit(&mut open(store).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        assert_eq!(whole(&files), 1);
        commit(later.lock().unwrap().as_mut().unwrap()).unwrap();
        assert_eq!(whole(&files), 2);
    }

    #[test]
    fn only_what_an_export_names_like_that_is_a_part() {
        for name in [
            "part-000000-0badc0de.jsonl",
            "part-1000000-0badc0de.csv.zst",
            "part-000007-0badc0de.parquet",
        ] {
            assert!(is_part(name), "{name}");
            assert!(is_unfinished(&format!(".{name}.unfinished")), "{name}");
        }
        for name in [
            "",
            "/dev/zero",
            "part-list.txt",
            "part-00000-c000.snappy.parquet",
            "part-000000-0badc0de.txt",
            "part-000000-0badc0de",
            "part-000000-0badc0de.jsonl/../../secret",
            "part-000000-0badc0de./../jsonl",
            "../part-000000-0badc0de.jsonl",
        ] {
            assert!(!is_part(name), "{name}");
            assert!(!is_unfinished(&format!(".{name}.unfinished")), "{name}");
        }
        assert!(is_unfinished("._manifest.json.unfinished"));
        assert!(!is_unfinished("part-000000-0badc0de.jsonl"));
    }
}
