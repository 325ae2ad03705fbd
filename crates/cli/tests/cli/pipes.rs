//! Standard output and standard error, and what is at their other ends.

use std::process::Output;

use super::*;

/// Runs a line in a shell, in which `$RUNS` is the program.
fn sh(service: &Service, line: &str) -> Output {
    let mut shell = std::process::Command::new("sh");
    clean(&mut shell);
    at(&mut shell, service);
    shell.env("RUNS", env!("CARGO_BIN_EXE_apify-runs"));
    shell.args(["-c", line]).output().unwrap()
}

/// Pipes the program into a reader. The exit code is that of the program.
fn piped(service: &Service, arguments: &str, reader: &str) -> Output {
    let program = format!(r#"{{ "$RUNS" {arguments}; echo $? >&3; }}"#);
    let line = format!(r#"{{ code=$({{ {program} | {reader} >&4; }} 3>&1); }} 4>&1; exit "$code""#);
    sh(service, &line)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn only_data_goes_to_standard_output() {
    let service = Service::with_runs(100);
    let arguments = ["--page-size", "10", "-v", "--progress", "plain"];
    let complete = service.export(Path::new("-"), &arguments).success();
    assert_eq!(ids_of(&stdout(&complete)), service.ids());
    let result = "complete: 100 runs in standard output\n";
    assert!(stderr(&complete).contains(result), "{complete}");
    let csv = service.export(Path::new("-"), &["--format", "csv"]);
    assert_eq!(stdout(&csv.success()).lines().count(), 101);
}

#[test]
fn compressed_data_can_be_read_through_a_pipe() {
    let service = Service::with_runs(100);
    let arguments = "export a --out - --format jsonl.gz --page-size 10 -q";
    let output = piped(&service, arguments, "gzip -dc");
    assert_eq!(ids_of(text(&output.stdout)), service.ids());
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn it_is_no_failure_if_nobody_reads_on() {
    let service = Service::with_runs(5000);
    for command in [
        "export a --out -",
        "export a --out - --format csv",
        "export a --out - --log-format json",
        "export a --out - --format jsonl.zst",
        "man",
        "completions bash",
        "--help",
        "export --help",
    ] {
        let output = piped(&service, command, "head -c 1");
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert_eq!(text(&output.stderr), "", "{command}");
    }
    let output = piped(&service, "export a --out -", "head -n 1");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(ids_of(text(&output.stdout)), service.ids()[..1]);
}

#[test]
fn what_was_not_read_comes_again_if_there_is_a_checkpoint() {
    let service = Service::with_runs(3000);
    let (_folder, checkpoint) = place("checkpoint");
    let export = format!(
        "export a --out - --page-size 100 --rate 1000 --checkpoint {}",
        checkpoint.display()
    );
    let first = piped(&service, &export, "head -n 1");
    assert_eq!(ids_of(text(&first.stdout)), service.ids()[..1]);
    let rows = committed(&checkpoint) as usize;
    let second = piped(&service, &export, "cat");
    assert!(second.status.success(), "{second:?}");
    assert_eq!(ids_of(text(&second.stdout)), service.ids()[rows..]);
}

#[test]
fn a_pipe_with_a_checkpoint_goes_on() {
    let service = Service::with_runs(30);
    let (_folder, checkpoint) = place("checkpoint");
    let arguments = ["--checkpoint", checkpoint.to_str().unwrap()];
    let first = service.export(Path::new("-"), &arguments).success();
    assert_eq!(ids_of(&stdout(&first)), service.ids());
    service.change(|store| store.start_run("new"));
    let second = service.export(Path::new("-"), &arguments).success();
    assert_eq!(ids_of(&stdout(&second)), ["new"]);
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_is_full_is_1() {
    let service = Service::with_runs(100);
    for command in ["export a --out -", "count a", "man", "completions fish"] {
        let output = sh(&service, &format!(r#""$RUNS" {command} > /dev/full"#));
        assert_eq!(output.status.code(), Some(1), "{command}");
        let message = text(&output.stderr);
        assert!(message.starts_with("error: "), "{command}: {message}");
        assert!(message.contains("No space left"), "{command}: {message}");
        assert_eq!(message.lines().count(), 1, "{command}: {message}");
    }
}

#[test]
fn nobody_needs_to_listen() {
    let service = Service::with_runs(100);
    for error in ["2>&-", "2>&1 | :", "2> /dev/full"] {
        if error.ends_with("full") && !Path::new("/dev/full").exists() {
            continue;
        }
        for flags in ["-v", "-v --log-format json", "--page-size 0"] {
            let (_folder, out) = place("runs.jsonl");
            let path = out.display();
            // A reader takes a moment to be gone.
            let export = format!(r#"sleep 0.1; "$RUNS" export a --out {path} {flags}"#);
            let line = format!(r#"code=$({{ {{ {export}; echo $? >&3; }} {error}; }} 3>&1)"#);
            let output = sh(&service, &format!(r#"{line}; exit "$code""#));
            let code = if flags.ends_with('0') { 2 } else { 0 };
            assert_eq!(output.status.code(), Some(code), "{flags} {error}");
            if code == 0 {
                assert_exact(&service, &out);
            }
        }
    }
}
