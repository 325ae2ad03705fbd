//! Killed at random moments, again and again, while the list changes and requests fail.
//!
//! `CRASH_SEED` repeats the dice of a run that failed (it is printed), though not the moments;
//! `CRASH_KILLS` says how many kills there are in all.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apify_runs::emulator::{Emulator, EmulatorBuilder, Fault, Store};
use apify_runs::export::Output;
use fastrand::Rng;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::RowAccessor;
use tokio::time::sleep;

use super::{PATIENCE, at, process};

/// Every kind of output: in files that grow, and in parts.
const OUTPUTS: [&str; 7] = [
    "runs.jsonl",
    "runs.csv",
    "runs.jsonl.zst",
    "runs.csv.gz",
    "runs.parquet",
    "parts.jsonl/",
    "parts.csv.zst/",
];
const RUNS: u64 = 16_000;
const PAGE: u64 = 200;
/// From this request on, the service does not respond before the first kill: in the middle of the
/// list, and behind the first part.
const FIRST_HANG: u64 = 60;

#[test]
fn every_run_is_there_once_after_any_number_of_kills() {
    let (seed, kills) = dice();
    for (index, name) in OUTPUTS.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join(name).to_string_lossy().into_owned();
        let kills = kills.div_ceil(OUTPUTS.len() as u64);
        survives(&out, kills, Rng::with_seed(seed + index as u64));
    }
}

#[test]
#[ignore = "needs a server: tests/export/stores.sh"]
fn every_run_is_there_once_after_any_number_of_kills_in_a_store() {
    let (seed, kills) = dice();
    let url = std::env::var("STORE_TEST_URL").unwrap();
    let url = url.replace("BUCKET", "exports");
    let out = format!("{url}/crash-{seed}/runs.parquet");
    survives(
        &out,
        kills.div_ceil(OUTPUTS.len() as u64),
        Rng::with_seed(seed),
    );
}

/// The seed, and how many kills there are in all.
fn dice() -> (u64, u64) {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    let seed = number("CRASH_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    let kills = number("CRASH_KILLS").unwrap_or(14);
    println!("CRASH_SEED={seed} CRASH_KILLS={kills}");
    (seed, kills)
}

/// Kills exports into this output so many times, lets the last one end, and looks at what is
/// there.
fn survives(out: &str, kills: u64, mut dice: Rng) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let gone = Arc::new(Mutex::new(HashSet::new()));
    let hangs = Arc::new(AtomicBool::new(true));
    let emulator = emulator(dice.fork(), Arc::clone(&gone), Arc::clone(&hangs));
    let emulator = runtime.block_on(emulator.start()).unwrap();
    let first = emulator.ids();

    runtime.block_on(kill(out, kills, &emulator, &hangs, &mut dice));
    let last = export(out, &emulator)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&last.stderr);
    assert!(last.status.success(), "{out}: {said}");
    let verified = process().args(["verify", out]).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success(), "{out}: {said}");

    let mut times = HashMap::new();
    for id in runtime.block_on(exported(out)) {
        *times.entry(id).or_insert(0) += 1;
    }
    let repeated: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(repeated.is_empty(), "{out}: more than once: {repeated:?}");
    let gone = gone.lock().unwrap();
    let is_lost = |id: &&String| !gone.contains(*id) && !times.contains_key(*id);
    let lost: Vec<_> = first.iter().filter(is_lost).collect();
    assert!(lost.is_empty(), "{out}: lost: {lost:?}");
}

