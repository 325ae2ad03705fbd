//! The token is in nothing that the crate says or writes, whatever the service answers.
//!
//! Events, panics and arguments are those of a whole process, so this is a program of its own,
//! with one test.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::error::Error as StdError;
use std::fmt::{Debug, Display};
use std::io::{self, Write};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, panic};

use apify_runs::emulator::{Emulator, Fault};
use apify_runs::export::{Export, Output, verify};
use apify_runs::{Client, Cursor, Emit, Error, RetryPolicy, RunQuery};
use futures::StreamExt;
use futures::future::join_all;
use tokio::time::timeout;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

const TOKEN: &str = "apify_api_TopSecret0123456789abcdefghij";

/// What of the token may not be seen in any letters, so that half of it is not either.
const SECRET: &str = "topsecret";

/// Everything that was said so far.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Said {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Said {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    fn add(&self, text: impl Display) {
        writeln!(self.clone(), "{text}").unwrap();
    }

    /// What `Debug` says of it, on one line and on many.
    fn debug(&self, it: &impl Debug) {
        self.add(format!("{it:?}\n{it:#?}"));
    }

    /// All that an error says, and all that its causes say.
    fn error(&self, error: &Error) {
        self.debug(error);
        let mut cause: Option<&dyn StdError> = Some(error);
        while let Some(error) = cause {
            self.add(format!("{error}\n{error:?}\n{error:#}"));
            cause = error.source();
        }
        self.add(format!("{:?} {:?}", error.api_type(), error.row()));
        if let Some(cursor) = error.cursor() {
            self.cursor(cursor);
        }
    }

    fn cursor(&self, cursor: &Cursor) {
        self.debug(cursor);
        self.add(serde_json::to_string(cursor).unwrap());
    }

    fn result<T: Debug>(&self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => {
                self.debug(&value);
                Some(value)
            }
            Err(error) => {
                self.error(&error);
                unwrap(Err(error));
                None
            }
        }
    }

    /// Names and contents of all files below a folder.
    fn files(&self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            self.add(path.display());
            match fs::read(&path) {
                Ok(content) => self.clone().write_all(&content).unwrap(),
                Err(_) => self.files(&path),
            }
        }
    }

    /// What everything that was said until now has of the token.
    fn assert_silent_about_token(&self, during: &impl Debug) {
        let text = self.text();
        if let Some(at) = text.to_ascii_lowercase().find(SECRET) {
            let from = text[..at].rfind('\n').map_or(0, |end| end + 1);
            let line = text[from..].lines().next().unwrap_or_default();
            drop(panic::take_hook());
            panic!("{during:?} gives the token away: {line}");
        }
    }
}

/// What a program does that does not expect errors.
fn unwrap(failed: Result<(), Error>) {
    let unwrapped = panic::catch_unwind(AssertUnwindSafe(|| failed.unwrap()));
    assert!(unwrapped.is_err());
}

/// Bodies that repeat the token, wherever a body has room for it.
fn telltale_bodies() -> impl Iterator<Item = String> {
    let run = r#"{"id":"a","startedAt":"2025-01-01T00:00:00.000Z","status":"SUCCEEDED"}"#;
    let bodies = [
        r#"{"error":{"type":"token-not-valid","message":"not valid: TOKEN"}}"#,
        r#"{"error":{"type":"TOKEN","message":"TOKEN"}}"#,
        r#"{"error":"TOKEN"}"#,
        r#"{"TOKEN":"TOKEN"}"#,
        "<html><a href='/?token=TOKEN'>Bearer TOKEN</a></html>",
        "TOKEN",
        r#""TOKEN""#,
        r#"{"data":"TOKEN"}"#,
        r#"{"data":{"total":"TOKEN","items":[]}}"#,
        r#"{"data":{"total":1,"offset":"TOKEN","items":"TOKEN"}}"#,
        r#"{"data":{"total":1,"items":["TOKEN"]}}"#,
        r#"{"data":{"total":1,"items":[{"id":{"TOKEN":1}}]}}"#,
        r#"{"data":{"total":1,"items":[{"id":"a","startedAt":"TOKEN"}]}}"#,
        r#"{"data":{"total":1,"items":[{"id":"a","meta":"TOKEN","buildNumber":["TOKEN"]}]}}"#,
        r#"{"data":{"total":2,"items":[RUN,{"id":"b","status":7,"x":"TOKEN"}]}} TOKEN"#,
        r#"{"data":{"total":1,"items":[RUN]},"TOKEN"#,
    ];
    // What is read or shown of a body may end in the middle of the token.
    let padding = (0..16).map(|n| format!("<p>{}TOKEN</p>", "x".repeat(13 * n)));
    let bodies = bodies.into_iter().map(String::from);
    let bodies = bodies.chain(padding).chain(["TOKEN ".repeat(500)]);
    bodies.map(move |body| body.replace("RUN", run).replace("TOKEN", TOKEN))
}

/// Everything that the emulator can do wrong.
fn faults() -> Vec<Fault> {
    let mut faults = vec![
        Fault::Hang,
        Fault::Reset,
        Fault::Truncate,
        Fault::Stall,
        Fault::Html { status: 200 },
        Fault::Html { status: 502 },
        Fault::BrokenJson,
        Fault::Empty,
        Fault::ErrorInOk,
        Fault::Total(0),
        Fault::Total(u64::MAX),
        Fault::Redirect(format!("http://other.example/?token={TOKEN}")),
        Fault::Redirect(format!("/v2/acts/{TOKEN}/runs")),
        Fault::Redirect(format!("not an address {TOKEN}")),
        Fault::Redirect(format!("http://{TOKEN}.example/")),
        Fault::status_retry_after(429, TOKEN),
        Fault::status_retry_after(503, 0),
    ];
    let statuses = [
        204, 301, 400, 401, 402, 403, 404, 408, 409, 429, 500, 502, 503, 999,
    ];
    faults.extend(statuses.map(Fault::status));
    for body in telltale_bodies() {
        let response = |status| Fault::Response {
            status,
            body: body.clone(),
        };
        faults.extend([200, 401, 502].map(response));
    }
    faults
}

