//! Serves the list of one scenario to a walker, and prints what that one lost and repeated.
//!
//! `service SCENARIO RUNS OUT_FILE WALKER…` starts the walker with `BASE_URL TOKEN SCENARIO
//! OUT_FILE` behind its own arguments. The walker writes the IDs it got to the file, one a
//! line. If its client refuses a page, it goes on behind that page, and ends with exit code 3. The
//! first line printed is `LOST / REPEATED`, or `refused: LOST / REPEATED`, the second what it cost.

use std::collections::HashSet;
use std::error::Error;
use std::process::Stdio;
use std::time::Duration;

use apify_runs::emulator::{Emulator, Store};
use chrono::{DateTime, SecondsFormat, TimeDelta};
use serde_json::json;
use tokio::process::Command;

/// How long a walker may take. A second is usual.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many runs are on a full page.
const PAGE: u64 = 1000;
/// The exit code of a walker whose client has refused a page.
const REFUSED: i32 = 3;
/// How the IDs of runs begin that start during a walk.
const STARTED: &str = "started-";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [scenario, runs, out, program, rest @ ..] = &arguments[..] else {
        return Err("usage: service SCENARIO RUNS OUT_FILE WALKER…".into());
    };
    let emulator = start(scenario, runs.parse()?).await?;

    let mut walker = Command::new(program)
        .args(rest)
        .args([&emulator.base_url(), emulator.token(), scenario, out])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let status = tokio::time::timeout(PATIENCE, walker.wait()).await??;
    let is_refused = status.code() == Some(REFUSED);
    if !status.success() && !is_refused {
        return Err(format!("{scenario}: {program} ended with {status}").into());
    }

    let expected = expected(&emulator, scenario);
    let text = std::fs::read_to_string(out)?;
    let mut got = HashSet::new();
    let repeated = text.lines().filter(|id| !got.insert(*id)).count();
    let lost = expected.iter().filter(|id| !got.contains(&***id)).count();
    let refused = if is_refused { "refused: " } else { "" };
    let requests = emulator.requests().len();
    println!("{refused}{lost} / {repeated}\n{requests} requests");
    Ok(())
}

/// The service of a scenario.
async fn start(scenario: &str, runs: u64) -> Result<Emulator, Box<dyn Error>> {
    let builder = Emulator::builder().runs(runs).complete_rows();
    let builder = match scenario {
        "no-change" | "no-usage" => builder,
        // As Apify's retention does.
        "oldest-deleted" => builder.before_each(|request, store| {
            if request.is_multiple_of(3) {
                store.delete(..137);
            }
        }),
        "random-deleted" => builder.before_each(|request, store| {
            for place in places(request, 5, store.len()) {
                store.delete(place..=place);
            }
        }),
        // Every second run is RUNNING; those that finish leave the list that is read.
        "running-finish" => builder.before_each(|request, store| {
            for place in places(request, 50, store.len() / 2) {
                store.finish(place * 2, "SUCCEEDED");
            }
        }),
        // As many requests as the list has pages. With new runs for ever, clients that read
        // until a page is empty would never end.
        "inserts-descending" => builder.before_each(move |request, store| {
            if request <= runs.div_ceil(PAGE) {
                for run in 0..3 {
                    store.start_run(&format!("{STARTED}{request}-{run}"));
                }
            }
        }),
        // After as many requests as the list has pages: where a reader at the end has been.
        "late-rows" => builder.before_each(move |request, store| {
            let pages = runs.div_ceil(PAGE);
            if (pages + 1..=pages + 5).contains(&request) {
                appear_late(request, store);
            }
        }),
        // Every page is a request, and 50,000 runs would be 500.
        "page-cap" => builder.runs(runs / 10).max_page_size(100),
        _ => return Err(format!("no scenario: {scenario}").into()),
    };
    let emulator = builder.start().await?;
    // As a run of somebody else's Actor that is paid per event.
    if scenario == "no-usage" {
        emulator.change(|store| {
            store.update(runs / 2, |run| {
                run.as_object_mut().map(|run| run.remove("usageTotalUsd"));
            });
        });
    }
    if scenario == "running-finish" {
        emulator.change(|store| {
            for place in (0..store.len()).step_by(2) {
                store.resurrect(place);
            }
        });
    }
    Ok(emulator)
}

/// Lets ten runs appear that started up to ten seconds before the newest one.
fn appear_late(request: u64, store: &mut Store) {
    let newest = store
        .len()
        .checked_sub(1)
        .and_then(|place| store.run(place));
    let Some(mut row) = newest else { return };
    let start = row["startedAt"].as_str().unwrap_or_default();
    let Ok(newest) = DateTime::parse_from_rfc3339(start) else {
        return;
    };
    for (number, millis) in places(request, 10, 10_000).enumerate() {
        let start = newest - TimeDelta::milliseconds(1 + millis as i64);
        row["id"] = json!(format!("late-{request}-{number}"));
        row["startedAt"] = json!(start.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true));
        store.insert(&row);
    }
}

/// The IDs of the runs that must have come: all that are on the list that is read, now that
/// the walker has ended, but for those that started meanwhile. A run that has left the list
/// does not come back, so these were on it throughout; late rows since they appeared.
fn expected(emulator: &Emulator, scenario: &str) -> HashSet<String> {
    let runs = (0..emulator.len()).filter_map(|index| emulator.run(index));
    runs.filter(|run| scenario != "running-finish" || run["status"] == "RUNNING")
        .filter_map(|run| run["id"].as_str().map(str::to_owned))
        .filter(|id| !id.starts_with(STARTED))
        .collect()
}

/// So many numbers below `end`, the same ones for a request each time (SplitMix64).
fn places(request: u64, count: u64, end: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |number| {
        let mut bits = (request * count + number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % end.max(1)
    })
}
