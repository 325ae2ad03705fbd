//! What a user of the program `apify-runs` sees.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod crash;

use std::path::Path;

use apify_runs::emulator::Emulator;
use assert_cmd::Command;

/// The program, with nothing of the environment that it would take notice of.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apify-runs"));
    without_environment(|name| {
        command.env_remove(name);
    });
    command
}

/// The same for a process that is started and looked after by hand.
fn process() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_apify-runs"));
    without_environment(|name| {
        command.env_remove(name);
    });
    command
}

fn without_environment(mut remove: impl FnMut(&str)) {
    for name in ["APIFY_TOKEN", "APIFY_API_BASE_URL", "NO_COLOR", "HOME"] {
        remove(name);
    }
}

/// Arguments and environment that let a command read from an emulator.
fn at(command: &mut std::process::Command, emulator: &Emulator) {
    command.env("APIFY_API_BASE_URL", emulator.base_url());
    command.env("APIFY_TOKEN", emulator.token());
}

/// The IDs in a file of JSON lines.
fn ids(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let id = |line: &str| {
        let run: serde_json::Value = serde_json::from_str(line).unwrap();
        run["id"].as_str().unwrap().to_owned()
    };
    text.lines().map(id).collect()
}
