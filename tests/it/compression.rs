//! Compressed responses.

use apify_runs::emulator::{Emulator, Fault};
use apify_runs::{Client, ErrorKind, RunQuery};

use crate::{drain, http, start};

/// The encodings that are built in.
fn encodings() -> impl Iterator<Item = &'static str> {
    let all = [
        ("gzip", cfg!(feature = "gzip")),
        ("br", cfg!(feature = "brotli")),
        ("zstd", cfg!(feature = "zstd")),
    ];
    let built_in = all.into_iter().filter(|(_, is_built_in)| *is_built_in);
    built_in.map(|(encoding, _)| encoding)
}

/// A client that accepts nothing but this encoding.
fn client(emulator: &Emulator, encoding: &str) -> apify_runs::ClientBuilder {
    let http = match encoding {
        "gzip" => http().no_brotli().no_zstd(),
        "br" => http().no_gzip().no_zstd(),
        _ => http().no_gzip().no_brotli(),
    };
    Client::builder()
        .base_url(emulator.base_url())
        .token(emulator.token())
        .http_client(http.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_list_is_walked_in_every_encoding() {
    for encoding in encodings() {
        let builder = Emulator::builder().runs(2500).compress();
        let emulator = start(builder.fault(2..=2, Fault::Truncate)).await;
        let client = client(&emulator, encoding).build().unwrap();
        let (walked, end) = drain(client.runs("a").stream()).await;
        end.unwrap();
        assert_eq!(walked, emulator.ids(), "{encoding}");

        let requests = emulator.requests();
        assert_eq!(requests.len(), 4, "the page that broke off is read again");
        for request in requests {
            assert_eq!(request.accept_encoding.as_deref(), Some(encoding));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_compressed_page_is_read_like_any_other() {
    let body = include_str!("../fixtures/reference.json");
    for encoding in encodings() {
        let builder = Emulator::builder().compress();
        let emulator = start(builder.fault(.., Fault::body(body))).await;
        let client = client(&emulator, encoding).build().unwrap();
        let mut runs = client.runs("a").stream();
        let mut statuses = Vec::new();
        while let Some(run) = futures::StreamExt::next(&mut runs).await {
            statuses.push(run.unwrap().status.to_string());
        }
        assert_eq!(statuses, ["SUCCEEDED", "FAILED"], "{encoding}");
        assert_eq!(runs.stats().bytes, body.len() as u64, "{encoding}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_on_a_page_holds_for_what_comes_out_of_the_compression() {
    let bomb = " ".repeat(8 << 20);
    for encoding in encodings() {
        let builder = Emulator::builder().compress();
        let emulator = start(builder.fault(.., Fault::body(bomb.clone()))).await;
        let builder = client(&emulator, encoding).max_page_bytes(1 << 20);
        let client = builder.build().unwrap();
        let (_, end) = drain(client.runs(RunQuery::actor("a")).stream()).await;
        let error = end.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{encoding}");
        assert!(
            error.to_string().contains("longer than max_page_bytes"),
            "{error}"
        );
    }
}
