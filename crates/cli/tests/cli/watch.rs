//! Alerts for runs that fail.

mod receiver;

use std::fs;
#[cfg(unix)]
use std::process::{Child, Stdio};
#[cfg(unix)]
use std::sync::Arc;
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};

use apify_runs::emulator::{Emulator, Fault};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::*;
use receiver::{Receiver, Reply};

/// Times of a list that a test changes: what is inserted is found, however late.
const SOON: [&str; 6] = [
    "--since=1h",
    "--lookback=1h",
    "--interval=100ms",
    "--max-retries=0",
    "--progress=none",
    "--color=never",
];

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A run that started some time ago, a bit later than those with a smaller number. Its cost has
/// settled.
fn run(number: u32, status: &str) -> Value {
    let start = Utc::now() - TimeDelta::minutes(20) + TimeDelta::milliseconds(number.into());
    let finish = matches!(status, "SUCCEEDED" | "FAILED" | "TIMED-OUT" | "ABORTED")
        .then(|| time(start + TimeDelta::minutes(10)));
    json!({
        "id": format!("run{number:05}"),
        "actId": "actor1",
        "status": status,
        "startedAt": time(start),
        "finishedAt": finish,
        "usageTotalUsd": 0.25,
    })
}

fn failed(numbers: impl IntoIterator<Item = u32>) -> Vec<Value> {
    numbers
        .into_iter()
        .map(|number| run(number, "FAILED"))
        .collect()
}

fn service(rows: impl IntoIterator<Item = Value>) -> Service {
    Service::start(Emulator::builder().rows(rows))
}

fn insert(service: &Service, rows: impl IntoIterator<Item = Value>) {
    service.change(|store| rows.into_iter().for_each(|row| store.insert(&row)));
}

/// A watch of the account with its state in a file.
fn watch<'a>(state: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let state = ["watch", "--account", "--state", state.to_str().unwrap()];
    [&state, &SOON[..], more].concat()
}

fn once(service: &Service, state: &Path, more: &[&str]) -> Assert {
    let mut command = service.program(&watch(state, &["--once"]));
    command.args(more).assert()
}

/// The runs that lines of JSON are about.
fn runs(lines: &str) -> Vec<String> {
    let alert = |line| serde_json::from_str::<Value>(line).unwrap();
    let run = |line| alert(line)["run"].as_str().unwrap().to_owned();
    lines.lines().map(run).collect()
}

fn names(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers
        .into_iter()
        .map(|number| format!("run{number:05}"))
        .collect()
}

#[test]
fn each_run_that_fails_is_told_once() {
    let rows = ["SUCCEEDED", "FAILED", "TIMED-OUT", "ABORTED", "RUNNING"];
    let service = service((1..).zip(rows).map(|(number, status)| run(number, status)));
    let (_folder, state) = place("watch.json");
    let first = once(&service, &state, &["--json"]).success();
    let alerts = stdout(&first);
    assert_eq!(runs(&alerts), names(2..=4));
    assert_eq!(stderr(&first), "");
    let alert: Value = serde_json::from_str(alerts.lines().next().unwrap()).unwrap();
    let row = service.run(1).unwrap();
    let expected = json!({
        "id": format!("run00002:FAILED:{}", row["finishedAt"].as_str().unwrap()),
        "kind": "ended",
        "run": "run00002",
        "actor": "actor1",
        "status": "FAILED",
        "started_at": row["startedAt"],
        "finished_at": row["finishedAt"],
        "duration_seconds": 600.0,
        "cost_usd": 0.25,
        "url": "https://console.apify.com/actors/runs/run00002",
    });
    assert_eq!(alert, expected);

    // Nothing comes again, and what happens meanwhile is not missed.
    assert_eq!(stdout(&once(&service, &state, &[]).success()), "");
    service.change(|store| {
        let mut row = store.run(4).unwrap();
        row["status"] = "FAILED".into();
        row["finishedAt"] = time(Utc::now() - TimeDelta::minutes(2)).into();
        store.update(4, |run| *run = row);
    });
    insert(&service, [run(6, "TIMED-OUT")]);
    let second = once(&service, &state, &["--json"]).success();
    let mut told = runs(&stdout(&second));
    told.sort();
    assert_eq!(told, names(5..=6));
}

