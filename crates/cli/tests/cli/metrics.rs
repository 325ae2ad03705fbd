//! Metrics for Prometheus.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use apify_runs::emulator::{Emulator, Fault};
use serde_json::json;

use super::*;

/// A program in the background that serves metrics.
struct Scraped {
    process: Child,
    errors: PathBuf,
}

impl Scraped {
    fn start(service: &Service, folder: &Path, arguments: &[&str]) -> Self {
        let errors = folder.join("errors");
        let mut command = service.process(arguments);
        command
            .args(["--metrics", "127.0.0.1:0"])
            .current_dir(folder);
        command.stdout(Stdio::null());
        command.stderr(fs::File::create(&errors).unwrap());
        let process = command.spawn().unwrap();
        Self { process, errors }
    }

    fn address(&self) -> String {
        let find = || {
            let text = fs::read_to_string(&self.errors).unwrap();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("metrics are at http://"));
            Some(line?.strip_suffix("/metrics")?.to_owned())
        };
        wait_until("metrics are served", || find().is_some());
        find().unwrap()
    }

    /// The head and the body of a response.
    fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    }

    /// The values of all metrics, by their names and labels.
    fn values(&self) -> HashMap<String, f64> {
        parse(&self.get("/metrics").1)
    }

    fn value(&self, metric: &str) -> f64 {
        self.values().get(metric).copied().unwrap_or(f64::NAN)
    }
}

impl Drop for Scraped {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the text format of Prometheus, and checks what `promtool` checks: each metric has a help
/// and a type before its values, once, and names are as they should be.
fn parse(text: &str) -> HashMap<String, f64> {
    let mut values = HashMap::new();
    let (mut helped, mut typed) = (HashSet::new(), HashMap::new());
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect(line);
            assert!(helped.insert(name) && help.ends_with('.'), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect(line);
            assert!(helped.contains(name), "{line}");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert_eq!(typed.insert(name, kind), None, "{line}");
        } else {
            let (metric, value) = line.rsplit_once(' ').expect(line);
            let (name, labels) = metric.split_once('{').expect(line);
            assert!(typed.contains_key(name), "{line}");
            assert!(name.starts_with("apify_runs_"), "{line}");
            assert!(labels.ends_with("\"}"), "{line}");
            assert_eq!(
                values.insert(metric.to_owned(), value.parse().expect(line)),
                None,
                "{line}"
            );
        }
    }
    values
}

fn of_list(name: &str) -> String {
    format!("apify_runs_{name}{{list=\"actor janedoe~my-actor\"}}")
}

#[test]
fn an_export_that_follows_is_scraped() {
    let builder = Emulator::builder().runs(30);
    let service = Service::start(builder.fault(1..=1, Fault::status(503)));
    let (folder, _) = place("unused");
    let arguments = [
        "export",
        ACTOR,
        "--out=runs.jsonl",
        "--follow",
        "--interval=100ms",
    ];
    let export = Scraped::start(&service, folder.path(), &arguments);
    wait_until("the list is read", || {
        export.value(&of_list("passes_total")) >= 2.0
    });
    let before = export.values();
    assert_eq!(before[&of_list("rows_total")], 30.0);
    assert_eq!(before[&of_list("retries_total")], 1.0);
    assert!(before[&of_list("requests_total")] >= 3.0, "{before:?}");
    assert_eq!(before[&of_list("list_rows")], 30.0);
    // It begins with half of what is allowed, and grows.
    let rate = before[&of_list("max_requests_per_second")];
    assert!((30.0..=60.0).contains(&rate), "{rate}");
    let now = chrono::Utc::now().timestamp() as f64;
    let success = before[&of_list("last_success_timestamp_seconds")];
    assert!(
        (now - 60.0..=now + 1.0).contains(&success),
        "{success} at {now}"
    );

    service.change(|store| store.start_run("later"));
    wait_until("the new run is read", || {
        export.value(&of_list("rows_total")) == 31.0
    });
    wait_until("the time goes on", || {
        export.value(&of_list("last_success_timestamp_seconds")) > success
    });
    let newest = export.value(&of_list("newest_start_timestamp_seconds"));
    assert!(
        newest > before[&of_list("newest_start_timestamp_seconds")],
        "{newest}"
    );

    let (head, _) = export.get("/metrics");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    let (head, body) = export.get("/secret");
    assert!(head.starts_with("http/1.1 404 "), "{head}");
    assert_eq!(body, "metrics are at /metrics\n");
}

