//! An output in parts: files that do not change, and a manifest of those that count.

use std::collections::HashSet;

use super::checkpoint::Checkpoint;
use super::part_names::{MANIFEST, PART, is_part, is_segment, is_unfinished, new_part};
use super::part_store::PartStore;
use super::segment::{self, Listing, MAX_LISTED_PARTS, PartEntry, SegmentRef};
use super::sink::{Commit, Sink};
use super::spec::ExportSpec;
use crate::error::{Error, ErrorKind, Result};

/// How often a start tries to take over from an export that commits at the same moment.
const TAKE_OVERS: u32 = 5;

/// Parts in a store.
///
/// A commit stores a part under a new name, and then replaces the manifest
/// with one that lists it, and holds the cursor behind it. A part that no manifest lists does
/// not count; the next start removes it. So it is with the [segments](segment) of the manifest.
///
/// Each start first puts a manifest of its own in the place of the last one. From then on, an
/// export that still runs on another machine cannot replace it, so that its parts never count
/// and may be removed.
pub(super) struct PartsSink<S> {
    store: S,
    checkpoint: Checkpoint,
    /// How many parts the manifest lists itself.
    max_listed: usize,
}

impl<S: PartStore> PartsSink<S> {
    pub(super) fn open(mut store: S, spec: &ExportSpec, restart: bool) -> Result<Self> {
        let mut tries = 1;
        let checkpoint = loop {
            match take_over(&mut store, spec, restart) {
                Err(error) if error.kind() == ErrorKind::Locked && tries < TAKE_OVERS => tries += 1,
                taken => break taken?,
            }
        };
        Ok(Self {
            store,
            checkpoint,
            max_listed: MAX_LISTED_PARTS,
        })
    }

    /// Stores what is to be committed, and then the manifest that says so. `stored` gets the names
    /// of the files that are new.
    fn store(&mut self, commit: Commit, stored: &mut Vec<String>) -> Result<()> {
        if !commit.chunks.is_empty() {
            if self.checkpoint.parts().len() >= self.max_listed {
                self.store_segment(stored)?;
            }
            let rows = commit.committed.rows - self.checkpoint.committed.rows;
            self.store_part(in_one_piece(commit.chunks), rows, stored)?;
        }
        self.checkpoint.committed = commit.committed;
        self.checkpoint.cursor = commit.cursor;
        self.store.replace_manifest(self.checkpoint.to_json()?)
    }

    /// Lists the parts of the manifest in a segment, in place of the manifest itself.
    fn store_segment(&mut self, stored: &mut Vec<String>) -> Result<()> {
        let parts = self.checkpoint.parts.take().unwrap_or_default();
        let (reference, json) = segment::make(parts, self.checkpoint.segment.take())?;
        self.store.put(&reference.name, json)?;
        stored.push(reference.name.clone());
        self.checkpoint.version = segment::VERSION;
        self.checkpoint.segment = Some(reference);
        Ok(())
    }

    fn store_part(&mut self, bytes: Vec<u8>, rows: u64, stored: &mut Vec<String>) -> Result<()> {
        let (number, format) = (self.checkpoint.part_count(), self.checkpoint.format());
        let part = PartEntry {
            name: new_part(number, format),
            rows,
            length: bytes.len() as u64,
            crc32: crc32fast::hash(&bytes),
        };
        self.store.put(&part.name, bytes)?;
        stored.push(part.name.clone());
        self.checkpoint.parts.get_or_insert_default().push(part);
        Ok(())
    }

    /// Removes files whose manifest was refused, unless the current one lists them.
    ///
    /// It may: when a response was lost, the manifest had taken its place, and another export
    /// has resumed from it.
    fn withdraw(&self, names: &[String]) {
        let Ok(listing) = self.current_listing() else {
            return;
        };
        let listed = names_of(&listing);
        for name in names.iter().filter(|name| !listed.contains(name.as_str())) {
            let _ = self.store.delete(name);
        }
    }