#[test]
fn status_says_which_ends_are_told_and_may_change() {
    let rows = [run(1, "SUCCEEDED"), run(2, "FAILED"), run(3, "ABORTED")];
    let service = service(rows);
    let (_folder, state) = place("watch.json");
    let aborted = once(&service, &state, &["--json", "--status", "aborted"]).success();
    assert_eq!(runs(&stdout(&aborted)), names([3]));
    insert(&service, [run(4, "SUCCEEDED"), run(5, "FAILED")]);
    let other = once(&service, &state, &["--json", "--status=SUCCEEDED"]).success();
    assert_eq!(runs(&stdout(&other)), names([4]));
}

#[test]
fn runs_that_ended_before_the_first_start_are_not_told() {
    let old = |number: u32| {
        let mut row = run(number, "FAILED");
        row["finishedAt"] = time(Utc::now() - TimeDelta::minutes(2)).into();
        row
    };
    let service = service([old(1), run(2, "RUNNING")]);
    let (_folder, state) = place("watch.json");
    let text = state.to_str().unwrap();
    let arguments = [
        "watch",
        "--account",
        "--once",
        "--lookback=1h",
        "--state",
        text,
    ];
    let first = service.program(&arguments).assert().success();
    assert_eq!(stdout(&first), "");
    // It started before the watch did, and fails now.
    service.change(|store| {
        store.update(1, |run| {
            run["status"] = "FAILED".into();
            run.as_object_mut().unwrap().remove("finishedAt");
        });
    });
    let second = service.program(&arguments).assert().success();
    assert!(
        stdout(&second).starts_with("FAILED: run run00002 of Actor actor1, started "),
        "{second}"
    );
}

#[test]
fn several_actors_have_a_place_of_their_own() {
    let service = service(failed(1..=2));
    let (folder, state) = place("watch.json");
    let actors = folder.path().join("actors.txt");
    fs::write(&actors, "me/a\nme~b\n").unwrap();
    let mut arguments = watch(&state, &["--once", "--json", "--actors-file"]);
    arguments.remove(1);
    arguments.push(actors.to_str().unwrap());
    let both = service.program(&arguments).assert().success();
    assert_eq!(runs(&stdout(&both)).len(), 4);
    let mut again = watch(&state, &["--once", "--json", "me~a"]);
    again.remove(1);
    let again = service.program(&again).assert().success();
    assert_eq!(stdout(&again), "");
}

#[test]
fn an_actor_that_is_not_there_does_not_end_the_others() {
    let builder = Emulator::builder().rows(failed(1..=2));
    let service = Service::start(builder.actor("me/a"));
    let (_folder, state) = place("watch.json");
    let mut arguments = watch(&state, &["--once", "--json", "me/a", "me/gone"]);
    arguments.remove(1);
    let both = service.program(&arguments).assert().code(7);
    assert_eq!(runs(&stdout(&both)), names(1..=2));
    assert!(stderr(&both).contains("gone"), "{both}");
    arguments.retain(|argument| *argument != "me/a");
    let one = service.program(&arguments).assert().code(1);
    assert!(stderr(&one).contains("check the name"), "{one}");
}

/// A watch that goes on in the background, with what it prints in files.
#[cfg(unix)]
struct Watch {
    process: Child,
    out: PathBuf,
}

#[cfg(unix)]
impl Watch {
    fn start(service: &Service, state: &Path, more: &[&str]) -> Self {
        Self::with(service, state, more, |_| {})
    }

