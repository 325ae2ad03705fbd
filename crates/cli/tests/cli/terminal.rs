//! What is seen on a terminal.

use std::process::Stdio;

use apify_runs::emulator::{Emulator, Fault};

use super::*;

/// What an export shows on a terminal of 120 columns, with these variables set. `None` if there
/// is nothing to make a terminal with.
fn on_terminal(service: &Service, arguments: &str, variables: &[(&str, &str)]) -> Option<String> {
    let (_folder, out) = place("runs.jsonl");
    on_terminal_into(&out, service, arguments, variables)
}

/// The same, into this file.
fn on_terminal_into(
    out: &Path,
    service: &Service,
    arguments: &str,
    variables: &[(&str, &str)],
) -> Option<String> {
    let (runs, out) = (env!("CARGO_BIN_EXE_apify-runs"), out.display());
    let command = format!("stty cols 120; '{runs}' export {ACTOR} --out '{out}' {arguments}");
    let mut script = std::process::Command::new("script");
    clean(&mut script);
    at(&mut script, service);
    script.env("TERM", "xterm").env("SHELL", "/bin/sh");
    script.envs(variables.iter().copied());
    script.args(["-qec", &command, "/dev/null"]);
    let Ok(output) = script.stdin(Stdio::null()).output() else {
        skip("there is no script, of util-linux");
        return None;
    };
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}");
    Some(shown)
}

/// A list that takes longer than it takes to draw a bar.
fn slow() -> EmulatorBuilder {
    Emulator::builder()
        .runs(1000)
        .latency(Duration::from_millis(40))
}

const SLOWLY: &str = "--page-size=100 --concurrency=1";

#[test]
fn a_bar_is_drawn_on_a_terminal() {
    let builder = slow().fault(5..=5, Fault::status_retry_after(503, 0));
    let Some(shown) = on_terminal(&Service::start(builder), SLOWLY, &[]) else {
        return;
    };
    let bars: Vec<_> = shown.split('\r').collect();
    let drawn = |words: &[&str]| {
        let has_all = |bar: &&str| words.iter().all(|word| bar.contains(word));
        bars.iter().any(has_all)
    };
    assert!(drawn(&["█", "of 1,000 runs", "/s", "s left"]), "{shown}");
    assert!(drawn(&["of 1,000 runs", "1 retry"]), "{shown}");
    // It is taken away again before the result.
    let (_, end) = shown.rsplit_once("complete:").unwrap();
    assert!(end.contains("1,000 runs in"), "{shown}");
    assert!(!end.contains("of 1,000 runs"), "{shown}");
}

#[test]
fn a_bar_ends_where_the_export_does() {
    let arguments = format!("{SLOWLY} --max-items=700");
    let Some(shown) = on_terminal(&Service::start(slow()), &arguments, &[]) else {
        return;
    };
    assert!(shown.contains("of 700 runs"), "{shown}");
    assert!(!shown.contains("of 1,000 runs"), "{shown}");
}

#[test]
fn no_bar_is_drawn_where_none_is_wanted() {
    for arguments in [
        "--progress=none",
        "-q",
        "--log-format=json",
        "--progress=plain",
    ] {
        let arguments = format!("{SLOWLY} {arguments}");
        let Some(shown) = on_terminal(&Service::start(slow()), &arguments, &[]) else {
            return;
        };
        assert!(!shown.contains("of 1,000 runs"), "{arguments}: {shown}");
        assert!(!shown.contains('█'), "{arguments}: {shown}");
    }
}

#[test]
fn a_terminal_has_colours_unless_somebody_does_not_want_them() {
    const GREEN: &str = "\u{1b}[1m\u{1b}[32mcomplete:";
    let service = Service::with_runs(9);
    let colored = |arguments: &str, variables: &[(&str, &str)]| {
        let arguments = format!("--progress=none {arguments}");
        on_terminal(&service, &arguments, variables).map(|shown| {
            assert!(shown.contains("complete:"), "{shown}");
            shown.contains(GREEN)
        })
    };
    if colored("", &[]).is_none() {
        return;
    }
    assert_eq!(colored("", &[]), Some(true));
    assert_eq!(colored("--color auto", &[("NO_COLOR", "")]), Some(true));
    assert_eq!(colored("", &[("NO_COLOR", "1")]), Some(false));
    assert_eq!(colored("", &[("TERM", "dumb")]), Some(false));
    assert_eq!(colored("--color never", &[]), Some(false));
    assert_eq!(colored("--color always", &[("NO_COLOR", "1")]), Some(true));
}

#[test]
fn before_the_first_page_it_says_where_it_connects_to() {
    let fault = Fault::status_retry_after(503, 1);
    let service = Service::start(slow().fault(1..=1, fault));
    let Some(shown) = on_terminal(&service, SLOWLY, &[]) else {
        return;
    };
    let (before, after) = shown.split_once("of 1,000 runs").unwrap();
    let connecting = format!("connecting to {}", service.base_url());
    assert!(before.contains(&connecting), "{shown}");
    assert!(before.contains("retry 1/8 in 1."), "{shown}");
    assert!(before.contains("503 Service Unavailable"), "{shown}");
    assert!(!after.contains("connecting"), "{shown}");
}

#[test]
fn after_a_resume_rate_and_time_left_are_those_of_this_start() {
    let service = Service::start(slow().runs(3000));
    let (_folder, out) = place("runs.jsonl");
    service.export(&out, &["--max-items=2000"]).success();
    let Some(shown) = on_terminal_into(&out, &service, SLOWLY, &[]) else {
        return;
    };
    for bar in shown
        .split('\r')
        .filter(|bar| bar.contains("of 3,000 runs,"))
    {
        let (rate, _) = bar.rsplit_once("/s").unwrap();
        let (_, rate) = rate.rsplit_once(' ').unwrap();
        let rate: u64 = rate.replace(',', "").parse().expect(bar);
        // 100 runs in 40 ms at most.
        assert!(rate <= 2500, "{bar}");
    }
    assert!(shown.contains("of 3,000 runs"), "{shown}");
}
