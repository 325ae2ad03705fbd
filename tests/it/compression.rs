//! Answers that come compressed.

use std::io::Write;

use apify_runs::{Client, ErrorKind, RunQuery};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::drain;

/// A client of a server that answers one request, with this body, compressed.
async fn client_of_gzip_server(body: &[u8]) -> apify_runs::ClientBuilder {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    let body = encoder.finish().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut request).await.unwrap();
        }
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // A client that has seen enough may be gone by now.
        let _ = stream.write_all(&body).await;
    });
    Client::builder()
        .base_url(format!("http://{address}"))
        .token("t")
}

#[tokio::test]
async fn a_compressed_page_is_read_like_any_other() {
    let body = include_bytes!("../fixtures/reference.json");
    let client = client_of_gzip_server(body).await.build().unwrap();
    let mut runs = client.runs("a").stream();
    let mut statuses = Vec::new();
    while let Some(run) = futures::StreamExt::next(&mut runs).await {
        statuses.push(run.unwrap().status.to_string());
    }
    assert_eq!(statuses, ["SUCCEEDED", "FAILED"]);
    assert_eq!(runs.stats().bytes, body.len() as u64);
}

#[tokio::test]
async fn the_limit_on_a_page_holds_for_what_comes_out_of_the_compression() {
    let bomb = vec![b' '; 50 << 20];
    let builder = client_of_gzip_server(&bomb).await.max_page_bytes(1 << 20);
    let client = builder.build().unwrap();
    let (_, end) = drain(client.runs(RunQuery::actor("a")).stream()).await;
    let error = end.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(
        error.to_string().contains("longer than max_page_bytes"),
        "{error}"
    );
}