    fn with(
        service: &Service,
        state: &Path,
        more: &[&str],
        adapt: impl FnOnce(&mut std::process::Command),
    ) -> Self {
        let out = state.with_extension("out");
        let open = |path: &Path| {
            let mut options = fs::OpenOptions::new();
            Stdio::from(options.create(true).append(true).open(path).unwrap())
        };
        let mut command = service.process(&watch(state, more));
        command.stdout(open(&out));
        command.stderr(open(&state.with_extension("err")));
        adapt(&mut command);
        let process = command.spawn().unwrap();
        Self { process, out }
    }

    fn out(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    fn err(&self) -> String {
        fs::read_to_string(self.out.with_extension("err")).unwrap()
    }

    /// Waits for the end after a signal.
    fn end(&mut self, signal: &str) -> Option<i32> {
        signals::send(signal, &self.process);
        self.process.wait().unwrap().code()
    }
}

#[cfg(unix)]
impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(unix)]
#[test]
fn a_run_is_told_when_it_fails() {
    let service = Service::start(Emulator::builder().runs(10));
    let (_folder, state) = place("watch.json");
    let text = state.to_str().unwrap();
    let mut command = service.process(&["watch", ACTOR, "--interval=100ms", "--state", text]);
    let out = state.with_extension("out");
    command.stdout(fs::File::create(&out).unwrap());
    let process = command.stderr(Stdio::null()).spawn().unwrap();
    let mut watch = Watch { process, out };
    wait_until("it has begun", || service.requests().len() > 2);
    service.change(|store| store.start_run("later"));
    let before = service.requests().len();
    wait_until("it was seen", || service.requests().len() > before + 2);
    let place = service.change(|store| store.place_of("later")).unwrap();
    service.change(|store| store.finish(place, "TIMED-OUT"));
    // When the cost has settled.
    wait_until("it is told", || watch.out().contains("later"));
    assert!(watch.out().starts_with("TIMED-OUT: run later of Actor "));
    assert_eq!(watch.end("INT"), Some(130));
    assert_eq!(watch.out().lines().count(), 1, "{}", watch.out());
}

