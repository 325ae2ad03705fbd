//! The emulator answers as the service does, to clients that are not ours.

use std::time::Duration;

use apify_runs::emulator::Emulator;
use serde_json::Value;
use tokio::time::Instant;

use crate::{emulator, start};

async fn get(emulator: &Emulator, path: &str, token: Option<&str>) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http.get(format!("{}{path}", emulator.base_url()));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
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

#[tokio::test(start_paused = true)]
async fn a_million_runs_are_there_at_once() {
    let emulator = emulator(1_000_000).await;
    let page = emulator.client().page(&"a".into(), 999_990).await.unwrap();
    assert_eq!((page.total, page.items.len()), (1_000_000, 10));
}
