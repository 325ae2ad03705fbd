//! Objects in each cloud's storage, by a server on this machine: `tests/export/stores.sh`, which says
//! where it is.

use std::collections::BTreeSet;
use std::env;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apify_runs::emulator::Emulator;
use apify_runs::export::{Export, Output, Summary, verify};
use apify_runs::{Error, ErrorKind, Result, RunQuery};
use futures::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value;
use tokio::sync::{Notify, oneshot};

use crate::proxy::{self, Response, Rule, gate};

const RUNS: u64 = 1000;

/// A service that the tests run against.
#[derive(Clone, Copy, PartialEq)]
enum Service {
    S3,
    Google,
    Azure,
}

impl Service {
    /// The one whose URL is in the environment.
    fn of_environment() -> Self {
        match env::var("STORE_TEST_URL").unwrap().split_once(':').unwrap() {
            ("s3", _) => Self::S3,
            ("gs", _) => Self::Google,
            _ => Self::Azure,
        }
    }

    /// What comes before the objects in the path of a request.
    fn root(self, bucket: &str) -> String {
        match self {
            Self::S3 => format!("/{bucket}"),
            Self::Google => format!("/{}", self.encoded(bucket)),
            Self::Azure => format!(
                "/{}/{bucket}",
                env::var("AZURE_STORAGE_ACCOUNT_NAME").unwrap()
            ),
        }
    }

    /// An object, or the beginning of its name, in the path of a request.
    fn encoded(self, name: &str) -> String {
        let encoded = |byte: u8| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        match self {
            Self::S3 | Self::Azure => name.into(),
            Self::Google => name.bytes().map(encoded).collect(),
        }
    }

    fn secrets(self) -> Vec<String> {
        let names: &[&str] = match self {
            Self::S3 => &[
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
                "AWS_SESSION_TOKEN",
            ],
            Self::Google => &["GOOGLE_BEARER_TOKEN"],
            Self::Azure => &["AZURE_STORAGE_ACCOUNT_KEY"],
        };
        names.iter().map(|name| env::var(name).unwrap()).collect()
    }
}

/// A place of its own for a test, and a list of runs to export there.
struct Place {
    service: Service,
    emulator: Emulator,
    bucket: String,
    prefix: &'static str,
}

impl Place {
    async fn new(prefix: &'static str) -> Self {
        Self::in_bucket("exports", prefix).await
    }

    async fn in_bucket(bucket: &str, prefix: &'static str) -> Self {
        proxy::start();
        Self {
            service: Service::of_environment(),
            emulator: Emulator::builder().runs(RUNS).start().await.unwrap(),
            bucket: bucket.into(),
            prefix,
        }
    }

    fn url(&self) -> String {
        let url = env::var("STORE_TEST_URL").unwrap();
        format!("{}/{}", url.replace("BUCKET", &self.bucket), self.prefix)
    }

    fn output(&self) -> Output {
        Output::url(&self.url()).unwrap()
    }

    /// Ten pages, and a part for about every third.
    fn export(&self) -> Export {
        let query = RunQuery::actor("an-actor").page_size(100);
        Export::new(self.emulator.client().runs(query), self.output()).part_rows(250)
    }

    /// A whole export while a request waits at a gate, which then lets it go on.
    async fn exported_between(
        &self,
        has_come: oneshot::Receiver<()>,
        open: oneshot::Sender<()>,
    ) -> Summary {
        has_come.await.unwrap();
        let summary = self.export().run().await.unwrap();
        open.send(()).unwrap();
        summary
    }

    async fn export_until(&self, rows: u64) -> Summary {
        let enough = Arc::new(Notify::new());
        let (stop, seen) = (Arc::clone(&enough), enough);
        let export = self.export().on_progress(move |progress| {
            if progress.rows >= rows {
                seen.notify_one();
            }
        });
        export.run_until(stop.notified()).await.unwrap()
    }