#[cfg(unix)]
#[test]
fn a_webhook_that_fails_now_and_then_gets_all_in_order() {
    let receiver = Receiver::start(|number| match number {
        2 => Reply::Status(503),
        4 => Reply::Close,
        6 => Reply::RetryAfter(429, 2),
        9 => Reply::Hang,
        _ => Reply::Status(200),
    });
    let service = service(failed(1..=10));
    let (_folder, state) = place("watch.json");
    let url = receiver.url("secret/path?key=secret");
    let mut watch = Watch::start(&service, &state, &["--json", "--webhook", &url]);
    // The others do not wait for it.
    wait_until("all are printed", || watch.out().lines().count() == 10);
    wait_until("all have come", || receiver.accepted().len() == 10);
    insert(&service, failed([11]));
    wait_until("one more", || receiver.accepted().len() == 11);
    assert_eq!(watch.end("TERM"), Some(143));
    let said = watch.err();
    assert!(
        said.ends_with("interrupted: all alerts are delivered\n"),
        "{said}"
    );

    let accepted = receiver.accepted();
    let posted: Vec<_> = accepted
        .iter()
        .map(|post| post.body["run"].clone())
        .collect();
    assert_eq!(posted, names(1..=11));
    for post in &accepted {
        assert_eq!(post.key.as_deref(), post.body["id"].as_str());
        assert_eq!(post.target, "/secret/path?key=secret");
    }
    assert_eq!(receiver.count(), 15);
    let times = receiver.times();
    assert!(times[7] - times[6] >= Duration::from_secs(2), "{times:?}");
    assert_eq!(runs(&watch.out()), names(1..=11));
    let stored = fs::read_to_string(&state).unwrap();
    for text in [watch.err(), stored] {
        assert!(!text.contains("secret"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn a_webhook_that_is_down_is_told_once_and_gets_all_later() {
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let receiver = Receiver::start(move |_| match up.load(Ordering::Relaxed) {
        false => Reply::Status(502),
        true => Reply::Status(204),
    });
    let service = service(failed(1..=3));
    let (_folder, state) = place("watch.json");
    let url = receiver.url("secret");
    let webhook = |command: &mut std::process::Command| {
        command.env("APIFY_RUNS_WEBHOOK", &url);
    };
    let mut watch = Watch::with(&service, &state, &["--json"], webhook);
    wait_until("it was tried a few times", || receiver.count() > 3);
    assert_eq!(watch.end("TERM"), Some(143));
    let said = watch.err();
    let host = url.split('/').nth(2).unwrap();
    let down = format!(
        "warning: the webhook at {host} accepts no alerts: HTTP status 502 Bad Gateway; they \
         are kept and tried again\n"
    );
    assert!(said.contains(&down), "{said}");
    assert_eq!(said.matches("accepts no alerts").count(), 1, "{said}");
    assert!(
        said.contains("interrupted: 3 alerts not delivered, kept in "),
        "{said}"
    );

    is_up.store(true, Ordering::Relaxed);
    let mut watch = Watch::with(&service, &state, &["--json"], webhook);
    wait_until("all have come", || receiver.accepted().len() == 3);
    assert_eq!(watch.end("TERM"), Some(143));
    // What was printed is not printed again.
    assert_eq!(runs(&watch.out()), names(1..=3));
}

#[cfg(unix)]
#[test]
fn a_watch_that_is_killed_misses_nothing() {
    let receiver = Receiver::start(|number| match number % 7 {
        3 => Reply::Status(503),
        5 => Reply::Close,
        _ => Reply::Status(200),
    });
    let service = service(failed(1..=20));
    let (_folder, state) = place("watch.json");
    let url = receiver.url("hook");
    let arguments = ["--json", "--webhook", &url];
    for killed in 1..=4 {
        let mut watch = Watch::start(&service, &state, &arguments);
        let before = receiver.accepted().len();
        wait_until("a few have come", || {
            receiver.accepted().len() >= before + 3
        });
        watch.process.kill().unwrap();
        watch.process.wait().unwrap();
        // While nothing runs.
        insert(&service, failed(20 + killed..=20 + killed));
    }
    let mut watch = Watch::start(&service, &state, &arguments);
    let posted = || -> Vec<String> {
        let accepted = receiver.accepted();
        let run = |post: &receiver::Post| post.body["run"].as_str().unwrap().to_owned();
        accepted.iter().map(run).collect()
    };
    wait_until("the last one has come", || {
        posted().contains(&"run00024".into())
    });
    assert_eq!(watch.end("TERM"), Some(143));
    // Some may have come again. The first time each came, it came in its order.
    let mut seen = HashSet::new();
    let mut first = posted();
    first.retain(|run| seen.insert(run.clone()));
    assert_eq!(first, names(1..=24));
    let printed: HashSet<_> = runs(&watch.out()).into_iter().collect();
    assert_eq!(printed, names(1..=24).into_iter().collect());
}

#[test]
fn one_look_keeps_what_is_not_delivered() {
    let receiver = Receiver::start(|number| match number {
        0..=4 => Reply::Close,
        _ => Reply::Status(200),
    });
    let service = service(failed(1..=2));
    let (_folder, state) = place("watch.json");
    let url = receiver.url("secret");
    let arguments = ["--json", "--webhook", &url];
    let first = once(&service, &state, &arguments).code(5);
    assert_eq!(runs(&stdout(&first)), names(1..=2));
    let message = stderr(&first);
    assert!(
        message.contains("2 alerts not delivered, kept in "),
        "{message}"
    );
    assert!(
        message.contains("the next start delivers them"),
        "{message}"
    );
    // Without a webhook, they are kept on.
    let without = once(&service, &state, &["--json"]).success();
    let message = stderr(&without);
    assert!(
        message.contains("2 alerts of an earlier start wait for --webhook"),
        "{message}"
    );
    let second = once(&service, &state, &arguments).success();
    assert_eq!(stdout(&second), "");
    assert_eq!(receiver.accepted().len(), 2);
}

#[test]
fn an_alert_that_is_refused_is_said_and_tried_again_at_the_next_start() {
    let receiver = Receiver::start(|number| match number {
        0..=4 => Reply::Status(400),
        // A redirect would make something else of a POST.
        6 => Reply::Status(302),
        _ => Reply::Status(200),
    });
    let service = service(failed(1..=2));
    let (_folder, state) = place("watch.json");
    let url = receiver.url("secret");
    let first = once(&service, &state, &["--webhook", &url]).code(5);
    let message = stderr(&first);
    let refused = "has refused alert run00001:FAILED:";
    assert!(message.contains(refused), "{message}");
    assert!(
        message.contains("HTTP status 400 Bad Request; it is kept"),
        "{message}"
    );
    assert!(!message.contains("secret"), "{message}");
    assert_eq!(receiver.accepted()[0].body["run"], "run00002");
    once(&service, &state, &["--webhook", &url]).success();
    assert_eq!(receiver.accepted()[1].body["run"], "run00001");
}

#[test]
fn slack_gets_text() {
    let receiver = Receiver::start(|_| Reply::Status(200));
    let service = service(failed([1]));
    let (_folder, state) = place("watch.json");
    let url = receiver.url("services/secret");
    once(&service, &state, &["--slack", "--webhook", &url]).success();
    let accepted = receiver.accepted();
    let text = accepted[0].body["text"].as_str().unwrap();
    assert!(
        text.starts_with("FAILED: run run00001 of Actor actor1"),
        "{text}"
    );
    assert_eq!(accepted[0].body.as_object().unwrap().len(), 1);
    assert!(
        accepted[0]
            .key
            .as_deref()
            .unwrap()
            .starts_with("run00001:FAILED")
    );
}

#[cfg(unix)]
#[test]
fn a_command_gets_fields_and_json_and_may_fail() {
    let mut rows = failed(1..=3);
    rows[1].as_object_mut().unwrap().remove("usageTotalUsd");
    rows[1]["actId"] = "a b; $(touch injected)".into();
    let service = service(rows);
    let (folder, state) = place("watch.json");
    let script = folder.path().join("alert.sh");
    // It refuses the first one until a file is there.
    let text = "#!/bin/sh\ncd \"${0%/*}\"\ncat > \"$2.json\"\necho said by the command\n\
        case $1 in run00001*) test -f may-pass || exit 3;; esac\n\
        printf '%s|' \"$@\" >> told\n";
    fs::write(&script, text).unwrap();
    let command = format!(
        "sh '{}' {{id}} {{run}} {{status}} '[{{cost_usd}}]' {{actor}}",
        script.display()
    );
    let first = once(&service, &state, &["--exec", &command]).code(5);
    let message = stderr(&first);
    assert!(
        message.contains("the command sh has refused alert run00001:FAILED:"),
        "{message}"
    );
    assert!(message.contains("exit status: 3"), "{message}");
    assert_eq!(stdout(&first).lines().count(), 3);
    assert!(!stdout(&first).contains("said by"), "{first}");
    let id = |place: u64| {
        let row = service.run(place).unwrap();
        format!(
            "{}:FAILED:{}",
            row["id"].as_str().unwrap(),
            row["finishedAt"].as_str().unwrap()
        )
    };
    let told = fs::read_to_string(folder.path().join("told")).unwrap();
    let second = format!("{}|run00002|FAILED|[]|a b; $(touch injected)|", id(1));
    let third = format!("{}|run00003|FAILED|[0.25]|actor1|", id(2));
    assert_eq!(told, second + &third);
    assert!(!folder.path().join("injected").exists());
    let input = fs::read_to_string(folder.path().join("run00003.json")).unwrap();
    let input: Value = serde_json::from_str(&input).unwrap();
    assert_eq!(input["id"], id(2));

    fs::write(folder.path().join("may-pass"), "").unwrap();
    once(&service, &state, &["--exec", &command]).success();
    let told = fs::read_to_string(folder.path().join("told")).unwrap();
    assert!(
        told.ends_with(&format!("{}|run00001|FAILED|[0.25]|actor1|", id(0))),
        "{told}"
    );
}

#[test]
fn a_run_that_does_not_end_is_told_once() {
    let mut young = run(3, "RUNNING");
    young["startedAt"] = time(Utc::now()).into();
    let service = service([run(1, "RUNNING"), run(2, "SUCCEEDED"), young]);
    let (_folder, state) = place("watch.json");
    let arguments = ["--json", "--max-running", "15m"];
    let first = once(&service, &state, &arguments).success();
    let text = stdout(&first);
    assert_eq!(runs(&text), names([1]));
    let alert: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(
        (&alert["id"], &alert["kind"]),
        (&"run00001:running".into(), &"running".into())
    );
    assert!(
        alert["duration_seconds"].as_f64().unwrap() > 900.0,
        "{alert}"
    );
    assert_eq!(stdout(&once(&service, &state, &arguments).success()), "");
    // It is another alert that it fails.
    service.change(|store| {
        store.update(0, |run| run["status"] = "FAILED".into());
        store.update(0, |run| {
            drop(run.as_object_mut().unwrap().remove("finishedAt"))
        });
    });
    let failed = once(&service, &state, &arguments).success();
    assert!(
        stdout(&failed).contains(r#""id":"run00001:FAILED""#),
        "{failed}"
    );
}

#[test]
fn an_unfinished_run_that_cannot_be_read_is_no_success() {
    let old = |id: u32, actor: Value| {
        let mut row = run(id, "RUNNING");
        row["startedAt"] = time(Utc::now() - TimeDelta::days(30)).into();
        row["actId"] = actor;
        row
    };
    let service = service([old(1, 5.into()), old(2, "actor1".into())]);
    let (_folder, state) = place("watch.json");
    let arguments = ["--json", "--max-running", "2h"];
    let failed = once(&service, &state, &arguments).code(1);
    assert_eq!(runs(&stdout(&failed)), names([2]));
    let message = stderr(&failed);
    assert!(
        message.contains("account: no alert for a row: "),
        "{message}"
    );
    assert!(
        message.contains("no alert for 1 row that could not be read"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn unfinished_runs_that_cannot_be_listed_are_reported() {
    let builder = Emulator::builder().rows([run(1, "RUNNING")]);
    let service = Service::start(builder.fault(1..=4, Fault::status(503)));
    let (_folder, state) = place("watch.json");
    let mut watch = Watch::start(&service, &state, &["--max-running=15m"]);
    wait_until("it is told", || watch.out().lines().count() == 1);
    assert_eq!(watch.end("INT"), Some(130));
    let said = watch.err();
    assert!(said.contains("account, unfinished runs: "), "{said}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_watch_reports_lists_that_failed_and_alerts_of_the_next_summary() {
    let builder = Emulator::builder().rows(failed(1..=2));
    let service = Service::start(builder.actor("me/a"));
    let (_folder, state) = place("watch.json");
    let more = ["--summary=1h", "me/a", "me/gone"];
    let mut arguments = watch(&state, &more);
    arguments.remove(1);
    let err = state.with_extension("err");
    let mut command = service.process(&arguments);
    command.stdout(Stdio::null());
    command.stderr(fs::File::create(&err).unwrap());
    let process = command.spawn().unwrap();
    let mut watch = Watch {
        process,
        out: state.with_extension("out"),
    };
    wait_until("one list has failed", || watch.err().contains("gone"));
    let is_counted = || {
        let stored = fs::read_to_string(&state).unwrap_or_default();
        serde_json::from_str::<Value>(&stored).is_ok_and(|state| state["digest"]["total"] == 2)
    };
    wait_until("the alerts are counted", is_counted);
    assert_eq!(watch.end("TERM"), Some(143));
    let said = watch.err();
    assert!(
        said.ends_with("interrupted: 2 alerts kept for the next summary; 1 of 2 lists failed\n"),
        "{said}"
    );
}

#[test]
fn a_summary_has_the_numbers_and_comes_when_it_is_due() {
    let mut rows = failed(1..=12);
    rows.push(run(13, "ABORTED"));
    rows[0]["actId"] = "actor2".into();
    let service = service(rows);
    let (_folder, state) = place("watch.json");
    let early = once(&service, &state, &["--json", "--summary", "1h"]).success();
    assert_eq!(stdout(&early), "");
    // What has happened is kept, and told when it is due.
    std::thread::sleep(Duration::from_secs(2));
    let due = once(&service, &state, &["--json", "--summary", "1s"]).success();
    let summary: Value = serde_json::from_str(stdout(&due).trim_end()).unwrap();
    let counts = json!({"actor1": {"ABORTED": 1, "FAILED": 11}, "actor2": {"FAILED": 1}});
    assert_eq!(
        (&summary["kind"], &summary["counts"]),
        (&"summary".into(), &counts)
    );
    assert_eq!(
        (&summary["total"], summary["runs"].as_array().unwrap().len()),
        (&13.into(), 10)
    );
    let id = summary["id"].as_str().unwrap();
    assert!(id.starts_with("summary:20"), "{id}");
    std::thread::sleep(Duration::from_secs(2));
    let nothing = once(&service, &state, &["--json", "--summary", "1s"]).success();
    assert_eq!(stdout(&nothing), "");
    // Without the flag, single alerts come again, and first what was added up.
    insert(&service, failed([20]));
    once(&service, &state, &["--summary", "1h"]).success();
    insert(&service, failed([21]));
    let text = stdout(&once(&service, &state, &[]).success());
    assert!(text.starts_with("1 alert, "), "{text}");
    let span = text.lines().next().unwrap().strip_prefix("1 alert, ");
    let (from, to) = span.unwrap().split_once(" to ").unwrap();
    assert!(from < to, "{text}");
    assert!(
        text.contains("\n  Actor actor1: 1 FAILED\n  FAILED: run run00020 "),
        "{text}"
    );
    assert!(text.contains("\nFAILED: run run00021 "), "{text}");
}

#[cfg(unix)]
#[test]
fn summaries_come_while_it_goes_on() {
    let service = service(failed(1..=3));
    let (_folder, state) = place("watch.json");
    let mut watch = Watch::start(&service, &state, &["--json", "--summary", "1s"]);
    let told = |watch: &Watch| -> u64 {
        let total = |line| {
            serde_json::from_str::<Value>(line).unwrap()["total"]
                .as_u64()
                .unwrap()
        };
        watch.out().lines().map(total).sum()
    };
    wait_until("a summary", || told(&watch) == 3);
    insert(&service, failed(4..=5));
    wait_until("another one", || told(&watch) == 5);
    assert_eq!(watch.end("INT"), Some(130));
}

#[cfg(unix)]
#[test]
fn a_second_watch_of_the_same_state_is_refused() {
    let service = service(failed([1]));
    let (_folder, state) = place("watch.json");
    let watch = Watch::start(&service, &state, &[]);
    wait_until("it has begun", || watch.out().lines().count() == 1);
    let second = once(&service, &state, &[]).code(6);
    assert!(stderr(&second).contains("another watch"), "{second}");
    drop(watch);
    once(&service, &state, &[]).success();
}

#[cfg(unix)]
#[test]
fn a_service_that_is_down_for_a_while_ends_no_watch() {
    let builder = Emulator::builder().rows(failed([1]));
    let service = Service::start(builder.fault(1..=1, Fault::status(503)));
    let (_folder, state) = place("watch.json");
    let one = once(&service, &state, &["--json"]).code(5);
    assert!(stderr(&one).contains("503"), "{one}");
    let second = once(&service, &state, &["--json"]).success();
    assert_eq!(runs(&stdout(&second)), names([1]));

    let builder = Emulator::builder().rows(failed([1]));
    let service = Service::start(builder.fault(2..=5, Fault::status(503)));
    let (_folder, state) = place("watch.json");
    let mut watch = Watch::start(&service, &state, &["--json"]);
    wait_until("the service is up again", || service.requests().len() > 5);
    insert(&service, failed([2]));
    wait_until("all are told", || watch.out().lines().count() == 2);
    assert_eq!(watch.end("INT"), Some(130));
    assert!(watch.err().contains("account: "), "{}", watch.err());
    assert!(watch.err().contains("; trying again\n"), "{}", watch.err());
}

#[test]
fn wrong_input_is_refused() {
    let (_folder, state) = place("watch.json");
    let wrong = |arguments: &[&str], expected: &str| {
        let flag = |argument: &&str| argument.split('=').next().map(String::from);
        let mut all = watch(&state, &[]);
        all.retain(|given| {
            !arguments
                .iter()
                .any(|argument| flag(argument) == flag(given))
        });
        let mut command = program();
        command.args(all).args(arguments).env("APIFY_TOKEN", "t");
        let refused = command.assert().code(2);
        let message = stderr(&refused);
        assert!(message.contains(expected), "{arguments:?}: {message}");
        assert!(!message.contains("secret"), "{arguments:?}: {message}");
        assert!(!state.exists(), "{arguments:?}");
    };
    let url = "it must be a URL such as https://example.org/hook";
    for webhook in ["ftp://a/secret", "secret", "", "https:///?secret"] {
        wrong(&["--webhook", webhook], url);
    }
    wrong(&["--exec", ""], "it must be a command");
    wrong(&["--exec", "sh secret {idd}"], "{idd} is none of id, kind");
    wrong(
        &["--exec", "sh 'secret"],
        "invalid --exec: a quote is not closed",
    );
    wrong(&["--slack"], "--webhook");
    wrong(&["--status", "FAILD"], "FAILED");
    wrong(&["--status", "RUNNING"], "--max-running");
    wrong(&["--until", "2025-09-01"], "a watch has no end");
    wrong(
        &["--summary", "0s"],
        "--summary 0s: it must be from 1s to 365d",
    );
    wrong(&["--max-running", "long"], "it must be a duration");
    wrong(
        &["--started-within", "2y"],
        "--started-within 2years: it must be from 0s to 365d",
    );
    let interval = "--interval 1ms: it must be from 100ms to 1d";
    wrong(&["--interval=1ms"], interval);
    wrong(&["--lookback=25h"], "it must be from 0s to 1d");
    wrong(&["me/a"], "--account");
}

#[test]
fn what_is_no_state_is_refused() {
    let service = service([]);
    let (_folder, state) = place("watch.json");
    for (text, expected) in [
        ("{", "is not the state of a watch"),
        (r#"{"version": 2}"#, "version 2"),
    ] {
        fs::write(&state, text).unwrap();
        let refused = once(&service, &state, &[]).code(6);
        assert!(stderr(&refused).contains(expected), "{refused}");
        assert_eq!(fs::read_to_string(&state).unwrap(), text);
    }
    let nowhere = state.join("nowhere.json");
    let refused = once(&service, &nowhere, &[]).code(1);
    assert!(stderr(&refused).contains("cannot be written"), "{refused}");
}