    fn current_listing(&self) -> Result<Listing> {
        let name = self.store.full_name(MANIFEST);
        let manifest = self.store.current_manifest()?;
        let manifest = manifest.ok_or_else(|| Error::new(ErrorKind::Damaged, "no manifest"))?;
        read_listing(&self.store, &Checkpoint::parse(&manifest, &name)?)
    }
}

impl<S: PartStore> Sink for PartsSink<S> {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn begins_file(&self) -> bool {
        true
    }

    fn has_parts(&self) -> bool {
        true
    }

    fn commit(&mut self, commit: Commit) -> Result<()> {
        let mut stored = Vec::new();
        let result = self.store(commit, &mut stored);
        if let Err(error) = &result
            && error.kind() == ErrorKind::Locked
        {
            self.withdraw(&stored);
        }
        result
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
fn take_over(store: &mut impl PartStore, spec: &ExportSpec, restart: bool) -> Result<Checkpoint> {
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
        stored.check(spec, &name)?;
        if stored.parts.is_none() {
            let message = format!("{name} is the checkpoint of one file");
            return Err(Error::new(ErrorKind::Damaged, message));
        }
    }
    let is_new = stored.is_none();
    let checkpoint = stored.unwrap_or_else(|| Checkpoint {
        parts: Some(Vec::new()),
        ..Checkpoint::new(spec.clone())
    });
    let listing = read_listing(store, &checkpoint)?;
    let found = store.list()?;
    if is_new && !restart {
        check_is_free(store, &found)?;
    }
    let checkpoint = Checkpoint {
        writer: format!("{:016x}", fastrand::u64(..)),
        ..checkpoint
    };
    check_is_whole(store, &listing, &found)?;
    remove_unfinished(store, &found)?;
    store.replace_manifest(checkpoint.to_json()?)?;
    remove_orphans(store, &listing, &found)?;
    Ok(checkpoint)
}

/// Reads which parts there are. Each segment must be there, and whole.
fn read_listing(store: &impl PartStore, manifest: &Checkpoint) -> Result<Listing> {
    let find = |segment: &SegmentRef| store.find(&segment.name, segment.length);
    Listing::read(manifest.listing(), find)?.complete(|name| store.full_name(name))
}

/// The names of all parts, and of the segments that list them.
fn names_of(listing: &Listing) -> HashSet<&str> {
    let parts = listing.parts.iter().map(|part| &part.name);
    parts.chain(&listing.segments).map(String::as_str).collect()
}

/// All parts must be there.
fn check_is_whole(store: &impl PartStore, listing: &Listing, found: &[String]) -> Result<()> {
    let found: HashSet<&String> = found.iter().collect();
    let mut parts = listing.parts.iter();
    let Some(gone) = parts.find(|part| !found.contains(&part.name)) else {
        return Ok(());
    };
    let message = format!("{} is gone", store.full_name(&gone.name));
    Err(Error::new(ErrorKind::Damaged, message))
}

/// Removes what a crash has left of files that were being written, which may be what fills the
/// disk.
fn remove_unfinished(store: &impl PartStore, found: &[String]) -> Result<()> {
    let mut unfinished = found.iter().filter(|name| is_unfinished(name));
    unfinished.try_for_each(|name| store.delete(name))
}

/// Removes the parts and segments that do not count.
fn remove_orphans(store: &impl PartStore, listing: &Listing, found: &[String]) -> Result<()> {
    let listed = names_of(listing);
    let is_ours = |name: &String| is_part(name) || is_segment(name);
    let mut orphans = found
        .iter()
        .filter(|name| is_ours(name) && !listed.contains(name.as_str()));
    orphans.try_for_each(|name| store.delete(name))
}

/// A place without a manifest must not hold anybody's parts.
fn check_is_free(store: &impl PartStore, found: &[String]) -> Result<()> {
    // Whoever has made it: a reader would take it for one of these.
    let is_taken = |name: &&String| name.starts_with(PART) || is_segment(name);
    let Some(name) = found.iter().find(is_taken) else {
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
    use crate::export::format::Format;
    use crate::export::part_store::{Found, not_replaced};

    type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;
    type Hook = Mutex<Box<dyn FnMut() + Send>>;

    /// How many parts the manifests of these tests list themselves.
    const MAX_LISTED: usize = 2;

    /// Object storage in memory, on which something else happens at two moments.
    struct MemoryStore {
        files: Files,
        known: Option<Vec<u8>>,
        /// How many changes are still made before the machine crashes.
        steps: Mutex<Option<usize>>,
        /// Before files are listed.
        before_list: Hook,
        /// After a manifest was replaced. If it is another one by then, the response is taken to be
        /// lost, and the request to be repeated in vain.
        after_replace: Hook,
    }

    impl MemoryStore {
        fn new(files: &Files) -> Self {
            Self {
                files: Arc::clone(files),
                known: None,
                steps: Mutex::default(),
                before_list: Mutex::new(Box::new(|| ())),
                after_replace: Mutex::new(Box::new(|| ())),
            }
        }

        /// A store whose machine crashes after so many changes.
        fn crashing(files: &Files, steps: usize) -> Self {
            Self {
                steps: Mutex::new(Some(steps)),
                ..Self::new(files)
            }
        }

        fn step(&self) -> Result<()> {
            match &mut *self.steps.lock().unwrap() {
                Some(0) => return Err(Error::new(ErrorKind::Output, "the machine has crashed")),
                Some(steps) => *steps -= 1,
                None => {}
            }
            Ok(())
        }

        fn check_known(&self) -> Result<()> {
            let found = self.current_manifest()?;
            match found == self.known {
                true => Ok(()),
                false => Err(not_replaced("memory", MANIFEST, found.is_some())),
            }
        }
    }

    impl PartStore for MemoryStore {
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
            self.step()?;
            let mut files = self.files.lock().unwrap();
            files.insert(MANIFEST.into(), manifest.clone());
            drop(files);
            self.known = Some(manifest);
            self.after_replace.get_mut().unwrap()();
            self.check_known()
        }

        fn put(&mut self, name: &str, bytes: Vec<u8>) -> Result<()> {
            self.step()?;
            self.files.lock().unwrap().insert(name.into(), bytes);
            Ok(())
        }

        fn find(&self, name: &str, length: u64) -> Result<Found> {
            Ok(match self.files.lock().unwrap().get(name) {
                None => Found::Nothing,
                Some(bytes) if bytes.len() as u64 != length => Found::OtherLength,
                Some(bytes) => Found::Bytes(bytes.clone()),
            })
        }

        fn list(&self) -> Result<Vec<String>> {
            self.before_list.lock().unwrap()();
            Ok(self.files.lock().unwrap().keys().cloned().collect())
        }

        fn delete(&self, name: &str) -> Result<()> {
            self.step()?;
            self.files.lock().unwrap().remove(name);
            Ok(())
        }
    }

    fn spec() -> ExportSpec {
        ExportSpec {
            source: RunSource::from("a"),
            emit: Emit::Snapshot,
            format: Format::default(),
            fields: Vec::new(),
            labels: BTreeMap::new(),
        }
    }

    fn open(store: MemoryStore) -> Result<PartsSink<MemoryStore>> {
        let mut sink = PartsSink::open(store, &spec(), false)?;
        sink.max_listed = MAX_LISTED;
        Ok(sink)
    }

    /// Commits one part of one row, which is its number.
    fn commit<S: PartStore>(sink: &mut PartsSink<S>) -> Result<()> {
        let mut committed = sink.checkpoint().committed;
        let row = format!("{}\n", committed.rows);
        committed.rows += 1;
        sink.commit(Commit {
            chunks: vec![row.into()],
            committed,
            cursor: Arc::default(),
        })
    }

    fn files_of(parts: usize) -> Files {
        let files = Files::default();
        let mut sink = open(MemoryStore::new(&files)).unwrap();
        for _ in 0..parts {
            commit(&mut sink).unwrap();
        }
        files
    }

    fn manifest(files: &Files) -> Checkpoint {
        Checkpoint::parse(&files.lock().unwrap()[MANIFEST], MANIFEST).unwrap()
    }

    /// How many parts are listed, each with the row after those before it. They and their
    /// segments, and nothing else, have to be there.
    #[track_caller]
    fn whole(files: &Files) -> usize {
        let manifest = manifest(files);
        let listing = read_listing(&MemoryStore::new(files), &manifest).unwrap();
        let files = files.lock().unwrap();
        for (row, part) in listing.parts.iter().enumerate() {
            assert_eq!(files[&part.name], format!("{row}\n").into_bytes());
        }
        let mut expected = names_of(&listing);
        expected.insert(MANIFEST);
        assert_eq!(
            files.keys().map(String::as_str).collect::<HashSet<_>>(),
            expected
        );
        let count = listing.parts.len();
        assert_eq!(manifest.rows(), count as u64);
        assert_eq!(manifest.part_count(), count as u64);
        let bytes: u64 = listing.parts.iter().map(|part| part.length).sum();
        assert_eq!(manifest.bytes(), bytes);
        count
    }

    /// To an export that starts, a part whose manifest comes a moment later is an orphan.
    #[test]
    fn a_part_that_is_committed_during_a_take_over_is_not_removed() {
        let files = Files::default();
        let mut running = open(MemoryStore::new(&files)).unwrap();
        commit(&mut running).unwrap();
        let running = Arc::new(Mutex::new(running));
        let (commits, mut times) = (Arc::clone(&running), 0);
        let mut store = MemoryStore::new(&files);
        store.before_list = Mutex::new(Box::new(move || {
            times += 1;
            if times == 1 {
                commit(&mut commits.lock().unwrap()).unwrap();
            }
        }));
        let mut later = open(store).unwrap();
        assert_eq!(
            (later.checkpoint().part_count() as usize, whole(&files)),
            (2, 2)
        );

        let error = commit(&mut running.lock().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        assert_eq!(whole(&files), 2);
        commit(&mut later).unwrap();
        assert_eq!(whole(&files), 3);
    }

    #[test]
    fn an_export_that_cannot_take_over_removes_nothing() {
        let files = Files::default();
        let running = Arc::new(Mutex::new(open(MemoryStore::new(&files)).unwrap()));
        let commits = Arc::clone(&running);
        let mut store = MemoryStore::new(&files);
        store.before_list = Mutex::new(Box::new(move || {
            commit(&mut commits.lock().unwrap()).unwrap()
        }));
        let error = open(store).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        assert_eq!(whole(&files), TAKE_OVERS as usize);
        commit(&mut running.lock().unwrap()).unwrap();
        assert_eq!(whole(&files), TAKE_OVERS as usize + 1);
    }

    /// The response to a manifest is lost, and another export resumes from that manifest.
    #[test]
    fn a_part_that_another_export_has_gone_on_from_is_not_removed() {
        let files = Files::default();
        let (others, later) = (Arc::clone(&files), Arc::new(Mutex::new(None)));
        let (taken, mut times) = (Arc::clone(&later), 0);
        let mut store = MemoryStore::new(&files);
        store.after_replace = Mutex::new(Box::new(move || {
            times += 1;
            // The first one is that of its start.
            if times == 2 {
                *taken.lock().unwrap() = Some(open(MemoryStore::new(&others)).unwrap());
            }
        }));
        let error = commit(&mut open(store).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        assert_eq!(whole(&files), 1);
        commit(later.lock().unwrap().as_mut().unwrap()).unwrap();
        assert_eq!(whole(&files), 2);
    }

    #[test]
    fn a_manifest_lists_the_newest_parts_and_its_segments_the_others() {
        let files = Files::default();
        let mut sink = open(MemoryStore::new(&files)).unwrap();
        for count in 1..=10 {
            commit(&mut sink).unwrap();
            assert_eq!(whole(&files), count);
            let manifest = manifest(&files);
            assert!((1..=MAX_LISTED).contains(&manifest.parts().len()));
            // Whoever knows no segments must not take it for all there is.
            let has_segments = count > MAX_LISTED;
            assert_eq!(manifest.segment.is_some(), has_segments);
            assert_eq!(manifest.version, if has_segments { 2 } else { 1 });
        }
        let sink = open(MemoryStore::new(&files)).unwrap();
        assert_eq!(sink.checkpoint().part_count(), 10);
        assert_eq!(whole(&files), 10);
    }

    /// A commit without rows moves the cursor, and nothing else.
    #[test]
    fn a_commit_without_rows_makes_no_segment() {
        let files = files_of(MAX_LISTED);
        let mut sink = open(MemoryStore::new(&files)).unwrap();
        let committed = sink.checkpoint().committed;
        let cursor = Arc::default();
        let chunks = Vec::new();
        sink.commit(Commit {
            chunks,
            committed,
            cursor,
        })
        .unwrap();
        assert!(manifest(&files).segment.is_none());
        assert_eq!(whole(&files), MAX_LISTED);
    }

    /// A crash before each change that a start and five commits make, and another one in the
    /// start after it.
    #[test]
    fn whenever_it_crashes_what_is_committed_counts_and_nothing_else() {
        let run = |files: &Files, steps: usize| -> Result<()> {
            let mut sink = open(MemoryStore::crashing(files, steps))?;
            (0..5).try_for_each(|_| commit(&mut sink))
        };
        let mut steps = 0;
        loop {
            let files = files_of(3);
            let is_done = run(&files, steps).is_ok();
            let committed = manifest(&files).rows() as usize;
            for steps in 0..3 {
                let _ = open(MemoryStore::crashing(&files, steps));
            }
            let mut sink = open(MemoryStore::new(&files)).unwrap();
            assert_eq!(whole(&files), committed);
            commit(&mut sink).unwrap();
            assert_eq!(whole(&files), committed + 1);
            if is_done {
                break;
            }
            steps += 1;
        }
        // A manifest at the start, and two or three files for each commit.
        assert_eq!(steps, 1 + 5 * 2 + 2);
    }

    #[test]
    fn a_start_removes_what_no_manifest_lists() {
        let files = files_of(5);
        let orphans = [
            "part-000007-0badc0de.jsonl",
            "_segment-000004-0badc0de.json",
        ];
        let unfinished = orphans.map(|name| format!(".{name}.unfinished"));
        for name in orphans
            .iter()
            .copied()
            .chain(unfinished.iter().map(String::as_str))
        {
            files.lock().unwrap().insert(name.into(), b"{}".to_vec());
        }
        open(MemoryStore::new(&files)).unwrap();
        assert_eq!(whole(&files), 5);
        let _ = PartsSink::open(MemoryStore::new(&files), &spec(), true).unwrap();
        assert_eq!(whole(&files), 0);
    }

    #[test]
    fn segments_without_a_manifest_are_refused() {
        let files = files_of(5);
        files.lock().unwrap().retain(|name, _| is_segment(name));
        let before = files.lock().unwrap().clone();
        let error = open(MemoryStore::new(&files)).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert_eq!(*files.lock().unwrap(), before);
    }

    /// Another export takes over between a segment and the manifest that refers to it.
    #[test]
    fn a_segment_that_is_too_late_is_withdrawn() {
        let files = files_of(MAX_LISTED);
        let mut running = open(MemoryStore::new(&files)).unwrap();
        let mut later = open(MemoryStore::new(&files)).unwrap();
        commit(&mut later).unwrap();
        let error = commit(&mut running).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        assert_eq!(whole(&files), MAX_LISTED + 1);
        commit(&mut later).unwrap();
        assert_eq!(whole(&files), MAX_LISTED + 2);
    }

    /// The response to a manifest is lost, and another export resumes from that manifest until
    /// the part is listed in a segment of its own.
    #[test]
    fn a_part_that_another_export_lists_in_a_segment_is_not_withdrawn() {
        let files = files_of(MAX_LISTED);
        let (others, mut times) = (Arc::clone(&files), 0);
        let mut store = MemoryStore::new(&files);
        store.after_replace = Mutex::new(Box::new(move || {
            times += 1;
            if times == 2 {
                let mut later = open(MemoryStore::new(&others)).unwrap();
                (0..3).for_each(|_| commit(&mut later).unwrap());
            }
        }));
        let error = commit(&mut open(store).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
        assert_eq!(whole(&files), MAX_LISTED + 4);
    }

    #[test]
    fn a_segment_that_is_missing_or_damaged_is_named_and_nothing_is_touched() {
        let segments = |files: &Files| {
            let names = files.lock().unwrap().keys().cloned().collect::<Vec<_>>();
            names
                .into_iter()
                .filter(|name| is_segment(name))
                .collect::<Vec<_>>()
        };
        let names = segments(&files_of(7));
        assert_eq!(names.len(), 3);
        for place in 0..3 {
            for (damage, expected) in [
                (None, "is missing: the oldest"),
                (Some(0), "was changed by something else: the oldest"),
                (Some(1), "was changed by something else: the oldest"),
            ] {
                let files = files_of(7);
                let name = segments(&files).swap_remove(place);
                let mut stored = files.lock().unwrap();
                match (damage, stored.get_mut(&name).unwrap()) {
                    (None, _) => drop(stored.remove(&name)),
                    (Some(0), bytes) => bytes[20] ^= 1,
                    (_, bytes) => drop(bytes.pop()),
                }
                // A start that may remove things would take these for orphans.
                let before = stored.clone();
                drop(stored);
                let error = open(MemoryStore::new(&files)).map(|_| ()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
                let parts = (place + 1) * MAX_LISTED;
                let expected = format!("{name} {expected} {parts} parts");
                assert!(error.to_string().starts_with(&expected), "{error}");
                assert_eq!(*files.lock().unwrap(), before);
            }
        }
    }

    /// A manifest of an earlier release may list any number of parts.
    #[test]
    fn a_manifest_of_version_1_gets_segments() {
        let files = Files::default();
        let mut sink = PartsSink::open(MemoryStore::new(&files), &spec(), false).unwrap();
        for _ in 0..20 {
            commit(&mut sink).unwrap();
        }
        assert_eq!(manifest(&files).version, 1);
        let mut sink = open(MemoryStore::new(&files)).unwrap();
        assert_eq!(manifest(&files).version, 1);
        commit(&mut sink).unwrap();
        assert_eq!((manifest(&files).version, whole(&files)), (2, 21));
        assert_eq!(manifest(&files).parts().len(), 1);
    }

    /// What a commit costs does not depend on how many there were before it.
    #[test]
    #[ignore = "takes minutes, prints times"]
    fn the_cost_of_commits() {
        use crate::export::directory::Directory;
        use std::time::{Duration, Instant};

        let folder = tempfile::tempdir().unwrap();
        let store = Directory::open(folder.path().into()).unwrap();
        let mut sink = PartsSink::open(store, &spec(), false).unwrap();
        let mut times = Vec::new();
        for _ in 0..100_500 {
            let begun = Instant::now();
            commit(&mut sink).unwrap();
            times.push(begun.elapsed());
        }
        let show = |from: usize, to: usize| {
            let mut times = times[from - 1..to].to_vec();
            times.sort_unstable();
            let sum: Duration = times.iter().sum();
            let (mean, median) = (sum / times.len() as u32, times[times.len() / 2]);
            println!("commits {from} to {to}: median {median:?}, mean {mean:?}");
        };
        show(51, 150);
        show(99_951, 100_050);
        show(1, 500);
        show(100_001, 100_500);
        let begun = Instant::now();
        drop(sink);
        let store = Directory::open(folder.path().into()).unwrap();
        PartsSink::open(store, &spec(), false).unwrap();
        println!("a start: {:?}", begun.elapsed());
    }
}