    /// Nothing between, but the proxy.
    fn store(&self) -> Box<dyn ObjectStore> {
        let bucket = &self.bucket;
        match self.service {
            Service::S3 => {
                let builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
                Box::new(builder.build().unwrap())
            }
            Service::Google => {
                let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
                Box::new(builder.build().unwrap())
            }
            Service::Azure => {
                let builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket);
                Box::new(builder.build().unwrap())
            }
        }
    }

    fn path(&self, name: &str) -> Path {
        Path::from(self.prefix).join(name)
    }

    async fn put(&self, name: &str, text: &str) {
        let (store, path) = (self.store(), self.path(name));
        store.put(&path, text.to_owned().into()).await.unwrap();
    }

    async fn get(&self, name: &str) -> String {
        let found = self.store().get(&self.path(name)).await.unwrap();
        String::from_utf8(found.bytes().await.unwrap().into()).unwrap()
    }

    async fn delete(&self, name: &str) {
        self.store().delete(&self.path(name)).await.unwrap();
    }

    async fn names(&self) -> BTreeSet<String> {
        let store = self.store();
        let listed = store.list(Some(&Path::from(self.prefix)));
        let listed = listed.map_ok(|object| object.location.filename().unwrap().to_owned());
        listed.try_collect().await.unwrap()
    }

    /// The parts that count, and the segments that list the older ones.
    async fn listed(&self) -> (Vec<String>, Vec<String>) {
        let (mut parts, mut segments) = (Vec::new(), Vec::new());
        let mut next = Some("_manifest.json".to_owned());
        while let Some(name) = next {
            let list: Value = serde_json::from_str(&self.get(&name).await).unwrap();
            let listed = list["parts"].as_array().unwrap().iter();
            parts.extend(listed.map(|part| part["name"].as_str().unwrap().to_owned()));
            next = list["segment"]["name"].as_str().map(str::to_owned);
            segments.extend(next.clone());
        }
        (parts, segments)
    }

    async fn parts(&self) -> Vec<String> {
        self.listed().await.0
    }

    /// Each run is in it once, by what manifest and segments list, and nothing else is there.
    async fn assert_is_whole(&self) {
        let mut ids = Vec::new();
        let (parts, segments) = self.listed().await;
        for part in &parts {
            for line in self.get(part).await.lines() {
                let row: Value = serde_json::from_str(line).unwrap();
                ids.push(row["id"].as_str().unwrap().to_owned());
            }
        }
        ids.sort_unstable();
        let mut expected = self.emulator.ids();
        expected.sort_unstable();
        assert_eq!(ids, expected);

        let mut names: BTreeSet<_> = parts.into_iter().chain(segments).collect();
        names.insert("_manifest.json".into());
        assert_eq!(self.names().await, names);

        let verification = verify(&self.output()).await.unwrap();
        assert_eq!(verification.problems, Vec::<String>::new());
        assert_eq!(
            (verification.rows, verification.distinct_ids),
            (RUNS, Some(RUNS))
        );
    }

    /// How a request for an object begins. The name may go on, unless it ends in a space.
    fn request(&self, method: &str, name: &str) -> String {
        let root = self.service.root(&self.bucket);
        let name = format!("{}/{name}", self.prefix);
        let (name, end) = match name.strip_suffix(' ') {
            Some(name) => (name, " "),
            None => (&*name, ""),
        };
        format!("{method} {root}/{}{end}", self.service.encoded(name))
    }

    /// How the request begins that replaces the manifest.
    fn put_of_manifest(&self) -> String {
        self.request("PUT", "_manifest.json ")
    }

    fn lose_response_to_third_manifest(&self, response: Response) {
        proxy::add(Rule {
            request: self.put_of_manifest(),
            skip: 2,
            times: 1,
            response,
            ..Rule::default()
        });
    }
}

/// An error with all its causes, and its `Debug` form.
fn whole_text(error: &Error) -> String {
    let mut text = format!("{error:?}\n{error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!("\n{error:?}\n{error}");
        cause = error.source();
    }
    text
}

fn assert_kind(result: Result<Summary>, kind: ErrorKind) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{}", whole_text(&error));
    error
}

