//! The emulator as a program.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

use super::*;

/// An emulator that runs as a process of its own.
struct Emulated {
    process: Child,
    url: String,
    token: String,
}

impl Emulated {
    fn start(arguments: &[&str]) -> Self {
        Self::try_start(arguments).expect("it says where it is")
    }

    /// `None` if it ends before it says where it is.
    fn try_start(arguments: &[&str]) -> Option<Self> {
        let mut command = process();
        command.arg("emulate").args(arguments);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // Dropped on the way out, it ends the process.
        let mut emulated = Self {
            process,
            url: String::new(),
            token: String::new(),
        };
        let mut lines = lines.map(|line| line.unwrap());
        let mut value = |name: &str| {
            let line = lines.next()?;
            Some(line.strip_prefix(name).expect(&line).to_owned())
        };
        emulated.url = value("APIFY_API_BASE_URL=")?;
        emulated.token = value("APIFY_TOKEN=")?;
        Some(emulated)
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.env("APIFY_API_BASE_URL", &self.url);
        command.env("APIFY_TOKEN", &self.token);
        command.args(arguments);
        command
    }

    /// Counts without a second try.
    fn count(&self) -> Assert {
        let arguments = ["count", ACTOR, "--max-retries=0"];
        self.program(&arguments).assert()
    }

    /// The same, and does not wait long.
    fn count_soon(&self) -> Assert {
        let arguments = ["count", ACTOR, "--max-retries=0", "--timeout=300ms"];
        self.program(&arguments).assert()
    }

    fn counted(&self) -> u64 {
        stdout(&self.count().success()).trim().parse().unwrap()
    }

    /// All runs, as JSON lines.
    fn export(&self) -> String {
        let export = ["export", ACTOR, "--out", "-", "--page-size", "10"];
        stdout(&self.program(&export).assert().success())
    }

