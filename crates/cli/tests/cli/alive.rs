//! An export that shows that it is alive where there is no terminal.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use apify_runs::emulator::{Emulator, Fault};

use super::*;

/// Takes ten seconds of real time, while the other tests run: it is the first by its name.
#[test]
fn a_line_is_written_every_ten_seconds_where_there_is_no_terminal() {
    for (service, mut export, _folder) in ["text", "json"].map(start_plain) {
        let mut lines = BufReader::new(export.stderr.take().unwrap()).lines();
        let line = lines.find(|line| line.as_ref().unwrap().contains("of 1,000 runs"));
        let line = line.unwrap().unwrap();
        for words in ["20 of 1,000 runs", "/s", "left", "1 retry"] {
            assert!(line.contains(words), "{line}");
        }
        if let Ok(object) = serde_json::from_str::<serde_json::Value>(&line) {
            assert_eq!(
                (&object["rows"], &object["retries"]),
                (&20.into(), &1.into())
            );
            assert_eq!(object["committed_rows"], 20);
        }
        export.kill().unwrap();
        export.wait().unwrap();
        drop(service);
    }
}

/// An export that hangs after two pages and a retry.
fn start_plain(format: &str) -> (Service, Child, TempDir) {
    let builder = Emulator::builder().runs(1000);
    let builder = builder.fault(2..=2, Fault::status_retry_after(503, 0));
    let service = Service::start(builder.fault(4.., Fault::Hang));
    let (folder, out) = place("runs.jsonl");
    let arguments = ["--page-size=10", "--concurrency=1", "--log-format", format];
    let mut export = service.export_process(&out, &arguments);
    let export = export.stderr(Stdio::piped()).spawn().unwrap();
    (service, export, folder)
}

#[test]
#[ignore = "takes a minute"]
fn a_host_that_never_responded_is_given_up_after_a_minute() {
    let begun = Instant::now();
    let mut count = program();
    let count = count.args(["count", ACTOR, "--base-url", "http://127.0.0.1:9"]);
    let gave_up = count.env("APIFY_TOKEN", "t").assert().code(5);
    let seconds = begun.elapsed().as_secs();
    assert!((10..=75).contains(&seconds), "{seconds}");
    let message = stderr(&gave_up);
    assert!(message.starts_with("retry 1/8 in "), "{message}");
    assert!(message.contains(" s: connection refused\n"), "{message}");
}
