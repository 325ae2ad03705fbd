//! A machine whose clock is wrong.

use apify_runs::emulator::{Emulator, Fault};
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::*;

/// Runs that have started within the last hours.
fn recent_runs() -> Vec<Value> {
    let start = Utc::now() - TimeDelta::hours(3);
    let run = |number: i32| {
        let start = start + TimeDelta::seconds(number.into());
        json!({
            "id": format!("run{number:02}"),
            "status": "SUCCEEDED",
            "startedAt": start.to_rfc3339_opts(SecondsFormat::Millis, true),
        })
    };
    (0..50).map(run).collect()
}

/// Exports on a machine whose clock is off by this. `None` if there is no `faketime`.
fn export(service: &Service, out: &Path, clock: &str) -> Option<std::process::Output> {
    let mut export = std::process::Command::new("faketime");
    clean(&mut export);
    at(&mut export, service);
    // The seconds are as long as ever, and a wait is no longer for it.
    export.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    export.env("DONT_FAKE_MONOTONIC", "1");
    export.args([
        "-f",
        clock,
        env!("CARGO_BIN_EXE_apify-runs"),
        "export",
        ACTOR,
    ]);
    export.args(["--page-size=10", "--concurrency=1", "--max-retries=0"]);
    let output = export.args(["--since=7d", "--out"]).arg(out).output();
    if output.is_err() {
        skip("there is no faketime");
    }
    output.ok()
}

#[test]
fn an_export_goes_on_a_year_before_and_a_year_after() {
    for clocks in [["+0d", "-365d", "+365d"], ["+0d", "+365d", "-365d"]] {
        let builder = Emulator::builder().rows(recent_runs());
        let builder = builder.fault(4..=4, Fault::status(503));
        let service = Service::start(builder.fault(8..=8, Fault::status(503)));
        let (_folder, out) = place("runs.jsonl");
        let mut codes = Vec::new();
        for clock in clocks {
            let Some(output) = export(&service, &out, clock) else {
                return;
            };
            codes.push(output.status.code());
        }
        assert_eq!(codes, [5, 5, 0].map(Some));
        // `--since` has kept its meaning: a year later, there would be none of these runs.
        assert_exact(&service, &out);
        let since: HashSet<_> = service.parameters("startedAfter").into_iter().collect();
        assert!(!since.contains(&None));
        service.change(|store| store.start_run("new"));
        for clock in ["-365d", "+365d", "+0d"] {
            let output = export(&service, &out, clock).unwrap();
            assert!(output.status.success(), "{output:?}");
            assert_exact(&service, &out);
        }
    }
}