fn access_denied() -> Response {
    let body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    Response::Status(403, body.into())
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn an_export_goes_on_where_it_stopped() {
    let place = Place::new("goes-on").await;
    let first = place.export_until(400).await;
    assert!(first.interrupted);
    assert!((400..RUNS).contains(&first.rows), "{first:?}");
    let second = place.export().run().await.unwrap();
    assert_eq!((second.rows, second.output_rows), (RUNS - first.rows, RUNS));
    assert!(place.parts().await.len() >= 3);
    place.assert_is_whole().await;
    let third = place.export().run().await.unwrap();
    assert_eq!((third.rows, third.output_rows), (0, RUNS));
    place.assert_is_whole().await;
}

/// The manifest lists the newest 200 parts, and a segment those before.
#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn older_parts_are_listed_in_a_segment() {
    let place = Place::new("segments").await;
    // The first manifest that refers to a segment is refused, so that this segment is an orphan.
    proxy::add(Rule {
        request: place.put_of_manifest(),
        skip: 201,
        times: 2,
        is_kept: true,
        response: access_denied(),
        ..Rule::default()
    });
    // A part for each row.
    let query = RunQuery::actor("an-actor").page_size(1);
    let runs = place.emulator.client().runs(query);
    let export = Export::new(runs, place.output()).part_rows(1);
    assert_kind(export.run().await, ErrorKind::Output);
    let (parts, segments) = place.listed().await;
    assert_eq!((parts.len(), segments.len()), (200, 0));
    let is_segment = |name: &&String| name.starts_with("_segment-");
    assert_eq!(place.names().await.iter().filter(is_segment).count(), 1);

    place.export().run().await.unwrap();
    let (parts, segments) = place.listed().await;
    assert!(parts.len() > 200, "{parts:?}");
    assert_eq!(segments.len(), (parts.len() - 1) / 200);
    place.assert_is_whole().await;
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn parts_that_no_manifest_lists_do_not_count_and_are_removed() {
    let place = Place::new("orphans").await;
    proxy::add(Rule {
        request: place.put_of_manifest(),
        skip: 2,
        times: 2,
        is_kept: true,
        response: access_denied(),
        ..Rule::default()
    });
    let error = assert_kind(place.export().run().await, ErrorKind::Output);
    assert!(whole_text(&error).contains("AccessDenied: Access Denied"));
    assert_eq!(place.names().await.len(), 1 + place.parts().await.len() + 1);
    place.put("part-000009-0badc0de.jsonl", "{}\n").await;
    place.put("part-list.txt", "mine").await;
    place.export().run().await.unwrap();
    // Nothing is removed but what an export has put there.
    assert_eq!(place.get("part-list.txt").await, "mine");
    place.delete("part-list.txt").await;
    place.assert_is_whole().await;
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn an_export_that_is_started_later_takes_over() {
    let place = Place::new("takes-over").await;
    let (before, has_come, open) = gate();
    proxy::add(Rule {
        request: place.put_of_manifest(),
        skip: 1,
        times: 1,
        before: Some(before),
        ..Rule::default()
    });
    let later = place.exported_between(has_come, open);
    let (first, second) = tokio::join!(place.export().run(), later);
    assert_eq!(second.output_rows, RUNS);
    let error = assert_kind(first, ErrorKind::Locked);
    assert!(error.to_string().contains(&place.bucket), "{error}");
    place.assert_is_whole().await;
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn an_export_that_commits_while_another_one_starts_is_taken_over_all_the_same() {
    let place = Place::new("takes-over-at-a-commit").await;
    place.export_until(300).await;
    let (before, has_come, open) = gate();
    proxy::add(Rule {
        request: place.put_of_manifest(),
        times: 1,
        before: Some(before),
        ..Rule::default()
    });
    let meanwhile = async {
        has_come.await.unwrap();
        let summary = place.export_until(600).await;
        open.send(()).unwrap();
        summary
    };
    let (later, _) = tokio::join!(place.export().run(), meanwhile);
    assert_eq!(later.unwrap().output_rows, RUNS);
    place.assert_is_whole().await;
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn an_export_goes_on_when_the_connection_is_closed_before_a_response() {
    let place = Place::new("closed").await;
    place.lose_response_to_third_manifest(Response::Closed);
    assert_eq!(place.export().run().await.unwrap().output_rows, RUNS);
    place.assert_is_whole().await;
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn an_export_goes_on_when_the_connection_is_reset_before_a_response() {
    let place = Place::new("reset").await;
    place.lose_response_to_third_manifest(Response::Reset);
    assert_eq!(place.export().run().await.unwrap().output_rows, RUNS);
    place.assert_is_whole().await;
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn an_export_goes_on_when_an_error_comes_in_place_of_a_response() {
    let place = Place::new("error-500").await;
    place.lose_response_to_third_manifest(Response::Status(500, String::new()));
    assert_eq!(place.export().run().await.unwrap().output_rows, RUNS);
    place.assert_is_whole().await;
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn an_export_goes_on_when_a_manifest_has_not_arrived() {
    let place = Place::new("not-arrived").await;
    proxy::add(Rule {
        request: place.put_of_manifest(),
        skip: 2,
        times: 1,
        is_kept: true,
        response: Response::Reset,
        ..Rule::default()
    });
    assert_eq!(place.export().run().await.unwrap().output_rows, RUNS);
    place.assert_is_whole().await;
}

/// The response to a manifest is lost, and before the request is repeated, another export has
/// gone on from that manifest.
#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn a_part_that_another_export_has_gone_on_from_stays() {
    for (prefix, response) in [
        ("gone-on-closed", Response::Closed),
        ("gone-on-reset", Response::Reset),
    ] {
        let place = Place::new(prefix).await;
        let (after, has_come, open) = gate();
        proxy::add(Rule {
            request: place.put_of_manifest(),
            skip: 1,
            times: 1,
            after: Some(after),
            response,
            ..Rule::default()
        });
        let later = place.exported_between(has_come, open);
        let (first, second) = tokio::join!(place.export().run(), later);
        assert_kind(first, ErrorKind::Locked);
        assert!(second.rows < RUNS);
        place.assert_is_whole().await;
    }
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn a_manifest_that_somebody_else_has_put_is_left_alone() {
    let place = Place::new("replaced").await;
    let (before, has_come, open) = gate();
    proxy::add(Rule {
        request: place.put_of_manifest(),
        skip: 1,
        times: 1,
        before: Some(before),
        ..Rule::default()
    });
    let meanwhile = async {
        has_come.await.unwrap();
        place.put("_manifest.json", "somebody else's").await;
        open.send(()).unwrap();
    };
    let (first, ()) = tokio::join!(place.export().run(), meanwhile);
    assert_kind(first, ErrorKind::Locked);
    assert_eq!(place.get("_manifest.json").await, "somebody else's");
    assert_kind(place.export().run().await, ErrorKind::Damaged);
    assert_eq!(place.get("_manifest.json").await, "somebody else's");
}

/// The response of S3 to credentials that have expired, or a clock that is wrong.
#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn credentials_are_in_no_error() {
    let secrets = Service::of_environment().secrets();
    let (key, token) = (&secrets[0], secrets.last().unwrap());
    let body = format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>ExpiredToken</Code><Message>The provided token has \
         expired.</Message><Token-0>{token}</Token-0><AWSAccessKeyId>{key}</AWSAccessKeyId>\
         <CanonicalRequest>x-amz-security-token:{token}</CanonicalRequest></Error>",
    );
    let said = "ExpiredToken: The provided token has expired.";
    // What stands before a service may respond with plain text or HTML.
    let words = format!("bad header x-amz-security-token: {token} <id 7>");
    let html = format!("<html><body>{token} is wrong</body></html>");
    let manifest = "_manifest.json ";
    for (number, (method, name, skip, body, said)) in [
        ("GET", manifest, 0, &body, said),
        ("GET", "?", 0, &body, said),
        ("PUT", manifest, 0, &body, said),
        ("PUT", "part-", 0, &body, said),
        ("PUT", manifest, 1, &body, said),
        (
            "PUT",
            manifest,
            2,
            &words,
            "bad header x-amz-security-token: [secret]",
        ),
        ("PUT", manifest, 3, &html, "403 Forbidden"),
    ]
    .into_iter()
    .enumerate()
    {
        // A list of objects names the bucket only.
        let place = Place::in_bucket(&format!("expired-{number}"), "expired").await;
        let request = match name {
            "?" => format!("{method} {}?", place.service.root(&place.bucket)),
            name => place.request(method, name),
        };
        proxy::add(Rule {
            request,
            skip,
            times: usize::MAX,
            is_kept: true,
            response: Response::Status(403, body.clone()),
            ..Rule::default()
        });
        let error = assert_kind(place.export().run().await, ErrorKind::Output);
        let text = whole_text(&error);
        assert!(error.to_string().contains(&place.url()), "{text}");
        assert!(text.contains(said), "{text}");
        for secret in &secrets {
            assert!(!text.contains(secret), "{text}");
            assert!(!format!("{:?}", place.output()).contains(secret));
            assert!(!format!("{:?}", place.export()).contains(secret));
        }
    }
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn a_bucket_that_is_not_there_is_named() {
    let place = Place::in_bucket("no-such-bucket", "a").await;
    let begun = Instant::now();
    let error = assert_kind(place.export().run().await, ErrorKind::Output);
    let text = whole_text(&error);
    assert!(error.to_string().contains(&place.url()), "{text}");
    let code = match place.service {
        Service::S3 | Service::Google => "NoSuchBucket",
        Service::Azure => "ContainerNotFound",
    };
    assert!(text.contains(code), "{text}");
    let error = verify(&place.output()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Output, "{}", whole_text(&error));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn a_server_that_is_gone_is_waited_for_and_given_up_after_a_minute() {
    let place = Place::in_bucket("unreachable", "a").await;
    proxy::add(Rule {
        request: format!("GET {}", place.service.root(&place.bucket)),
        times: usize::MAX,
        is_kept: true,
        response: Response::Closed,
        ..Rule::default()
    });
    let begun = Instant::now();
    let error = assert_kind(place.export().run().await, ErrorKind::Output);
    assert!(error.to_string().contains(&place.url()), "{error}");
    let seconds = begun.elapsed().as_secs();
    assert!((50..90).contains(&seconds), "{seconds}");
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn restart_removes_all_parts() {
    let place = Place::new("restart").await;
    place.export_until(600).await;
    let before = place.names().await;
    let summary = place.export().restart(true).run().await.unwrap();
    assert_eq!((summary.rows, summary.output_rows), (RUNS, RUNS));
    place.assert_is_whole().await;
    let after = place.names().await;
    let both: Vec<_> = before.intersection(&after).collect();
    assert_eq!(both, ["_manifest.json"]);
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn parts_without_a_manifest_are_refused_and_not_touched() {
    let place = Place::new("no-manifest").await;
    place.export_until(300).await;
    place.delete("_manifest.json").await;
    let before = place.names().await;
    let error = assert_kind(place.export().run().await, ErrorKind::Damaged);
    assert!(error.to_string().contains("no manifest"), "{error}");
    assert_eq!(place.names().await, before);
    let error = verify(&place.output()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn verify_finds_parts_that_are_missing_or_changed() {
    let place = Place::new("damaged").await;
    place.export().run().await.unwrap();
    let parts = place.parts().await;
    let changed = place
        .get(&parts[0])
        .await
        .replacen("SUCCEEDED", "SUCCEEDEd", 1);
    place.put(&parts[0], &changed).await;
    place.delete(&parts[1]).await;
    let problems = verify(&place.output()).await.unwrap().problems;
    assert_eq!(
        problems[0],
        format!("{} was changed by something else", parts[0])
    );
    assert_eq!(problems[1], format!("{} is missing", parts[1]));

    let error = assert_kind(place.export().run().await, ErrorKind::Damaged);
    assert!(error.to_string().contains(&parts[1]), "{error}");
}

#[tokio::test]
#[ignore = "needs a server: tests/export/stores.sh"]
async fn a_manifest_of_another_export_is_refused_and_not_touched() {
    let place = Place::new("another-export").await;
    place.export().run().await.unwrap();
    let manifest = place.get("_manifest.json").await;
    let other = place.export().fields(["id"]).run().await;
    let error = assert_kind(other, ErrorKind::CursorMismatch);
    assert!(error.to_string().contains("fields"), "{error}");
    assert_eq!(place.get("_manifest.json").await, manifest);
    place.assert_is_whole().await;
}