/// Kills exports into this output so many times.
async fn kill(out: &str, kills: u64, emulator: &Emulator, hangs: &AtomicBool, dice: &mut Rng) {
    for kill in 0..kills {
        let mut child = export(out, emulator).spawn().unwrap();
        match kill {
            // This one surely meets an export that has committed rows, and has not come to its end.
            0 => first_commit(out).await,
            _ => sleep(Duration::from_millis(dice.u64(20..250))).await,
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if hangs.swap(false, Ordering::Relaxed) {
            let rows = committed(out).await;
            assert!(0 < rows && rows < FIRST_HANG * PAGE, "{out}: {rows}");
        }
        spoil_the_end(out, dice);
    }
}

/// Waits until some rows are committed.
async fn first_commit(out: &str) {
    let begun = Instant::now();
    while committed(out).await == 0 {
        assert!(begun.elapsed() < PATIENCE, "{out}: nothing is committed");
        sleep(Duration::from_millis(5)).await;
    }
}

/// How many rows are committed.
async fn committed(out: &str) -> u64 {
    let output = if out.contains("://") {
        Output::url(out).unwrap()
    } else if Path::new(out).is_dir() {
        Output::directory(out)
    } else {
        Output::file(out)
    };
    let checkpoint = output.read_checkpoint().await.unwrap();
    checkpoint.map_or(0, |checkpoint| checkpoint.rows())
}

/// A list on which runs are deleted and started while it is read, by a service that fails now
/// and then. It hangs as long as it is told to.
fn emulator(
    mut dice: Rng,
    gone: Arc<Mutex<HashSet<String>>>,
    hangs: Arc<AtomicBool>,
) -> EmulatorBuilder {
    let mut builder = Emulator::builder()
        .runs(RUNS)
        .latency(Duration::from_millis(5));
    let faults = [
        Fault::status(503),
        Fault::Reset,
        Fault::Truncate,
        Fault::Html { status: 502 },
        Fault::BrokenJson,
    ];
    // The list has 80 pages: all of these come.
    for (index, fault) in faults.into_iter().enumerate() {
        let request = index as u64 * 15 + dice.u64(1..=15);
        builder = builder.fault(request..=request, fault);
    }
    let may_hang = move |request| request >= FIRST_HANG && hangs.load(Ordering::Relaxed);
    builder = builder.faults(move |request| may_hang(request).then_some(Fault::Hang));
    let dice = Mutex::new(dice);
    builder.before_each(move |request, store| {
        let mut dice = dice.lock().unwrap();
        if dice.u8(..4) == 0 {
            let from = [0, dice.u64(..store.len())][dice.usize(..2)];
            delete(store, from, dice.u64(1..40), &gone);
        }
        if dice.u8(..4) == 0 {
            store.start_run(&format!("new{request}"));
        }
    })
}

fn delete(store: &mut Store, from: u64, runs: u64, gone: &Mutex<HashSet<String>>) {
    let to = (from + runs).min(store.len());
    let ids = (from..to).map(|place| id(&store.run(place).unwrap()));
    gone.lock().unwrap().extend(ids);
    store.delete(from..to);
}

fn id(run: &serde_json::Value) -> String {
    run["id"].as_str().unwrap().into()
}

fn export(out: &str, emulator: &Emulator) -> Command {
    let mut command = process();
    at(&mut command, emulator);
    command
        .args(["export", "janedoe/crash", "--out", out, "--rate", "inf"])
        .args(["--page-size", &PAGE.to_string(), "--part-rows", "1200"])
        .args(["--concurrency", "3"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// After a power failure, anything may stand behind what was committed.
fn spoil_the_end(out: &str, dice: &mut Rng) {
    let checkpoint = format!("{out}.checkpoint");
    let Ok(checkpoint) = fs::read(checkpoint) else {
        return;
    };
    let checkpoint: serde_json::Value = serde_json::from_slice(&checkpoint).unwrap();
    let committed = checkpoint["file"]["length"].as_u64().unwrap();
    // Not `append`: on Windows that is no right to cut the file.
    let mut file = OpenOptions::new().write(true).open(out).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(dice.u64(committed..=length)).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(&[0; 5000][..dice.usize(..5000)]).unwrap();
}

/// The IDs in an output.
async fn exported(out: &str) -> Vec<String> {
    if let Some((scheme, place)) = out.split_once("://") {
        return exported_to_store(scheme, place).await;
    }
    if !Path::new(out).is_dir() {
        return ids(out, File::open(out).unwrap());
    }
    let manifest = fs::read(Path::new(out).join("_manifest.json")).unwrap();
    let names = parts(&manifest);
    let files = fs::read_dir(out)
        .unwrap()
        .map(|file| file.unwrap().file_name());
    let there = files.filter(|name| name.to_string_lossy().starts_with("part-"));
    assert_eq!(there.count(), names.len(), "parts that nobody lists");
    let open = |name: &String| File::open(Path::new(out).join(name)).unwrap();
    names
        .iter()
        .flat_map(|name| ids(name, open(name)))
        .collect()
}

async fn exported_to_store(scheme: &str, place: &str) -> Vec<String> {
    use object_store::aws::AmazonS3Builder;
    use object_store::azure::MicrosoftAzureBuilder;
    use object_store::gcp::GoogleCloudStorageBuilder;
    use object_store::path::Path;
    use object_store::{ObjectStore, ObjectStoreExt};
    let (bucket, prefix) = place.split_once('/').unwrap();
    // An Azure URL may go on with its account.
    let bucket = bucket.split('@').next().unwrap();
    let store: Box<dyn ObjectStore> = match scheme {
        "s3" => {
            let builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
            Box::new(builder.build().unwrap())
        }
        "gs" => {
            let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
            Box::new(builder.build().unwrap())
        }
        _ => {
            let builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket);
            Box::new(builder.build().unwrap())
        }
    };
    let prefix = Path::parse(prefix).unwrap();
    let read = async |name: &str| {
        let object = store.get(&prefix.clone().join(name)).await.unwrap();
        object.bytes().await.unwrap()
    };
    let names = parts(&read("_manifest.json").await);
    let listed = store.list_with_delimiter(Some(&prefix)).await.unwrap();
    assert_eq!(
        listed.objects.len(),
        names.len() + 1,
        "parts that nobody lists"
    );
    let mut found = Vec::new();
    for name in names {
        found.extend(ids(&name, &read(&name).await[..]));
    }
    found
}

fn parts(manifest: &[u8]) -> Vec<String> {
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    let parts = manifest["parts"].as_array().unwrap().iter();
    parts
        .map(|part| part["name"].as_str().unwrap().into())
        .collect()
}

/// The IDs in one file, by what its name ends in.
fn ids(name: &str, mut file: impl Read) -> Vec<String> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    if name.ends_with(".parquet") {
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let rows = reader.get_row_iter(None).unwrap();
        return rows
            .map(|row| row.unwrap().get_string(0).unwrap().clone())
            .collect();
    }
    let text = match name.rsplit_once('.').unwrap().1 {
        "gz" => text(flate2::read::MultiGzDecoder::new(&bytes[..])),
        "zst" => text(zstd::Decoder::new(&bytes[..]).unwrap()),
        _ => text(&bytes[..]),
    };
    if name.contains("csv") {
        let mut records = csv::Reader::from_reader(text.as_bytes());
        let place = records
            .headers()
            .unwrap()
            .iter()
            .position(|name| name == "id");
        return records
            .records()
            .map(|record| record.unwrap()[place.unwrap()].into())
            .collect();
    }
    let run = |line| serde_json::from_str(line).unwrap();
    text.lines().map(|line| id(&run(line))).collect()
}

fn text(mut reader: impl Read) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}
