//! Files, folders of parts, formats and compression.

use std::io::Read;

use apify_runs::emulator::{Emulator, Fault};

use super::*;

/// The parts in a folder, in the order of their names.
pub(crate) fn parts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("part-")
    });
    paths.sort();
    paths
}

fn ids_of_parts(folder: &Path) -> Vec<String> {
    parts(folder).iter().flat_map(|part| ids(part)).collect()
}

fn manifest(folder: &Path) -> PathBuf {
    folder.join("_manifest.json")
}

#[test]
fn a_file_of_each_format_is_whole_and_goes_on() {
    for name in [
        "runs.jsonl",
        "runs.ndjson",
        "runs.jsonl.gz",
        "runs.jsonl.zst",
        "runs.csv",
        "runs.csv.gz",
        "runs.csv.zst",
    ] {
        let service = Service::with_runs(100);
        let (_folder, out) = place(name);
        service.export(&out, &[]).success();
        service.change(|store| store.start_run("new"));
        service.export(&out, &[]).success();
        let text = decompressed(&out);
        let header = usize::from(name.contains("csv"));
        assert_eq!(text.lines().count(), 101 + header, "{name}");
        if header == 0 {
            assert_eq!(ids_of(&text), service.ids(), "{name}");
        }
        assert_whole(&out);
    }
}

fn decompressed(path: &Path) -> String {
    let file = std::fs::File::open(path).unwrap();
    let mut reader: Box<dyn Read> = match path.extension().unwrap().to_str() {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some("zst") => Box::new(zstd::Decoder::new(file).unwrap()),
        _ => Box::new(file),
    };
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_format_may_be_another_than_the_name_says() {
    let service = Service::with_runs(9);
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--format", "csv"]).success();
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("id,actId,"), "{text}");
}

#[test]
fn a_format_that_is_none_is_refused_with_those_that_are() {
    let service = Service::with_runs(9);
    let (_folder, out) = place("runs.jsonl");
    for format in ["xml", "jsonl.br", "parquet.gz"] {
        let wrong = service.export(&out, &["--format", format]).code(2);
        let message = stderr(&wrong);
        let expected = format!("invalid value '{format}' for '--format <FORMAT>'");
        assert!(message.contains(&expected), "{message}");
        assert!(
            message.contains(": it must be jsonl, jsonl.gz, jsonl.zst, csv,"),
            "{message}"
        );
    }
}

#[test]
fn a_folder_gets_parts_of_so_many_rows() {
    let service = Service::with_runs(95);
    let (_folder, out) = place("runs.jsonl/");
    let arguments = ["--part-rows", "20", "--page-size", "10"];
    service.export(&out, &arguments).success();
    let rows: Vec<_> = parts(&out).iter().map(|part| ids(part).len()).collect();
    assert_eq!(rows, [20, 20, 20, 20, 15]);
    assert_eq!(ids_of_parts(&out), service.ids());
    assert_eq!(committed(&manifest(&out)), 95);
    assert_whole(&out);

    let before = parts(&out);
    service.change(|store| store.start_run("new"));
    service.export(&out, &arguments).success();
    let after = parts(&out);
    assert_eq!(after[..before.len()], before);
    assert_eq!(ids(after.last().unwrap()), ["new"]);
    assert_eq!(ids_of_parts(&out), service.ids());
}

#[test]
fn a_folder_that_is_there_needs_no_slash() {
    let service = Service::with_runs(9);
    let (_folder, out) = place("daily");
    std::fs::create_dir(&out).unwrap();
    service.export(&out, &["--format", "csv.gz"]).success();
    let parts = parts(&out);
    assert_eq!(parts.len(), 1);
    assert!(parts[0].to_str().unwrap().ends_with(".csv.gz"));
    assert_whole(&out);
}

#[test]
fn a_row_waits_only_so_long_for_its_part() {
    let builder = Emulator::builder().runs(50).fault(4.., Fault::Hang);
    let service = Service::start(builder);
    let (_folder, out) = place("runs.jsonl/");
    let arguments = ["--page-size=10", "--concurrency=1", "--part-interval=1s"];
    let mut export = service.export_process(&out, &arguments).spawn().unwrap();
    // The walk hangs, and no part is full.
    wait_until("the part is there", || {
        manifest(&out).exists() && committed(&manifest(&out)) > 0
    });
    export.kill().unwrap();
    export.wait().unwrap();
    assert_eq!(parts(&out).len(), 1);
}

#[test]
fn parts_that_are_not_ours_are_left_alone() {
    let service = Service::with_runs(9);
    let (_folder, out) = place("runs.jsonl/");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("part-000000-abcdef00.jsonl"), "{}\n").unwrap();
    let refused = service.export(&out, &[]).code(6);
    assert!(stderr(&refused).contains("no manifest"), "{refused}");
    assert_eq!(parts(&out).len(), 1);
    service.export(&out, &["--restart"]).success();
    assert_eq!(ids_of_parts(&out), service.ids());
}

#[test]
fn a_following_export_writes_what_starts_later() {
    let service = Service::with_runs(20);
    let (_folder, out) = place("runs.jsonl");
    let arguments = ["--follow", "--interval", "100ms"];
    let mut export = service.export_process(&out, &arguments).spawn().unwrap();
    wait_until("the list is written", || {
        committed(&checkpoint_of(&out)) == 20
    });
    for (number, id) in ["new1", "new2"].into_iter().enumerate() {
        service.change(|store| store.start_run(id));
        let rows = 21 + number as u64;
        wait_until("the new run is written", || {
            committed(&checkpoint_of(&out)) == rows
        });
    }
    export.kill().unwrap();
    export.wait().unwrap();
    assert_exact(&service, &out);
}

#[test]
fn folders_of_a_file_and_its_checkpoint_are_created() {
    let service = Service::with_runs(9);
    let (folder, out) = place("a/b/runs.jsonl");
    let checkpoint = folder.path().join("c/d/checkpoint");
    let arguments = ["--checkpoint", checkpoint.to_str().unwrap()];
    service.export(&out, &arguments).success();
    assert_eq!(ids(&out), service.ids());
    assert_eq!(committed(&checkpoint), 9);

    let checkpoint = folder.path().join("e/checkpoint");
    let arguments = ["--checkpoint", checkpoint.to_str().unwrap()];
    let printed = service.export(Path::new("-"), &arguments).success();
    assert_eq!(ids_of(&stdout(&printed)), service.ids());
    assert_eq!(committed(&checkpoint), 9);
}
