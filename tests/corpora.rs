//! Feeds the inputs in `fuzz/corpus` to the fuzz targets once, without a fuzzer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use apify_runs::__internals::fuzzing;

/// Feeds one target all that is in its folder.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut count = 0;
    for entry in std::fs::read_dir(folder.join(target)).unwrap() {
        let path = entry.unwrap().path();
        // What a panic is about.
        println!("{}", path.display());
        run(&std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 1, "nothing in the corpus of {target}");
}

macro_rules! targets {
    ($($target:ident),*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), fuzzing::$target);
            }
        )*

        #[test]
        fn no_corpus_is_forgotten() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
            let names = |name: &str| {
                let entries = std::fs::read_dir(folder.join(name)).unwrap();
                let stem = |path: &Path| path.file_stem().unwrap().to_owned();
                let mut names: Vec<_> = entries.map(|entry| stem(&entry.unwrap().path())).collect();
                names.sort();
                names
            };
            let mut replayed = [$(stringify!($target)),*];
            replayed.sort_unstable();
            assert_eq!(names("corpus"), replayed);
            assert_eq!(names("fuzz_targets"), replayed);
        }
    };
}

targets!(
    checkpoint, cursor, error_body, headers, page, split, time, walk
);
