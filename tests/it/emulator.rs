//! The emulator responds as the service does, to clients that are not ours.

use std::io::Read;
use std::pin::pin;
use std::time::Duration;

use apify_runs::emulator::{Emulator, Fault};
use apify_runs::{ErrorKind, RetryPolicy};
use chrono::{DateTime, Utc};
use flate2::read::GzDecoder;
use futures::future::join;
use jsonschema::Validator;
use serde_json::{Value, json};
use tokio::time::{Instant, advance, timeout};

use crate::{emulator, http, start};

async fn get(emulator: &Emulator, path: &str, token: Option<&str>) -> (u16, Value) {
    let response = send(emulator, path, token).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

/// A page of the list: its `total`, and the IDs on it.
async fn page(emulator: &Emulator, query: &str) -> (u64, Vec<String>) {
    let path = format!("/v2/acts/a/runs?{query}");
    let (status, body) = get(emulator, &path, Some(emulator.token())).await;
    assert_eq!(status, 200, "{body}");
    let items = body["data"]["items"].as_array().unwrap();
    let ids = items.iter().map(|run| run["id"].as_str().unwrap().into());
    (body["data"]["total"].as_u64().unwrap(), ids.collect())
}

async fn send(emulator: &Emulator, path: &str, token: Option<&str>) -> reqwest::Response {
    let http = http().build().unwrap();
    let mut request = http.get(format!("{}{path}", emulator.base_url()));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn limits_are_clamped_as_the_service_does() {
    let emulator = emulator(1500).await;
    for (query, limit, count) in [
        ("", 1000, 1000),
        ("?limit=0", 1000, 1000),
        ("?limit=5000", 1000, 1000),
        ("?limit=10", 10, 10),
        ("?limit=10&offset=1495", 10, 5),
        ("?offset=9999", 1000, 0),
    ] {
        let path = format!("/v2/acts/a/runs{query}");
        let (status, body) = get(&emulator, &path, Some(emulator.token())).await;
        assert_eq!(status, 200);
        let data = &body["data"];
        assert_eq!(
            (&data["limit"], &data["count"]),
            (&limit.into(), &count.into()),
            "{query}"
        );
        assert_eq!(data["total"], 1500);
        assert_eq!(data["items"].as_array().unwrap().len(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn order_and_statuses_are_asked_for_as_other_clients_do() {
    let emulator = emulator(200).await;
    let token = Some(emulator.token());
    for (query, is_descending) in [
        ("", false),
        ("?desc=true", true),
        ("?desc=1", true),
        ("?desc=0", false),
        ("?desc=false", false),
    ] {
        let path = format!("/v2/acts/a/runs{query}");
        let (_, body) = get(&emulator, &path, token).await;
        assert_eq!(body["data"]["desc"], is_descending, "{query}");
        let items = body["data"]["items"].as_array().unwrap().iter();
        let mut ids: Vec<_> = items.map(|run| run["id"].as_str().unwrap()).collect();
        if is_descending {
            ids.reverse();
        }
        assert_eq!(ids, emulator.ids(), "{query}");
    }
    let has_either = |run: &Value| ["FAILED", "READY"].contains(&run["status"].as_str().unwrap());
    let runs = (0..200).map(|place| emulator.run(place).unwrap());
    let either: Vec<_> = runs
        .filter(has_either)
        .map(|run| run["id"].clone())
        .collect();
    for query in ["status=FAILED,READY", "status=READY%2CFAILED"] {
        let (total, ids) = page(&emulator, query).await;
        assert_eq!((total, ids.len()), (either.len() as u64, either.len()));
        assert_eq!(ids, *either, "{query}");
    }
    let failed = page(&emulator, "status=FAILED").await.0;
    let ready = page(&emulator, "status=READY").await.0;
    assert!(failed > 0 && ready > 0 && failed + ready == either.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn refusals_have_apifys_shape() {
    let emulator = start(Emulator::builder().runs(5).actor("me~it")).await;
    let token = Some(emulator.token());
    for (path, token, status, api_type) in [
        ("/v2/acts/me~it/runs", None, 401, "token-not-provided"),
        (
            "/v2/acts/me~it/runs",
            Some("x"),
            401,
            "user-or-token-not-found",
        ),
        ("/v2/acts/me~other/runs", token, 404, "record-not-found"),
        ("/v2/acts/me~it/runs?limit=ten", token, 400, "invalid-value"),
        (
            "/v2/acts/me~it/runs?startedAfter=today",
            token,
            400,
            "invalid-value",
        ),
        ("/v2/datasets", token, 404, "page-not-found"),
    ] {
        let (seen, body) = get(&emulator, path, token).await;
        assert_eq!(
            (seen, &body["error"]["type"]),
            (status, &api_type.into()),
            "{path}"
        );
        assert!(body["error"]["message"].is_string());
    }
    let (status, _) = get(&emulator, "/v2/actors/me~it/runs", token).await;
    assert_eq!(status, 200, "the newer name of the same list");
}

#[tokio::test(start_paused = true)]
async fn latency_is_on_tokios_clock() {
    let emulator = start(Emulator::builder().runs(5).latency(Duration::from_secs(3))).await;
    let started = Instant::now();
    emulator.client().count("a").await.unwrap();
    let elapsed = started.elapsed().as_millis();
    assert!((3000..3500).contains(&elapsed), "{elapsed} ms");
}

/// The statuses of this many requests for the list, one after the other.
async fn statuses(emulator: &Emulator, requests: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        let response = send(emulator, "/v2/acts/a/runs", Some(emulator.token())).await;
        statuses.push(response.status().as_u16());
    }
    statuses
}

#[tokio::test(start_paused = true)]
async fn so_many_requests_are_let_through_in_a_second() {
    let emulator = start(Emulator::builder().rate_limit(5)).await;
    for second in 1..=3 {
        let expected = [200, 200, 200, 200, 200, 429, 429, 429];
        assert_eq!(statuses(&emulator, 8).await, expected);
        assert_eq!(emulator.refused(), 3 * second);
        advance(Duration::from_secs(1)).await;
    }
    let none_through = start(Emulator::builder().rate_limit(0)).await;
    assert_eq!(
        statuses(&none_through, 2).await,
        [200, 429],
        "0 is taken for 1"
    );
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_when_they_arrive_and_not_when_they_are_responded_to() {
    let latency = Duration::from_secs(30);
    let emulator = start(Emulator::builder().rate_limit(1).latency(latency)).await;
    let mut both = pin!(join(statuses(&emulator, 1), statuses(&emulator, 1)));
    let early = timeout(latency - Duration::from_secs(1), both.as_mut()).await;
    assert!(early.is_err(), "{early:?}");
    assert_eq!((emulator.in_flight(), emulator.refused()), (2, 1));
    let (first, second) = both.await;
    assert_eq!(first[0].min(second[0]), 200);
    assert_eq!(first[0].max(second[0]), 429);
}

#[tokio::test(start_paused = true)]
async fn every_response_tells_the_rate_limit_unless_it_is_hidden() {
    let builder = || Emulator::builder().fault(2..=2, Fault::status(503));
    for (builder, told) in [
        (builder().rate_limit(3), Some("3")),
        (builder().rate_limit(3).hidden_rate_limit(3), None),
        (builder().hidden_rate_limit(3).rate_limit(3), Some("3")),
    ] {
        let emulator = start(builder).await;
        let token = Some(emulator.token());
        let runs = "/v2/acts/a/runs";
        for (token, status) in [(token, 200), (token, 503), (None, 401), (token, 429)] {
            let response = send(&emulator, runs, token).await;
            assert_eq!(response.status(), status);
            let limit = response.headers().get("x-ratelimit-limit");
            assert_eq!(limit.map(|limit| limit.to_str().unwrap()), told, "{status}");
        }
    }
    // What nobody reaches, where there is none.
    let unlimited = emulator(1).await;
    let response = send(&unlimited, "/v2/actor-runs", Some(unlimited.token())).await;
    assert_eq!(response.headers()["x-ratelimit-limit"], "1000000");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_too_often_is_refused_in_apifys_shape() {
    let emulator = start(Emulator::builder().rate_limit(1)).await;
    statuses(&emulator, 1).await;
    // Whatever it asks for of the list.
    for token in [Some(emulator.token()), None] {
        let (status, body) = get(&emulator, "/v2/acts/a/runs?limit=1", token).await;
        assert_eq!(status, 429);
        assert_eq!(body["error"]["type"], "rate-limit-exceeded");
        assert!(body["error"]["message"].is_string());
    }
    let (status, _) = get(&emulator, "/v2/actor-runs", Some(emulator.token())).await;
    assert_eq!(status, 200, "another list has a limit of its own");
}

#[tokio::test(start_paused = true)]
async fn a_planned_fault_comes_before_the_rate_limit() {
    let builder = Emulator::builder()
        .rate_limit(2)
        .fault(1..=1, Fault::status(503))
        .fault(4..=4, Fault::Html { status: 502 });
    let emulator = start(builder).await;
    assert_eq!(statuses(&emulator, 5).await, [503, 200, 429, 502, 429]);
    assert_eq!(emulator.refused(), 2);
}

/// A response as it comes over the wire, but with its body decoded.
struct Received {
    status: u16,
    encoding: Option<String>,
    vary: Option<String>,
    body: Vec<u8>,
    /// Of the body before it was decoded.
    length: usize,
}

/// Asks for the list with this `Accept-Encoding`, by a client that decodes nothing itself.
async fn ask(emulator: &Emulator, token: &str, accept: Option<&str>) -> reqwest::Response {
    let http = http().no_gzip().no_brotli().no_zstd().build().unwrap();
    let request = http.get(format!("{}/v2/acts/a/runs", emulator.base_url()));
    let mut request = request.bearer_auth(token);
    if let Some(accept) = accept {
        request = request.header("accept-encoding", accept);
    }
    request.send().await.unwrap()
}

async fn receive(emulator: &Emulator, token: &str, accept: Option<&str>) -> Received {
    let response = ask(emulator, token, accept).await;
    let header = |name| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let (encoding, vary) = (header("content-encoding"), header("vary"));
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    Received {
        status,
        body: decoded(encoding.as_deref(), &body),
        encoding,
        vary,
        length: body.len(),
    }
}

fn decoded(encoding: Option<&str>, mut body: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    match encoding {
        Some("gzip") => drop(GzDecoder::new(body).read_to_end(&mut decoded).unwrap()),
        Some("br") => brotli::BrotliDecompress(&mut body, &mut decoded).unwrap(),
        Some("zstd") => zstd::stream::copy_decode(body, &mut decoded).unwrap(),
        Some(other) => panic!("{other}"),
        None => decoded.extend(body),
    }
    decoded
}

#[tokio::test(start_paused = true)]
async fn responses_are_compressed_as_the_client_accepts_it() {
    let plain = emulator(300).await;
    let expected = receive(&plain, plain.token(), Some("zstd, br, gzip")).await;
    assert_eq!((expected.encoding, expected.vary), (None, None));

    for builder in [Emulator::builder(), Emulator::builder().keep_pages()] {
        let emulator = start(builder.runs(300).compress()).await;
        for (accept, encoding) in [
            (Some("gzip, deflate, br, zstd"), Some("zstd")),
            (Some("gzip, deflate, br"), Some("br")),
            (Some("GZIP;q=0.5, deflate"), Some("gzip")),
            (Some("deflate"), None),
            (None, None),
            // Once more: what was kept is what was asked for.
            (Some("br"), Some("br")),
            (Some("zstd"), Some("zstd")),
            (Some("gzip"), Some("gzip")),
        ] {
            let response = receive(&emulator, emulator.token(), accept).await;
            assert_eq!(response.encoding.as_deref(), encoding, "{accept:?}");
            assert_eq!(response.vary.as_deref(), Some("Accept-Encoding"));
            assert_eq!(response.body, expected.body, "{accept:?}");
            let is_short = response.length < expected.length / 2;
            assert_eq!(is_short, encoding.is_some(), "{} bytes", response.length);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_page_that_is_compressed_does_not_outlive_a_change() {
    let emulator = start(Emulator::builder().runs(3).keep_pages().compress()).await;
    for runs in [3, 2] {
        for _ in 0..2 {
            let response = receive(&emulator, emulator.token(), Some("gzip")).await;
            let body: Value = serde_json::from_slice(&response.body).unwrap();
            assert_eq!(body["data"]["total"], runs);
        }
        emulator.change(|store| store.delete(..1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_is_compressed_too() {
    let builder = Emulator::builder()
        .compress()
        .fault(2..=2, Fault::Html { status: 502 })
        .fault(3..=3, Fault::Empty)
        .fault(4.., Fault::Total(7));
    let emulator = start(builder).await;
    for (token, status, encoding, content) in [
        ("x", 401, Some("br"), "user-or-token-not-found"),
        ("x", 502, Some("br"), "<html>"),
        ("x", 200, None, ""),
        (emulator.token(), 200, Some("br"), r#""total": 7,"#),
    ] {
        let response = receive(&emulator, token, Some("br")).await;
        assert_eq!(response.status, status);
        assert_eq!(response.encoding.as_deref(), encoding, "{content}");
        let body = String::from_utf8(response.body).unwrap();
        assert!(body.contains(content), "{body}");
        assert_eq!(body.is_empty(), content.is_empty(), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_compressed_response_breaks_off_half_way() {
    let builder = Emulator::builder().runs(300).compress();
    let emulator = start(builder.fault(1..=1, Fault::Truncate)).await;
    let mut response = ask(&emulator, emulator.token(), Some("zstd")).await;
    assert_eq!(response.headers()["content-encoding"], "zstd");
    let announced = response.content_length().unwrap() as usize;
    let whole = receive(&emulator, emulator.token(), Some("zstd")).await;
    assert_eq!(announced, whole.length);

    let mut received = 0;
    let end = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            other => break other,
        }
    };
    assert!(end.is_err(), "{end:?}");
    assert_eq!(received, announced / 2);
}

#[tokio::test(start_paused = true)]
async fn a_million_runs_are_there_at_once() {
    let emulator = emulator(1_000_000).await;
    let page = emulator.client().page("a", 999_990).await.unwrap();
    assert_eq!((page.total, page.items.len()), (Some(1_000_000), 10));
}

#[tokio::test(start_paused = true)]
async fn every_response_tells_the_time_of_the_services_clock() {
    let builder = Emulator::builder()
        .runs(5)
        .clock(time("2031-02-03T04:05:06.999Z"))
        .fault(4..=4, Fault::status(503))
        .fault(5..=5, Fault::Html { status: 502 });
    let emulator = start(builder).await;
    let token = Some(emulator.token());
    let runs = "/v2/acts/a/runs";
    for (path, token, status) in [
        (runs, token, 200),
        (runs, None, 401),
        ("/v2/nothing", token, 404),
        (runs, token, 503),
        (runs, token, 502),
    ] {
        let before = emulator.now();
        let response = send(&emulator, path, token).await;
        assert_eq!(response.status(), status);
        let dates: Vec<_> = response.headers().get_all("date").iter().collect();
        let [date] = dates.as_slice() else {
            panic!("{dates:?}");
        };
        let shown = [before, emulator.now()].map(|time| {
            let text = time.format("%a, %d %b %Y %H:%M:%S GMT");
            text.to_string()
        });
        assert!(shown.contains(&date.to_str().unwrap().into()), "{date:?}");
        advance(Duration::from_secs(86_400)).await;
    }
    let shown = emulator.now() - time("2031-02-08T04:05:06.999Z");
    assert!((0..5).contains(&shown.num_seconds()), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn rows_appear_when_they_are_due_whoever_looks() {
    let emulator = start(Emulator::builder().runs(3).keep_pages()).await;
    let minute = Duration::from_secs(60);
    emulator.change(|store| {
        for (count, id) in ["first", "second", "third", "fourth"].iter().enumerate() {
            let row = json!({"id": id});
            store.after(minute * (count as u32 + 1), move |store| store.insert(&row));
        }
    });
    assert_eq!(page(&emulator, "").await.0, 3);
    advance(minute).await;
    // Not from the page that was kept before.
    let (total, ids) = page(&emulator, "").await;
    assert_eq!((total, &*ids[3]), (4, "first"));
    advance(minute).await;
    assert_eq!(emulator.len(), 5);
    assert_eq!(page(&emulator, "").await.0, 5);
    advance(minute).await;
    assert_eq!(emulator.run(5).unwrap()["id"], "third");
    advance(minute).await;
    assert_eq!(emulator.change(|store| store.place_of("fourth")), Some(6));
}

#[tokio::test(start_paused = true)]
async fn a_late_response_has_what_became_due_meanwhile() {
    let builder = Emulator::builder().latency(Duration::from_secs(30));
    let emulator = start(builder).await;
    emulator.change(|store| {
        store.after(Duration::from_secs(20), |store| {
            store.start_run("meanwhile")
        });
        store.after(Duration::from_secs(60), |store| store.start_run("later"));
    });
    assert_eq!(page(&emulator, "").await, (1, vec!["meanwhile".into()]));
}

#[tokio::test(start_paused = true)]
async fn filters_follow_the_life_of_a_run() {
    let start_time = time("2025-06-01T00:00:00Z");
    let emulator = start(Emulator::builder().runs(20).clock(start_time)).await;
    let ids = |status| {
        let emulator = &emulator;
        async move {
            page(
                emulator,
                &format!("startedAfter=2025-06-01T00:00:00Z&status={status}"),
            )
            .await
            .1
        }
    };
    emulator.change(|store| store.start_run("mine"));
    assert_eq!(ids("RUNNING").await, ["mine"]);

    advance(Duration::from_secs(300)).await;
    assert!(emulator.change(|store| store.finish(20, "TIMED-OUT")));
    assert_eq!(ids("TIMED-OUT").await, ["mine"]);
    assert!(ids("RUNNING").await.is_empty());
    let unsettled = emulator.run(20).unwrap()["usageTotalUsd"].as_f64().unwrap();
    advance(Duration::from_secs(10)).await;
    let run = emulator.run(20).unwrap();
    assert_eq!(run["usageTotalUsd"], unsettled * 2.0);
    let duration = time(run["finishedAt"].as_str().unwrap()) - start_time;
    assert!((300..305).contains(&duration.num_seconds()), "{duration}");

    assert!(emulator.change(|store| store.resurrect(20)));
    assert_eq!(ids("RUNNING").await, ["mine"]);
    assert!(emulator.change(|store| store.delete_run("mine")));
    assert!(ids("RUNNING").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn ties_come_in_another_order_with_each_request() {
    let rows =
        (0..8).map(|n| json!({"id": n.to_string(), "startedAt": "2025-01-01T00:00:00.000Z"}));
    let builder = Emulator::builder().rows(rows);
    let emulator = start(builder.before_each(|request, store| store.shuffle_ties(request))).await;
    let (_, first) = page(&emulator, "").await;
    let (_, second) = page(&emulator, "").await;
    assert_ne!(first, second);
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(first), sorted(second));
}

#[tokio::test(start_paused = true)]
async fn time_filters_can_have_no_effect() {
    let query = "startedAfter=2099-01-01T00:00:00Z&startedBefore=2000-01-01T00:00:00Z";
    let honest = emulator(5).await;
    assert_eq!(page(&honest, query).await.0, 0);
    let ignoring = start(Emulator::builder().runs(5).ignore_time_filters()).await;
    assert_eq!(page(&ignoring, query).await.0, 5);
    assert_eq!(
        page(&ignoring, "startedAfter=today&status=READY").await.0,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_changes_before_and_during_a_request() {
    let builder = Emulator::builder()
        .runs(100)
        .keep_pages()
        .before_each(|request, store| store.insert(&json!({"id": format!("before-{request}")})))
        .during_each(|request, store| store.insert(&json!({"id": format!("during-{request}")})));
    let emulator = start(builder).await;
    let (total, ids) = page(&emulator, "offset=99").await;
    assert_eq!(
        (total, &ids[1..]),
        (101, ["before-1".into(), "during-1".into()].as_slice())
    );
    let (total, ids) = page(&emulator, "offset=99").await;
    assert_eq!((total, ids.len()), (103, 5));

    // A request that is refused reads no page.
    get(&emulator, "/v2/acts/a/runs", None).await;
    assert_eq!(emulator.len(), 105);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_total_and_a_smaller_page_hold_during_changes() {
    let builder = Emulator::builder()
        .runs(100)
        .hidden_max_page_size(10)
        .fault(1.., Fault::Total(7))
        .during_each(|_, store| store.delete(..6));
    let emulator = start(builder).await;
    let before = emulator.ids();
    let (total, ids) = page(&emulator, "").await;
    assert_eq!(total, 7);
    assert_eq!(ids[..5], before[..5]);
    assert_eq!(ids[5..], before[6..11]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_were_taken_are_forgotten_but_count() {
    let choose = |request| (request == 3).then_some(Fault::Empty);
    let builder = Emulator::builder().runs(1).fault(2..=2, Fault::status(503));
    let emulator = start(builder.faults(choose)).await;
    page(&emulator, "").await;
    get(&emulator, "/v2/acts/a/runs", None).await;
    assert_eq!(emulator.take_requests().len(), 2);
    assert!(emulator.take_requests().is_empty() && emulator.requests().is_empty());

    let third = send(&emulator, "/v2/acts/a/runs", Some(emulator.token())).await;
    assert_eq!(third.text().await.unwrap(), "");
    assert_eq!(page(&emulator, "").await.0, 1);
    assert_eq!(emulator.requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_actor_may_be_given_by_either_form_of_its_name() {
    for name in ["janedoe/my-actor", "janedoe~my-actor"] {
        let emulator = start(Emulator::builder().runs(3).actor(name)).await;
        for asked in ["janedoe/my-actor", "janedoe~my-actor"] {
            assert_eq!(emulator.client().count(asked).await.unwrap(), 3);
        }
        let error = emulator.client().count("joe/other").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_has_no_white_space_around_it() {
    let emulator = start(Emulator::builder().runs(3).token(" token\n")).await;
    assert_eq!(emulator.token(), "token");
    assert_eq!(emulator.client().count("a").await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_what_it_calls_is_one_of_the_test() {
    let builder = Emulator::builder().before_each(|_, store| assert!(!store.is_empty()));
    let emulator = start(builder).await;
    let client = emulator.client_builder().retry(RetryPolicy::none());
    let error = client.build().unwrap().count("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(emulator)));
    assert!(dropped.is_err());
}

/// A JSON Schema of `tests/fixtures`.
fn schema(text: &str) -> Validator {
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

/// What is wrong with a body by this schema.
fn violations(schema: &Validator, body: &Value) -> Vec<String> {
    let errors = schema.iter_errors(body);
    let errors = errors.map(|error| format!("{}: {error}", error.instance_path()));
    errors.take(3).collect()
}

#[tokio::test(start_paused = true)]
async fn pages_are_as_their_schema_says() {
    let schema = schema(include_str!("../fixtures/runs-list.schema.json"));
    for builder in [Emulator::builder(), Emulator::builder().complete_rows()] {
        let emulator = start(builder.runs(2500)).await;
        for (query, count) in [
            ("", 1000),
            ("offset=1000", 1000),
            ("offset=2000&limit=1000.0", 500),
            ("offset=9999", 0),
            ("desc=1&limit=7", 7),
            ("status=READY,RUNNING", 5),
            ("status=RUNNING&deployment=SINGLE_TENANT", 0),
            ("startedAfter=2025-01-01T01:00:00Z&limit=3", 3),
            ("startedBefore=2024-01-01T00:00:00Z", 0),
        ] {
            for path in ["acts/a/runs", "actors/a/runs", "actor-runs"] {
                let path = format!("/v2/{path}?{query}");
                let (status, body) = get(&emulator, &path, Some(emulator.token())).await;
                assert_eq!(status, 200, "{path}");
                assert_eq!(violations(&schema, &body), [""; 0], "{path}");
                assert_eq!(body["data"]["count"], count, "{path}");
            }
        }
        // What lives is of the same kind.
        emulator.change(|store| {
            store.start_run("startedJustNow000");
            store.finish(2500, "TIMED-OUT");
            store.resurrect(0);
            store.finish(7, "ABORTING");
        });
        for offset in [0, 2400] {
            let path = format!("/v2/actor-tasks/a/runs?offset={offset}");
            let (_, body) = get(&emulator, &path, Some(emulator.token())).await;
            assert_eq!(violations(&schema, &body), [""; 0]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn errors_are_as_their_schema_says() {
    let schema = schema(include_str!("../fixtures/error.schema.json"));
    let emulator = start(Emulator::builder().actor("me~it")).await;
    let token = Some(emulator.token());
    for (path, token, status) in [
        ("/v2/actor-runs", None, 401),
        ("/v2/actor-runs", Some("x"), 401),
        ("/v2/acts/me~other", token, 404),
        ("/v2/acts/me~other/runs", token, 404),
        ("/v2/datasets", token, 404),
        ("/v2/actor-runs?limit=-1", token, 400),
        ("/v2/actor-runs?deployment=SINGLE_TENANT", token, 400),
    ] {
        let (seen, body) = get(&emulator, path, token).await;
        assert_eq!(seen, status, "{path}");
        assert_eq!(violations(&schema, &body), [""; 0], "{path}");
    }
    for status in [400, 401, 403, 404, 408, 429, 500, 503] {
        let builder = Emulator::builder().fault(.., Fault::status(status));
        let emulator = start(builder).await;
        let (seen, body) = get(&emulator, "/v2/actor-runs", None).await;
        assert_eq!(seen, status);
        assert_eq!(violations(&schema, &body), [""; 0], "{status}");
    }
    let emulator = start(Emulator::builder().fault(.., Fault::ErrorInOk)).await;
    let (_, body) = get(&emulator, "/v2/actor-runs", None).await;
    assert_eq!(violations(&schema, &body), [""; 0]);
    let emulator = start(Emulator::builder().rate_limit(1)).await;
    for status in [401, 429] {
        let (seen, body) = get(&emulator, "/v2/actor-runs", None).await;
        assert_eq!(seen, status);
        assert_eq!(violations(&schema, &body), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn actors_are_found_by_id_and_name_and_listed() {
    let schema = schema(include_str!("../fixtures/actor.schema.json"));
    let named = start(Emulator::builder().runs(3).actor("joe/two-words")).await;
    let by_id = start(Emulator::builder().runs(3).actor("moJRLRc85AitArpNN")).await;
    let any = emulator(3).await;
    for (emulator, asked, username, name) in [
        (&named, "joe~two-words", "joe", "two-words"),
        (&by_id, "moJRLRc85AitArpNN", "janedoe", "my-actor"),
        (&any, "moJRLRc85AitArpNN", "janedoe", "my-actor"),
        (&any, "joe~other", "joe", "other"),
    ] {
        let token = Some(emulator.token());
        let (status, body) = get(emulator, &format!("/v2/acts/{asked}"), token).await;
        assert_eq!(status, 200);
        assert_eq!(violations(&schema, &body), [""; 0]);
        let data = &body["data"];
        assert_eq!(
            (&data["username"], &data["name"]),
            (&username.into(), &name.into())
        );
        assert_eq!(data["stats"]["totalRuns"], 3);
        if !asked.contains('~') {
            assert_eq!(data["id"], asked);
        } else {
            assert_eq!(data["id"], emulator.run(0).unwrap()["actId"]);
        }
        // Its runs are found by the ID that was told.
        let id = data["id"].as_str().unwrap();
        assert_eq!(emulator.client().count(id).await.unwrap(), 3);
        let (_, same) = get(emulator, &format!("/v2/actors/{asked}"), token).await;
        assert_eq!(same, body);
    }
    let (status, body) = get(&named, "/v2/acts/joe~other", Some(named.token())).await;
    assert_eq!(
        (status, &body["error"]["type"]),
        (404, &"record-not-found".into())
    );
    assert_eq!(get(&any, "/v2/acts/joe~other", None).await.0, 401);
    assert_eq!(get(&any, "/v2/acts", Some("x")).await.0, 401);

    for (emulator, name) in [(&named, "two-words"), (&any, "my-actor")] {
        for (query, count) in [("", 1), ("?my=1&desc=1&limit=5", 1), ("?offset=1", 0)] {
            let path = format!("/v2/acts{query}");
            let (status, body) = get(emulator, &path, Some(emulator.token())).await;
            assert_eq!(status, 200);
            assert_eq!(violations(&schema, &body), [""; 0], "{body}");
            let data = &body["data"];
            assert_eq!((&data["total"], &data["count"]), (&1.into(), &count.into()));
            let items = data["items"].as_array().unwrap();
            assert_eq!(items.len(), count);
            assert!(items.iter().all(|actor| actor["name"] == name));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn json_is_indented_unless_it_is_to_be_compact() {
    let builder = || {
        let rows = [json!({"id": "a", "number": 1.5e-7, "text": "{\"é\\\": [", "empty": [{}, []]})];
        let builder = Emulator::builder().rows(rows);
        builder.fault(4..=4, Fault::body("{\"data\":1}"))
    };
    let (indented, compact) = (start(builder()).await, start(builder().compact()).await);
    for (path, token) in [
        ("/v2/actor-runs", Some(indented.token())),
        ("/v2/acts/a", Some(indented.token())),
        ("/v2/actor-runs", None),
    ] {
        let text = send(&compact, path, token).await.text().await.unwrap();
        assert!(!text.contains("\n") && !text.contains("\": \""), "{text}");
        let same = send(&indented, path, token).await.text().await.unwrap();
        let value: Value = serde_json::from_str(&same).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
        // The order of fields is another one here, but not the lines.
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let lines = |text: &str| {
            let lines = text
                .lines()
                .map(|line| line.trim_end_matches(',').to_owned());
            let mut lines: Vec<_> = lines.collect();
            lines.sort();
            lines
        };
        assert_eq!(lines(&same), lines(&pretty));
    }
    for emulator in [&indented, &compact] {
        let given = send(emulator, "/v2/actor-runs", None).await;
        assert_eq!(given.text().await.unwrap(), "{\"data\":1}");
    }
}

#[tokio::test(start_paused = true)]
async fn headers_of_a_page_repeat_what_it_says() {
    let builder = Emulator::builder().runs(50).fault(5..=5, Fault::Total(7));
    let honest = start(builder.keep_pages()).await;
    let hiding = start(Emulator::builder().runs(50).hidden_max_page_size(10)).await;
    for (emulator, path, expected) in [
        (&honest, "actor-runs", [0, 1000, 50, 50]),
        (&honest, "actor-runs?offset=45&limit=10", [45, 10, 5, 50]),
        (&honest, "actor-runs?offset=45&limit=10", [45, 10, 5, 50]),
        (&honest, "acts", [0, 1000, 1, 1]),
        (&honest, "acts/a/runs?limit=3", [0, 3, 3, 7]),
        (&hiding, "acts/a/runs?offset=5&limit=30", [5, 30, 10, 50]),
    ] {
        let path = format!("/v2/{path}");
        let response = send(emulator, &path, Some(emulator.token())).await;
        let headers = response.headers().clone();
        let body: Value = response.json().await.unwrap();
        for (name, expected) in ["offset", "limit", "count", "total"]
            .into_iter()
            .zip(expected)
        {
            assert_eq!(body["data"][name], expected, "{path}: {name}");
            let header = &headers[&format!("x-apify-pagination-{name}")];
            assert_eq!(header, &expected.to_string(), "{path}: {name}");
        }
    }
    let refused = send(&honest, "/v2/actor-runs", None).await;
    assert!(!refused.headers().contains_key("x-apify-pagination-total"));
}

#[tokio::test(start_paused = true)]
async fn numbers_may_be_written_as_floating_point_numbers() {
    let emulator = emulator(30).await;
    let token = Some(emulator.token());
    for (query, offset, limit) in [
        ("limit=1.0&offset=2e1", 20, 1),
        ("limit=0.5e1&offset=0.0", 0, 5),
        ("limit=1e300&offset=007", 7, 1000),
    ] {
        let (status, body) = get(&emulator, &format!("/v2/actor-runs?{query}"), token).await;
        assert_eq!(status, 200, "{query}");
        let data = &body["data"];
        assert_eq!(
            (&data["offset"], &data["limit"]),
            (&offset.into(), &limit.into())
        );
    }
    for value in [
        "1.5", "-1", "-1.0", "inf", "NaN", "1e", "ten", "", "1,0", "1e999",
    ] {
        for name in ["offset", "limit"] {
            let path = format!("/v2/actor-runs?{name}={value}");
            let (status, body) = get(&emulator, &path, token).await;
            assert_eq!(status, 400, "{path}");
            assert_eq!(body["error"]["type"], "invalid-value");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_goes_with_statuses_of_unfinished_runs_only() {
    let emulator = start(Emulator::builder().runs(30).keep_pages()).await;
    let token = Some(emulator.token());
    let both = "deployment=SINGLE_TENANT,MULTI_TENANT_OWNER_PAID";
    for (query, is_valid) in [
        (format!("{both}&status=RUNNING"), true),
        (
            format!("status=READY,RUNNING,TIMING-OUT,ABORTING&{both}"),
            true,
        ),
        (both.into(), false),
        (format!("{both}&status="), false),
        (format!("{both}&status=RUNNING,SUCCEEDED"), false),
        ("deployment=&status=RUNNING".into(), false),
        ("deployment=OTHER&status=RUNNING".into(), false),
        (
            "deployment=SINGLE_TENANT,OTHER&status=RUNNING".into(),
            false,
        ),
    ] {
        // A task's list takes no notice, and its pages are no others' pages.
        let path = format!("/v2/actor-tasks/a/runs?{query}");
        assert_eq!(get(&emulator, &path, token).await.0, 200);
        for list in ["acts/a/runs", "actors/a/runs", "actor-runs"] {
            let path = format!("/v2/{list}?{query}");
            let (status, body) = get(&emulator, &path, token).await;
            if is_valid {
                assert_eq!((status, &body["data"]["total"]), (200, &0.into()), "{path}");
            } else {
                assert_eq!(status, 400, "{path}");
                assert_eq!(body["error"]["type"], "standby-deployment-invalid");
            }
        }
    }
}