#[test]
fn a_list_that_cannot_be_read_has_no_last_success() {
    let builder = Emulator::builder().runs(30);
    let service = Service::start(builder.fault(1.., Fault::status(503)));
    let (folder, _) = place("unused");
    let export = Scraped::start(
        &service,
        folder.path(),
        &["export", ACTOR, "--out=runs.jsonl"],
    );
    wait_until("a request has failed", || {
        export.value(&of_list("retries_total")) >= 1.0
    });
    let values = export.values();
    assert_eq!(values[&of_list("passes_total")], 0.0);
    assert!(
        !values.contains_key(&of_list("last_success_timestamp_seconds")),
        "{values:?}"
    );
    assert!(!values.contains_key(&of_list("list_rows")), "{values:?}");
}

#[test]
fn a_sync_of_several_lists_is_scraped() {
    let service = Service::with_runs(20);
    let (folder, _) = place("unused");
    let arguments = [
        "sync",
        "me/a",
        "me~b",
        "--to=sqlite:runs.db",
        "--follow",
        "--interval=100ms",
    ];
    let sync = Scraped::start(&service, folder.path(), &arguments);
    for list in ["me~a", "me~b"] {
        let metric = |name| format!("apify_runs_{name}{{list=\"actor {list}\"}}");
        wait_until("the list is read", || {
            sync.value(&metric("passes_total")) >= 1.0
        });
        assert!(sync.value(&metric("rows_total")) >= 20.0);
    }
}

#[test]
fn alerts_of_a_watch_are_scraped() {
    let row = |id: &str| json!({"id": id, "status": "FAILED", "startedAt": chrono::Utc::now().to_rfc3339()});
    let service = Service::start(Emulator::builder().rows([row("one"), row("two")]));
    let (folder, _) = place("unused");
    // Nothing listens there.
    let arguments = [
        "watch",
        "--account",
        "--interval=100ms",
        "--webhook=http://127.0.0.1:1/",
    ];
    let watch = Scraped::start(&service, folder.path(), &arguments);
    let of_sink = |name, sink| format!("apify_runs_{name}{{sink=\"{sink}\"}}");
    wait_until("a few attempts have failed", || {
        watch.value(&of_sink("alert_failures_total", "webhook")) >= 2.0
    });
    wait_until("alerts are printed", || {
        watch.value(&of_sink("alerts_delivered_total", "stdout")) == 2.0
    });
    let values = watch.values();
    assert_eq!(values[&of_sink("alerts_waiting", "stdout")], 0.0);
    assert_eq!(values[&of_sink("alerts_delivered_total", "webhook")], 0.0);
    assert_eq!(values[&of_sink("alerts_waiting", "webhook")], 2.0);
    assert_eq!(values["apify_runs_rows_total{list=\"account\"}"], 2.0);
}

#[test]
fn wrong_input_is_refused() {
    let service = Service::with_runs(1);
    let (_folder, out) = place("runs.jsonl");
    let loopback = "127.0.0.1:9464, or give --metrics-public, too";
    for (address, expected) in [
        ("0.0.0.0:0", loopback),
        ("[::]:0", loopback),
        (
            "9464",
            "it must be an IP address and a port, such as 127.0.0.1:9464",
        ),
        ("localhost:9464", "it must be an IP address and a port"),
    ] {
        let wrong = service.export(&out, &["--metrics", address]).code(2);
        assert!(stderr(&wrong).contains(expected), "{wrong}");
        assert!(stderr(&wrong).contains(address), "{wrong}");
    }
    service.export(&out, &["--metrics-public"]).code(2);
    assert!(!out.exists());
    service
        .export(&out, &["--metrics=0.0.0.0:0", "--metrics-public"])
        .success();

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = service.export(&out, &["--metrics", &address]).code(1);
    let expected = format!("--metrics cannot listen on {address}: ");
    assert!(stderr(&refused).contains(&expected), "{refused}");
}