/// Does all that a program does with the crate, and collects all that can be seen of it.
async fn use_everything(emulator: &Emulator, said: &Said) {
    let policy = RetryPolicy::default()
        .max_retries(1)
        .initial_delay(Duration::from_millis(1))
        .max_delay(Duration::from_millis(1));
    let heard = said.clone();
    let policy = policy.on_retry(move |event| {
        heard.debug(event);
        heard.error(event.error);
    });
    let builder = emulator
        .client_builder()
        .timeout(Duration::from_millis(60))
        .retry(policy);
    said.debug(&builder);
    let client = builder.build().unwrap();
    said.debug(&client);

    let query = RunQuery::actor("janedoe~crawler").page_size(10);
    said.debug(&query);
    said.result(client.count(query.clone()).await);
    said.result(client.page(&query, 0).await);
    if let Some(splits) = said.result(client.split(&query, 3).await) {
        for split in &splits {
            said.add(serde_json::to_string(split).unwrap());
        }
    }
    let cursor = walk(&client, &query, said).await;
    said.debug(&client.runs(query.clone()).resume(cursor));
    export(&client, &query, said).await;
}

/// Gives a text that holds the token wherever another text belongs.
async fn mix_up(emulator: &Emulator, text: &str, said: &Said) {
    let client = emulator.client();
    said.result(client.count(text).await);
    let status = RunQuery::account().status(text.into());
    for query in [RunQuery::actor(text), RunQuery::task(text), status] {
        said.result(client.page(&query, 0).await);
        said.result(client.split(&query, 2).await);
        let mut runs = client.runs(query).stream();
        said.result(runs.next().await.unwrap());
        said.cursor(runs.cursor());
    }
    for builder in [
        emulator.client_builder().base_url(text),
        emulator
            .client_builder()
            .base_url(format!("https://proxy.example/{text}")),
        emulator.client_builder().user_agent(text),
    ] {
        said.debug(&builder);
        said.result(builder.build());
    }
}

/// Reads a list to its first error, twice by rows and once by pages, and where it stopped.
async fn walk(client: &Client, query: &RunQuery, said: &Said) -> Cursor {
    let runs = client.runs(query.clone()).emit(Emit::Changes);
    said.debug(&runs);
    let mut pages = runs.clone().pages();
    while let Some(page) = pages.next().await {
        let Some(page) = said.result(page) else { break };
        said.debug(&page.items.len());
    }
    said.debug(&pages);

    let mut stream = runs.follow(Duration::from_millis(100)).stream();
    let quiet = Duration::from_millis(130);
    while let Ok(Some(run)) = timeout(quiet, stream.next()).await {
        said.result(run);
    }
    said.debug(&stream);
    said.debug(&stream.stats());
    said.cursor(stream.cursor());
    stream.cursor().clone()
}

/// Exports into a file and into parts.
async fn export(client: &Client, query: &RunQuery, said: &Said) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.jsonl");
    for output in [
        Output::file(&file),
        Output::directory(folder.path().join("parts")),
    ] {
        said.debug(&output);
        let (progress, unreadable) = (said.clone(), said.clone());
        let export = Export::new(client.runs(query.clone()), output)
            .label("by", "a test")
            .on_progress(move |now| progress.debug(now))
            .on_unreadable(move |error| unreadable.error(error));
        said.debug(&export);
        said.result(export.run().await);
    }
    said.result(Output::file(&file).read_checkpoint().await);
    said.result(verify(&Output::file(&file)).await);
    said.files(folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_gives_the_token_away_whatever_the_service_answers() {
    let said = Said::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(said.clone());
    subscriber.init();
    let heard = said.clone();
    panic::set_hook(Box::new(move |panic| heard.add(panic)));

    let builder = || Emulator::builder().runs(35).token(TOKEN);

    // Somebody has mixed up the two texts that a program needs.
    let emulator = builder().start().await.unwrap();
    let address = format!("{}/v2/acts/x/runs?token={TOKEN}", emulator.base_url());
    for text in [
        TOKEN.into(),
        format!("janedoe/{TOKEN}"),
        format!("{TOKEN}\n"),
        address.clone(),
        TOKEN.to_uppercase(),
    ] {
        mix_up(&emulator, &text, &said).await;
        said.assert_silent_about_token(&"a setting");
    }
    assert!(emulator.requests().is_empty());

    // Most of their time is spent waiting.
    for faults in faults().chunks(4) {
        let both = |fault| [(1..u64::MAX, fault), (5..7, fault)];
        let cases = faults.iter().flat_map(both);
        let cases = cases.map(|(requests, fault): (_, &Fault)| {
            let emulator = builder().fault(requests, fault.clone()).start();
            async {
                let emulator = emulator.await.unwrap();
                use_everything(&emulator, &said).await;
                let asked = emulator.requests();
                assert!(asked.iter().all(|request| request.has_token));
                said.debug(&asked);
                said.debug(&emulator);
            }
        });
        join_all(cases).await;
        said.assert_silent_about_token(&faults);
        said.0.lock().unwrap().clear();
    }
}
