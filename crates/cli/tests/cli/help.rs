//! The help, as it was when somebody last looked at it.

use super::*;

/// Compares with a file beside the tests, or writes it if `UPDATE_SNAPSHOTS` is set.
#[track_caller]
fn assert_snapshot(name: &str, found: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/snapshots");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    // As git may have checked it out.
    let expected = expected.replace("\r\n", "\n");
    assert_eq!(
        found, expected,
        "the help of {name} is another one: look at it, and set UPDATE_SNAPSHOTS=1"
    );
}

fn help(arguments: &[&str]) -> String {
    let mut help = program();
    let help = help.args(arguments).env("COLUMNS", "100").assert();
    let text = stdout(&help.success());
    // The program's name has an ending on some systems.
    text.replace("apify-runs.exe", "apify-runs")
}

#[test]
fn the_help_of_the_program() {
    assert_snapshot("apify-runs", &help(&["--help"]));
    assert_snapshot("apify-runs-short", &help(&["-h"]));
}

#[test]
fn the_help_of_each_command() {
    for command in [
        "export",
        "sync",
        "watch",
        "split",
        "report",
        "ls",
        "count",
        "verify",
        "status",
        "emulate",
        "completions",
        "man",
    ] {
        assert_snapshot(command, &help(&[command, "--help"]));
        assert_eq!(help(&["help", command]), help(&[command, "--help"]));
    }
}

#[test]
fn no_line_is_wider_than_its_terminal() {
    for command in ["export", "sync", "watch", "emulate"] {
        let text = help(&[command, "--help"]);
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn the_short_help_is_one_screen_and_ends_with_examples() {
    for command in [
        "export", "sync", "watch", "split", "report", "ls", "count", "verify", "status", "emulate",
    ] {
        let help = help(&[command, "-h"]);
        let lines = help.lines().count();
        assert!(lines <= 60, "{command}: {lines} lines");
        let (_, examples) = help.split_once("\nExamples:\n").expect(command);
        assert!(
            examples.contains(&format!("apify-runs {command}")),
            "{help}"
        );
    }
}
