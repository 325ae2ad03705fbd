//! The client: whom it asks, with what, and whom it never tells the token.

use std::process::Command;

use apify_runs::emulator::{Emulator, Fault};
use apify_runs::{Client, ErrorKind, RetryPolicy, RunQuery, RunStatus};
use futures::StreamExt;

use crate::hostile::OddList;
use crate::{drain, emulator, start};

#[tokio::test(start_paused = true)]
async fn a_request_carries_what_the_service_needs() {
    let emulator = emulator(5).await;
    emulator.client().count("janedoe/my-actor").await.unwrap();
    let request = &emulator.requests()[0];
    assert_eq!(request.path, "/v2/acts/janedoe~my-actor/runs");
    assert!(request.has_token);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(request.user_agent, Some(format!("apify-runs/{version}")));
    assert!(request.query.iter().all(|(name, _)| name != "token"));
}

#[cfg(all(feature = "gzip", feature = "brotli", feature = "zstd"))]
#[tokio::test(start_paused = true)]
async fn compressed_answers_are_asked_for() {
    let emulator = emulator(5).await;
    emulator.client().count("a").await.unwrap();
    let accepted = emulator.requests()[0].accept_encoding.clone().unwrap();
    for encoding in ["gzip", "br", "zstd"] {
        assert!(accepted.contains(encoding), "{accepted}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_arrive_as_they_were_given() {
    let emulator = emulator(5).await;
    for (name, path) in [
        ("HG7ML7M8z78YcAPEB", "/v2/acts/HG7ML7M8z78YcAPEB/runs"),
        ("a?b=c&d", "/v2/acts/a%3Fb=c&d/runs"),
        (
            "žluť/kůň #1",
            "/v2/acts/%C5%BElu%C5%A5~k%C5%AF%C5%88%20%231/runs",
        ),
        ("50%~x", "/v2/acts/50%25~x/runs"),
    ] {
        assert_eq!(emulator.client().count(name).await.unwrap(), 5);
        assert_eq!(emulator.requests().last().unwrap().path, path);
    }
}

#[tokio::test(start_paused = true)]
async fn count_is_one_small_request() {
    let emulator = emulator(1234).await;
    let client = emulator.client();
    assert_eq!(client.count("a").await.unwrap(), 1234);
    let query = RunQuery::actor("a").offset(1000).limit(3).page_size(7);
    assert_eq!(client.count(&query).await.unwrap(), 1234);
    let failed = query.status(RunStatus::Failed);
    let expected = (0..1234).filter(|n| emulator.run(*n).unwrap()["status"] == "FAILED");
    assert_eq!(client.count(failed).await.unwrap(), expected.count() as u64);

    let requests = emulator.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.parameter("limit"), Some("1"));
        assert_eq!(request.parameter("offset"), Some("0"));
    }
    let error = client.count("").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

/// A walk can do without it, but not who asks for it.
#[tokio::test]
async fn a_count_that_the_service_does_not_give_is_an_error() {
    let (client, server) = OddList::new(r#""total":"many","#).client().await;
    let error = client.count("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    let message = "the response does not say how many runs there are";
    assert!(error.to_string().contains(message), "{error}");

    let page = client.page("a", 5).await.unwrap();
    assert_eq!((page.total, page.items.len()), (None, 30));
    let mut runs = client.runs("a").stream();
    while runs.next().await.is_some() {}
    assert_eq!((runs.stats().total, runs.stats().rows), (None, 35));
    let splits = client.split("a", 10).await.unwrap();
    assert_eq!(splits.len(), 1, "a list of unknown length is not cut");
    server.abort();

    let (client, server) = OddList::new(r#""total":"TOTAL.0","#).client().await;
    assert_eq!(client.count("a").await.unwrap(), 35);
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn a_page_is_one_request_from_its_offset() {
    let emulator = emulator(100).await;
    let query = RunQuery::actor("a")
        .page_size(30)
        .descending(true)
        .offset(5);
    let page = emulator.client().page(&query, 80).await.unwrap();
    assert_eq!(
        (page.total, page.offset, page.limit, page.desc),
        (Some(100), 80, 30, true)
    );
    assert_eq!(page.items.len(), 20);
    assert_eq!(
        page.items[0].id,
        emulator.run(19).unwrap()["id"].as_str().unwrap()
    );
    assert_eq!(emulator.requests().len(), 1);

    let past_the_end = emulator.client().page(&query, 1000).await.unwrap();
    assert!(past_the_end.items.is_empty());
    let error = emulator
        .client()
        .page(&query.page_size(0), 0)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn page_and_count_retry_too() {
    let emulator = start(Emulator::builder().runs(9).fault(1..=2, Fault::Truncate)).await;
    assert_eq!(emulator.client().count("a").await.unwrap(), 9);
    assert_eq!(emulator.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_or_actor_is_said_plainly() {
    let emulator = start(Emulator::builder().runs(5).actor("me~it").token("right")).await;
    assert_eq!(emulator.client().count("me/it").await.unwrap(), 5);

    let error = emulator.client().count("me/other").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.api_type(), Some("record-not-found"));

    let client = emulator
        .client_builder()
        .token("wrong-token")
        .build()
        .unwrap();
    let error = client.count("me/it").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Auth, Some(401)));
    assert!(!format!("{error} {error:?}").contains("wrong-token"));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_to_another_host_is_not_followed() {
    let other = emulator(5).await;
    let target = format!("{}/v2/acts/a/runs", other.base_url());
    let emulator = start(Emulator::builder().fault(.., Fault::Redirect(target))).await;
    let (_, end) = drain(emulator.client().runs("a").stream()).await;

    let error = end.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(302)));
    let origin = other.base_url();
    let expected = format!("a redirect to {origin} is not followed");
    assert!(error.to_string().contains(&expected), "{error}");
    assert_eq!(emulator.requests().len(), 1, "a redirect is not retried");
    assert!(other.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_redirect_on_the_same_host_is_followed() {
    let target = "/v2/actors/a/runs?offset=0&limit=1000";
    let builder = Emulator::builder()
        .runs(5)
        .fault(1..=1, Fault::Redirect(target.into()));
    let emulator = start(builder).await;
    assert_eq!(emulator.client().count("a").await.unwrap(), 5);
    assert!(emulator.requests()[1].has_token);
}

#[tokio::test(start_paused = true)]
async fn redirects_in_a_circle_end() {
    let target = "/v2/acts/a/runs?offset=0&limit=1";
    let emulator = start(Emulator::builder().fault(.., Fault::Redirect(target.into()))).await;
    let error = emulator.client().count("a").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(302)));
    assert_eq!(emulator.requests().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_client_of_ones_own_keeps_the_token_to_the_host_too() {
    let other = emulator(5).await;
    let target = format!("{}/v2/acts/a/runs", other.base_url());
    let builder = Emulator::builder().fault(.., Fault::Redirect(target));
    let emulator = start(builder).await;
    let http = reqwest::Client::builder()
        .no_proxy()
        .user_agent("mine/1")
        .build()
        .unwrap();
    let builder = emulator.client_builder().http_client(http);
    let client = builder.retry(RetryPolicy::none()).build().unwrap();

    let error = client.count("a").await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Auth,
        "the other host was not told the token"
    );
    assert!(!other.requests()[0].has_token);
    let request = &emulator.requests()[0];
    assert!(request.has_token);
    assert_eq!(request.user_agent.as_deref(), Some("mine/1"));
}

#[tokio::test(start_paused = true)]
async fn the_user_agent_can_be_chosen() {
    let emulator = emulator(5).await;
    let http = reqwest::Client::builder()
        .no_proxy()
        .user_agent("mine/1")
        .build()
        .unwrap();
    for builder in [
        emulator.client_builder(),
        emulator.client_builder().http_client(http),
    ] {
        let client = builder.user_agent("nightly-export/2").build().unwrap();
        client.count("a").await.unwrap();
        let request = emulator.requests().pop().unwrap();
        assert_eq!(request.user_agent.as_deref(), Some("nightly-export/2"));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_at_the_address_is_a_transport_error() {
    let emulator = emulator(5).await;
    let base_url = emulator.base_url();
    drop(emulator);
    let builder = Client::builder().token("t").base_url(base_url);
    let client = builder
        .retry(RetryPolicy::default().max_retries(1))
        .build()
        .unwrap();
    let error = client.count("a").await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 2));
    assert!(error.to_string().contains("no connection"), "{error}");
}

/// The environment of a process cannot be changed safely: start another one, of this same
/// program, that runs only the test below.
fn from_env_in_a_process(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "client::print_client_from_env",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env_remove("APIFY_TOKEN")
        .env_remove("APIFY_API_BASE_URL")
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "run by the tests below, in a process with other variables"]
fn print_client_from_env() {
    match Client::from_env() {
        Ok(client) => println!("{client:?}"),
        Err(error) => println!("{:?}: {error}", error.kind()),
    }
}

#[cfg(not(feature = "rustls"))]
#[test]
fn https_without_tls_is_said_before_anything_is_sent() {
    let error = Client::new("t").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("the feature rustls"), "{error}");
}

#[cfg(feature = "rustls")]
#[test]
fn the_environment_gives_token_and_address() {
    let printed = from_env_in_a_process(&[("APIFY_TOKEN", " s3cret\n")]);
    assert!(
        printed.contains(r#"base_url: "https://api.apify.com/v2""#),
        "{printed}"
    );
    assert!(!printed.contains("s3cret"), "{printed}");

    let printed = from_env_in_a_process(&[
        ("APIFY_TOKEN", "s3cret"),
        ("APIFY_API_BASE_URL", "https://apify.example/"),
    ]);
    assert!(
        printed.contains(r#"base_url: "https://apify.example/v2""#),
        "{printed}"
    );
}

#[test]
fn a_bad_environment_is_named() {
    for token in [None, Some(""), Some("  ")] {
        let variables: Vec<_> = token
            .map(|token| ("APIFY_TOKEN", token))
            .into_iter()
            .collect();
        let printed = from_env_in_a_process(&variables);
        assert!(
            printed.contains("Config: invalid APIFY_TOKEN (not set)"),
            "{printed}"
        );
    }
    let printed = from_env_in_a_process(&[
        ("APIFY_TOKEN", "s3cret"),
        ("APIFY_API_BASE_URL", "http://apify.example"),
    ]);
    assert!(printed.contains("Config: invalid base_url"), "{printed}");
}