    /// A response as it comes over the wire, as far as it is text.
    fn response(&self, headers: &str) -> String {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut connection = TcpStream::connect(address).unwrap();
        let token = &self.token;
        write!(
            connection,
            "GET /v2/acts/a/runs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
             Connection: close\r\n{headers}\r\n"
        )
        .unwrap();
        let mut response = Vec::new();
        connection.read_to_end(&mut response).unwrap();
        String::from_utf8_lossy(&response).into_owned()
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn runs_and_seed_make_the_list() {
    let one = Emulated::start(&["--runs", "25"]);
    let same = Emulated::start(&["--runs", "25", "--seed", "0"]);
    let other = Emulated::start(&["--runs", "25", "--seed", "1"]);
    let lines = one.export();
    assert_eq!(ids_of(&lines).len(), 25);
    assert_eq!(same.export(), lines);
    assert_ne!(other.export(), lines);
}

/// An emulator on a port that was free just now. Somebody else may take it meanwhile: then
/// another one is tried.
fn on_free_port() -> (u16, Emulated) {
    let start = |_| {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let emulated = Emulated::try_start(&["--port", &port.to_string()]);
        emulated.map(|emulated| (port, emulated))
    };
    (0..10).find_map(start).expect("a free port")
}

#[test]
fn the_port_may_be_chosen() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    // One that is taken is no reason to wait.
    let mut emulate = program();
    let refused = emulate.args(["emulate", "--port", &port]).assert().code(1);
    let message = stderr(&refused);
    assert!(message.contains(&format!("port {port}")), "{message}");
    let (port, emulated) = on_free_port();
    assert_eq!(emulated.url, format!("http://127.0.0.1:{port}"));
    assert_eq!(emulated.counted(), 100_000);
}

#[test]
fn there_may_be_one_actor_only() {
    let emulated = Emulated::start(&["--actor", "janedoe~my-actor", "--runs", "3"]);
    assert_eq!(emulated.counted(), 3);
    emulated.program(&["count", "joe/other"]).assert().code(1);
}

#[test]
fn responses_may_be_slow() {
    let emulated = Emulated::start(&["--latency", "1h"]);
    let late = emulated.count_soon().code(5);
    assert!(stderr(&late).contains("300ms"), "{late}");
}

#[test]
fn requests_may_be_too_many() {
    let emulated = Emulated::start(&["--rate-limit", "1"]);
    let first = emulated.response("").to_lowercase();
    assert!(first.starts_with("http/1.1 200"), "{first}");
    assert!(first.contains("x-ratelimit-limit: 1\r\n"), "{first}");
    wait_until("two come within a second", || {
        emulated.response("").starts_with("HTTP/1.1 429")
    });
}

#[test]
fn responses_may_be_compressed() {
    let has_encoding = |arguments: &[&str]| {
        let response = Emulated::start(arguments).response("Accept-Encoding: gzip\r\n");
        response.to_lowercase().contains("content-encoding: gzip")
    };
    assert!(has_encoding(&["--compress"]));
    assert!(!has_encoding(&[]));
    let emulated = Emulated::start(&["--compress", "--runs", "25"]);
    assert_eq!(ids_of(&emulated.export()).len(), 25);
}

#[test]
fn responses_may_be_compact_and_their_rows_complete() {
    let count = |arguments: &[&str], text: &str| {
        let arguments = [&["--runs", "200"], arguments].concat();
        let response = Emulated::start(&arguments).response("");
        response.matches(text).count()
    };
    assert_eq!(count(&[], "{\n  \"data\": {\n    \"total\": 200,"), 1);
    assert_eq!(count(&["--compact"], "{\"data\":{\"total\":200,"), 1);
    assert!(count(&[], "\"usageTotalUsd\": ") < 200);
    assert_eq!(count(&["--complete-rows"], "\"usageTotalUsd\": "), 200);
}

#[test]
fn requests_may_be_answered_wrongly() {
    for (fault, code) in [
        ("503", 5),
        ("400", 1),
        ("403", 4),
        ("hang", 5),
        ("reset", 5),
        ("truncate", 5),
        ("stall", 5),
        ("html", 5),
        ("broken-json", 5),
        ("empty", 5),
        ("error-in-ok", 5),
    ] {
        let rule = format!("2={fault}");
        let emulated = Emulated::start(&["--runs", "3", "--fault", &rule]);
        assert_eq!(emulated.counted(), 3);
        let counted = match fault {
            "hang" | "stall" => emulated.count_soon(),
            _ => emulated.count(),
        };
        counted.code(code);
        assert_eq!(emulated.counted(), 3, "{fault}");
    }
}

#[test]
fn faults_may_be_ranges_and_several() {
    let faults = [
        "--fault",
        "1..3=503",
        "--fault=4..=5=404",
        "--fault=7..=401",
    ];
    let emulated = Emulated::start(&faults);
    let codes: Vec<_> = (0..8)
        .map(|_| emulated.count().get_output().status.code())
        .collect();
    let expected = [5, 5, 0, 1, 1, 0, 4, 4].map(Some);
    assert_eq!(codes, expected);
}

#[test]
fn the_list_may_change_before_requests() {
    let emulated = Emulated::start(&["--runs=100", "--delete-every=2:10"]);
    let counts: Vec<_> = (0..4).map(|_| emulated.counted()).collect();
    assert_eq!(counts, [100, 90, 90, 80]);
    let emulated = Emulated::start(&["--runs=100", "--insert-every=1"]);
    let counts: Vec<_> = (0..3).map(|_| emulated.counted()).collect();
    assert_eq!(counts, [101, 102, 103]);
    let emulated = Emulated::start(&["--runs=100", "--insert-every=2:5", "--delete-every=2"]);
    let counts: Vec<_> = (0..3).map(|_| emulated.counted()).collect();
    assert_eq!(counts, [100, 104, 104]);
}

#[cfg(unix)]
#[test]
fn it_serves_until_it_is_interrupted() {
    for name in ["INT", "TERM"] {
        let mut emulated = Emulated::start(&["--runs", "3"]);
        assert_eq!(emulated.counted(), 3);
        signals::send(name, &emulated.process);
        let status = emulated.process.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{name}");
    }
}
