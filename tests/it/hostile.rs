//! Servers that are broken, or mean harm: each response ends in rows or in a clear error, soon, and
//! in the memory that the settings allow.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apify_runs::{Client, Error, ErrorKind, RetryPolicy, RunQuery, RunStatus};
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::drain;

const TOKEN: &str = "apify_api_s3cret0123456789";
const MAX_PAGE_BYTES: usize = 1 << 20;
/// How long one attempt may take where it is to run out of time.
const TIMEOUT: Duration = Duration::from_millis(500);
/// How long any other may, and a client at most: the machine may be busy.
const SOON: Duration = Duration::from_secs(20);
/// More than the kernel holds of what nobody has read.
const IN_SOCKETS: usize = 16 << 20;

/// A server without manners: it sends these bytes, then others again and again.
struct Server {
    address: SocketAddr,
    sent: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// What is sent again and again, and how long the server waits each time.
type Repeated = (Vec<u8>, Duration);

impl Server {
    async fn start(first: impl Into<Vec<u8>>, then: Option<Repeated>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(AtomicUsize::new(0));
        let (first, counter) = (first.into(), Arc::clone(&sent));
        let task = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let counter = Arc::clone(&counter);
                // That the client closes the connection is how a response without an end ends.
                let _ = respond(connection, &first, then.as_ref(), &counter).await;
            }
        });
        Self {
            address,
            sent,
            task,
        }
    }

    /// A response with this body.
    async fn with_body(body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        Self::start([head.as_bytes(), body].concat(), None).await
    }

    fn client(&self, timeout: Duration) -> Client {
        let builder = Client::builder().token(TOKEN);
        let builder = builder.base_url(format!("http://{}", self.address));
        let builder = builder.retry(RetryPolicy::none()).timeout(timeout);
        builder.max_page_bytes(MAX_PAGE_BYTES).build().unwrap()
    }

    /// The error that the first request ends with.
    async fn error(&self) -> Error {
        self.error_within(SOON).await
    }

    /// The same, if an attempt may take so long.
    async fn error_within(&self, timeout: Duration) -> Error {
        let begun = Instant::now();
        let (ids, end) = drain(self.client(timeout).runs("a").stream()).await;
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        assert!(ids.is_empty(), "{ids:?}");
        let error = end.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.len() < 4000, "{} bytes of message", shown.len());
        assert!(!shown.contains(TOKEN), "{shown}");
        error
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a request, and returns it after the response was sent.
async fn respond(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    first: &[u8],
    then: Option<&Repeated>,
    sent: &AtomicUsize,
) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(connection.read_u8().await?);
    }
    connection.write_all(first).await?;
    while let Some((bytes, pause)) = then {
        connection.write_all(bytes).await?;
        sent.fetch_add(bytes.len(), Ordering::Relaxed);
        if !pause.is_zero() {
            tokio::time::sleep(*pause).await;
        }
    }
    connection.shutdown().await?;
    Ok(request)
}

fn page(items: &str) -> String {
    format!(r#"{{"data":{{"total":1,"offset":0,"limit":1000,"items":[{items}]}}}}"#)
}

#[tokio::test]
async fn a_body_without_an_end_is_given_up_at_the_limit() {
    let row = br#"{"id":"HG7ML7M8z78YcAPEB"},"#.repeat(1000);
    let begin = r#"{"data":{"total":1,"items":["#;
    for head in [
        // To the end of the connection, by its length, and in chunks.
        format!("HTTP/1.1 200 OK\r\n\r\n{begin}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{begin}"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
    ] {
        let chunk = [format!("{:x}\r\n", row.len()).as_bytes(), &row, b"\r\n"].concat();
        let is_chunked = head.contains("chunked");
        let repeated = if is_chunked { chunk } else { row.clone() };
        let server = Server::start(head, Some((repeated, Duration::ZERO))).await;
        let error = server.error().await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(
            error.to_string().contains("longer than max_page_bytes"),
            "{error}"
        );
        let sent = server.sent.load(Ordering::Relaxed);
        assert!(
            sent < MAX_PAGE_BYTES + IN_SOCKETS,
            "{sent} bytes were taken"
        );
    }
}

#[tokio::test]
async fn what_comes_drop_by_drop_ends_with_the_timeout() {
    let drop = (b" ".to_vec(), Duration::from_millis(20));
    for first in [
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nX-Long: ",
        "HTTP/1.1 200 OK\r\n\r\n{\"data\":",
    ] {
        let server = Server::start(first, Some(drop.clone())).await;
        let error = server.error_within(TIMEOUT).await;
        assert_eq!(error.kind(), ErrorKind::Timeout, "{first:?}: {error}");
    }
    // The beginning of an error says enough.
    let server = Server::start("HTTP/1.1 404 Not Found\r\n\r\n", Some(drop)).await;
    assert_eq!(
        server.error_within(TIMEOUT).await.kind(),
        ErrorKind::NotFound
    );
}

/// What comes of a compressed body counts for nothing if it comes in drops.
#[tokio::test]
async fn a_compressed_body_that_comes_drop_by_drop_ends_with_the_timeout() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";
    // A block with one space, which is not the last.
    let block = (b"\0\x01\0\xfe\xff ".to_vec(), Duration::from_millis(20));
    let server = Server::start([&head[..], gzip].concat(), Some(block)).await;
    assert_eq!(
        server.error_within(TIMEOUT).await.kind(),
        ErrorKind::Timeout
    );
}

#[tokio::test]
async fn responses_that_only_announce_another_end_with_the_timeout() {
    let announced = (
        b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000),
        Duration::ZERO,
    );
    let server = Server::start("", Some(announced)).await;
    assert_eq!(
        server.error_within(TIMEOUT).await.kind(),
        ErrorKind::Timeout
    );
}

#[tokio::test]
async fn of_an_errors_body_only_the_beginning_is_read() {
    let endless = Some((TOKEN.as_bytes().repeat(1000), Duration::ZERO));
    let head = "HTTP/1.1 500 Internal Server Error\r\n\r\n";
    let server = Server::start(head, endless).await;
    let error = server.error().await;
    assert_eq!(error.kind(), ErrorKind::Api, "{error}");
    let sent = server.sent.load(Ordering::Relaxed);
    assert!(sent < IN_SOCKETS, "{sent} bytes were taken");
}

#[tokio::test]
async fn a_status_counts_though_time_is_up_before_its_body_comes() {
    for (status, kind) in [
        ("401 Unauthorized", ErrorKind::Auth),
        ("404 Not Found", ErrorKind::NotFound),
        ("429 Too Many Requests", ErrorKind::RateLimited),
    ] {
        let drop = (b" ".to_vec(), Duration::from_millis(20));
        let server = Server::start(format!("HTTP/1.1 {status}\r\n\r\n"), Some(drop)).await;
        let policy = RetryPolicy::none().max_elapsed(Duration::from_millis(500));
        let client = Client::builder().token(TOKEN).retry(policy);
        let client = client.base_url(format!("http://{}", server.address));
        let error = client.build().unwrap().count("a").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn a_flood_of_headers_is_no_response() {
    let header = b"X-Flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(100);
    let endless = Some((header, Duration::ZERO));
    let server = Server::start("HTTP/1.1 200 OK\r\n", endless).await;
    let error = server.error().await;
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
    assert!(server.sent.load(Ordering::Relaxed) < IN_SOCKETS);

    let header = "X-Long: ".to_owned() + &"a".repeat(2 << 20);
    let server = Server::start(format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n"), None).await;
    assert_eq!(server.error().await.kind(), ErrorKind::Transport);
}

#[tokio::test]
async fn what_is_no_http_is_a_transport_error() {
    for bytes in [
        &b""[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}{}{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\xff",
    ] {
        let server = Server::start(bytes, None).await;
        let error = server.error().await;
        let is_ours = matches!(error.kind(), ErrorKind::Transport | ErrorKind::Decode);
        assert!(is_ours, "{bytes:?}: {:?} {error}", error.kind());
    }
}

#[tokio::test]
async fn bodies_that_are_no_list_are_said_to_be_none() {
    let deep = "[".repeat(400_000);
    let nested = format!("{}1{}", r#"{"data":"#.repeat(50_000), "}".repeat(50_000));
    let cases: [(&[u8], &str); 9] = [
        (deep.as_bytes(), "invalid type: sequence"),
        (nested.as_bytes(), "missing field"),
        (
            b"{\"data\":{\"total\":1,\"items\":[{\"id\":\"\xff\xfe\"}]}}",
            "utf-8",
        ),
        (b"{\"data\":{\"total\":NaN,\"items\":[]}}", "expected value"),
        (b"{\"data\":{\"total\":1}}", "missing field `items`"),
        (
            b"{\"data\":{\"total\":\"1\",\"items\":{}}}",
            "expected a list of runs",
        ),
        (
            b"{\"data\":{\"total\":1,\"items\":[],\"items\":[]}}",
            "duplicate field `items`",
        ),
        (b"{\"data\":null}", "invalid type: null"),
        (b"\0\0\0\0", "expected value"),
    ];
    for (body, reason) in cases {
        let error = Server::with_body(body).await.error().await;
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
}

#[tokio::test]
async fn a_page_of_more_rows_than_any_is_refused_once() {
    for row in [r#"{"id":""}"#, "5"] {
        let server = Server::with_body(page(&vec![row; 100_000].join(","))).await;
        let error = server.error().await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(
            error.to_string().contains("more than 10000 rows"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn one_bad_row_is_one_error_however_bad_it_is() {
    let long = "x".repeat(600_000);
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    let bad = [
        r#"{"id":"bad","usageTotalUsd":1e999}"#.to_owned(),
        format!(r#"{{"id":"bad","startedAt":"{long}"}}"#),
        format!(r#"{{"id":"bad","status":{deep}}}"#),
        format!(r#"{{"{long}":1,"id":5}}"#),
    ];
    for bad in bad {
        let server = Server::with_body(page(&format!(r#"{bad},{{"id":"good"}}"#))).await;
        let mut runs = server.client(SOON).runs("a").stream();
        let error = runs.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Item, "{error}");
        assert!(format!("{error} {error:?}").len() < 4000, "a long message");
        assert_eq!(runs.next().await.unwrap().unwrap().id, "good");
        assert!(runs.next().await.is_none());
    }
}

#[tokio::test]
async fn odd_rows_are_rows() {
    let long = "x".repeat(600_000);
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let odd = [
        format!(r#"{{"id":"odd","unknown":{deep}}}"#),
        format!(r#"{{"id":"odd","unknown":"{long}"}}"#),
        format!(r#"{{"id":"odd","status":"{long}"}}"#),
        r#"{"id":"odd","unknown":1,"unknown":2}"#.into(),
        r#"{"id":"other","id":"odd","status":"SUCCEEDED","status":"FAILED"}"#.into(),
        "{\"id\":\"odd\",\"unknown\":\"\\u0000\\ud83d\\ude00\"}".into(),
    ];
    for odd in odd {
        let server = Server::with_body(page(&odd)).await;
        let mut runs = server.client(SOON).runs("a").stream();
        let run = runs.next().await.unwrap().unwrap();
        assert_eq!(run.id, "odd");
        assert!(run.status != RunStatus::Succeeded);
    }
    let server = Server::with_body(page(&format!(r#"{{"id":"{long}"}}"#))).await;
    let (ids, end) = drain(server.client(SOON).runs("a").stream()).await;
    end.unwrap();
    assert_eq!(ids, [long]);
}

/// How many rows the lists have that are served under odd heads.
const LISTED: usize = 35;

/// A list whose pages say odd things of it.
#[derive(Clone, Copy)]
pub(crate) struct OddList {
    /// What stands before the JSON.
    mark: &'static str,
    /// The fields before the rows. `TOTAL`, `OFFSET` and `LIMIT` are replaced by what is right.
    head: &'static str,
    /// The fields after the rows.
    tail: &'static str,
    /// A field of every row.
    field: &'static str,
    /// The most rows on a page.
    cap: usize,
}

impl OddList {
    pub(crate) fn new(head: &'static str) -> Self {
        Self {
            mark: "",
            head,
            tail: "",
            field: r#""status":"SUCCEEDED""#,
            cap: 1000,
        }
    }

    fn id(n: usize) -> String {
        format!("run{n}")
    }

    fn row(self, n: usize) -> String {
        let (id, field, seconds) = (Self::id(n), self.field, n + 10);
        format!(r#"{{"id":"{id}","startedAt":"2025-01-01T00:00:{seconds}.000Z",{field}}}"#)
    }

    fn body(self, offset: usize, limit: usize) -> String {
        let (limit, end) = (limit.min(self.cap), offset + limit.min(self.cap));
        let rows = (offset..end.min(LISTED)).map(|n| self.row(n));
        let rows = rows.collect::<Vec<_>>().join(",");
        let said = |text: &str| {
            let text = text.replace("TOTAL", &LISTED.to_string());
            let text = text.replace("OFFSET", &offset.to_string());
            text.replace("LIMIT", &limit.to_string())
        };
        let (mark, head, tail) = (self.mark, said(self.head), said(self.tail));
        format!(r#"{mark}{{"data":{{{head}"items":[{rows}]{tail}}}}}"#)
    }

    /// Serves one request of each connection.
    async fn serve(self, listener: TcpListener) -> std::io::Result<()> {
        loop {
            let (mut connection, _) = listener.accept().await?;
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(connection.read_u8().await?);
            }
            let request = String::from_utf8_lossy(&request);
            let number = |name: &str| {
                let (_, value) = request.split_once(name)?;
                let end = value.find(|char: char| !char.is_ascii_digit())?;
                value[..end].parse().ok()
            };
            let offset = number("offset=").unwrap_or(0);
            let body = self.body(offset, number("limit=").unwrap_or(1000));
            let length = body.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            connection.write_all(head.as_bytes()).await?;
            connection.write_all(body.as_bytes()).await?;
            connection.shutdown().await?;
        }
    }

    /// A client of a server that has the list.
    pub(crate) async fn client(self) -> (Client, JoinHandle<std::io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::builder().token(TOKEN).base_url(base_url);
        let client = client.retry(RetryPolicy::none()).timeout(SOON);
        let server = tokio::spawn(self.serve(listener));
        (client.build().unwrap(), server)
    }

    /// Walks over the list page by page, and looks for each row once.
    async fn comes_whole(self, shown: &str) {
        let (client, server) = self.client().await;
        let expected: Vec<_> = (0..LISTED).map(Self::id).collect();
        for concurrency in [1, 3] {
            let runs = client.runs(RunQuery::actor("a").page_size(10));
            let (ids, end) = drain(runs.concurrency(concurrency).stream()).await;
            assert!(end.is_ok(), "{shown}: {}", end.unwrap_err());
            assert_eq!(ids, expected, "{shown}");
        }
        server.abort();
    }
}

/// Heads with every value that is odd.
fn odd_heads() -> Vec<&'static str> {
    vec![
        r#""total":TOTAL,"offset":OFFSET,"limit":LIMIT,"desc":false,"count":1,"#,
        r#""total":"TOTAL","offset":OFFSET,"limit":LIMIT,"#,
        r#""total":TOTAL.0,"offset":OFFSET,"limit":LIMIT,"#,
        r#""total":TOTALe0,"offset":OFFSET,"limit":LIMIT,"#,
        r#""total":-1,"limit":LIMIT,"#,
        r#""total":0.5,"limit":LIMIT,"#,
        r#""total":1e999,"limit":LIMIT,"#,
        r#""total":18446744073709551616,"limit":LIMIT,"#,
        r#""total":null,"limit":LIMIT,"#,
        r#""total":"many","limit":LIMIT,"#,
        r#""total":"\ud800","limit":LIMIT,"#,
        r#""total":{"rows":[TOTAL]},"limit":LIMIT,"#,
        r#""total":[],"limit":LIMIT,"#,
        r#""total":true,"limit":LIMIT,"#,
        r#""limit":LIMIT,"#,
        r#""total":1,"total":2,"limit":LIMIT,"#,
        r#""total":TOTAL,"limit":"LIMIT","#,
        r#""total":TOTAL,"limit":LIMIT.0,"#,
        r#""total":TOTAL,"limit":-1,"#,
        r#""total":TOTAL,"limit":{},"#,
        r#""total":TOTAL,"limit":null,"#,
        r#""total":null,"limit":"LIMIT","#,
        r#""total":TOTAL,"offset":"OFFSET","#,
        r#""total":TOTAL,"offset":-1,"#,
        r#""total":TOTAL,"offset":[1e999],"#,
        r#""total":TOTAL,"desc":0,"#,
        r#""total":TOTAL,"desc":"false","#,
        r#""total":TOTAL,"desc":{"a":null},"#,
        r#""total":TOTAL,"count":"x","count":1e999,"#,
        r#""total":"x","offset":"x","limit":"x","desc":"x","count":"x","#,
        "",
    ]
}

#[tokio::test]
async fn a_list_comes_whole_whatever_its_pages_say_of_it() {
    for head in odd_heads() {
        OddList::new(head).comes_whole(head).await;
    }
}

#[tokio::test]
async fn what_pages_say_of_a_list_after_their_rows_may_be_odd_too() {
    for tail in [
        r#","total":"TOTAL","limit":1000.0,"desc":0"#,
        r#","total":-1,"offset":-1,"limit":"LIMIT""#,
    ] {
        let list = OddList {
            tail,
            ..OddList::new("")
        };
        list.comes_whole(tail).await;
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_a_page_is_passed_over() {
    for head in [r#""total":TOTAL,"limit":LIMIT,"#, r#""total":"TOTAL","#] {
        let mark = "\u{feff}";
        let list = OddList {
            mark,
            ..OddList::new(head)
        };
        list.comes_whole("mark").await;
    }
}

/// The rows of the file are cut out of the bodies.
#[cfg(feature = "export")]
#[tokio::test]
async fn an_export_needs_no_total() {
    use apify_runs::export::{Export, Output};

    for (mark, head) in [
        ("", ""),
        ("\u{feff}", r#""total":TOTAL,"limit":LIMIT,"#),
        ("\u{feff}", r#""total":"many" ,"#),
    ] {
        let list = OddList {
            mark,
            ..OddList::new(head)
        };
        let (client, server) = list.client().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.jsonl");
        let runs = client.runs(RunQuery::actor("a").page_size(10));
        let export = Export::new(runs, Output::file(&path));
        let summary = export.run().await.unwrap();
        let total = head.contains("TOTAL").then_some(LISTED as u64);
        assert_eq!(
            (summary.total_before, summary.total_after),
            (total, total),
            "{head}"
        );
        let expected: String = (0..LISTED).map(|n| list.row(n) + "\n").collect();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected, "{head}");
        server.abort();
    }
}

/// Such pages are read row by row.
#[tokio::test]
async fn pages_of_bad_rows_may_have_an_odd_head_too() {
    for head in odd_heads() {
        let list = OddList {
            field: r#""status":5"#,
            ..OddList::new(head)
        };
        let (client, server) = list.client().await;
        let runs = client.runs(RunQuery::actor("a").page_size(10)).stream();
        let kinds: Vec<_> = runs
            .map(|run| run.err().map(|error| error.kind()))
            .collect()
            .await;
        assert_eq!(kinds, [Some(ErrorKind::Item); LISTED], "{head}");
        server.abort();
    }
}

/// Where nobody says how long the list is, and how many rows a page may have, only a page without
/// new rows is the last one.
#[tokio::test]
async fn a_list_of_short_pages_that_say_nothing_comes_whole() {
    for head in ["", r#""total":-1,"limit":"x","#, r#""total":{},"limit":0,"#] {
        let list = OddList {
            cap: 7,
            ..OddList::new(head)
        };
        list.comes_whole(head).await;
    }
}

/// On Linux, a file says which certificates are trusted.
#[cfg(all(target_os = "linux", feature = "rustls"))]
mod tls {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use rcgen::CertifiedKey;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::*;

    /// An HTTPS server for `localhost`, with a certificate of its own making.
    struct TlsServer {
        port: u16,
        /// The certificate as a file.
        certificate: PathBuf,
        /// What each connection has sent, or why it was given up.
        requests: UnboundedReceiver<io::Result<Vec<u8>>>,
        task: JoinHandle<()>,
        _folder: tempfile::TempDir,
    }

    impl TlsServer {
        async fn start(response: impl Into<Vec<u8>>) -> Self {
            let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
            let CertifiedKey { cert, signing_key } = certified.unwrap();
            let folder = tempfile::tempdir().unwrap();
            let certificate = folder.path().join("certificate.pem");
            std::fs::write(&certificate, cert.pem()).unwrap();
            let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
            let config = ServerConfig::builder().with_no_client_auth();
            let config = config.with_single_cert(vec![cert.der().clone()], key);
            let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));

            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let (sender, requests) = unbounded_channel();
            let response = response.into();
            let task = tokio::spawn(async move {
                loop {
                    let (connection, _) = listener.accept().await.unwrap();
                    let request = match acceptor.accept(connection).await {
                        Ok(connection) => {
                            respond(connection, &response, None, &AtomicUsize::new(0)).await
                        }
                        Err(error) => Err(error),
                    };
                    let _ = sender.send(request);
                }
            });
            Self {
                port,
                certificate,
                requests,
                task,
                _folder: folder,
            }
        }

        fn base_url(&self) -> String {
            format!("https://localhost:{}", self.port)
        }
    }

    impl Drop for TlsServer {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    #[tokio::test]
    async fn a_certificate_that_nobody_vouches_for_ends_it_before_the_token_is_sent() {
        let mut server = TlsServer::start("HTTP/1.1 200 OK\r\n\r\n").await;
        let client = Client::builder().token(TOKEN).retry(RetryPolicy::none());
        let client = client.base_url(server.base_url()).build().unwrap();
        let error = client.count("a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport, "{error:?}");
        let reason = format!("{error:?}").to_lowercase();
        assert!(reason.contains("certificate"), "{reason}");

        let request = server.requests.recv().await.unwrap();
        let refused = request.unwrap_err().to_string().to_lowercase();
        assert!(refused.contains("alert"), "{refused}");
    }

    #[tokio::test]
    async fn a_redirect_from_https_to_http_is_not_followed() {
        let plain = Server::with_body(page("")).await;
        let target = format!("http://localhost:{}", plain.address.port());
        let redirect = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: {target}/v2/acts/a/runs\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let mut server = TlsServer::start(redirect).await;
        let printed = printed_count(&server.certificate, server.base_url()).await;
        let expected = format!("307 Temporary Redirect: a redirect to {target} is not followed");
        assert!(printed.contains(&expected), "{printed}");
        let request = server.requests.recv().await.unwrap().unwrap();
        assert!(String::from_utf8(request).unwrap().contains(TOKEN));
    }

    #[tokio::test]
    async fn a_certificate_for_another_host_is_none() {
        let server = TlsServer::start("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await;
        let by_address = format!("https://127.0.0.1:{}", server.port);
        let printed = printed_count(&server.certificate, by_address).await;
        assert!(printed.contains("Transport"), "{printed}");
        assert!(printed.to_lowercase().contains("certificate"), "{printed}");
        // By its name, it is trusted, and its response is read.
        let printed = printed_count(&server.certificate, server.base_url()).await;
        assert!(printed.contains("Decode"), "{printed}");
    }

    /// What `print_count` prints in a process that trusts this certificate.
    async fn printed_count(certificate: &Path, base_url: String) -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["hostile::tls::print_count", "--exact", "--ignored"])
            .arg("--nocapture")
            .env("SSL_CERT_FILE", certificate)
            .env("APIFY_API_BASE_URL", base_url);
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[tokio::test]
    #[ignore = "run by the tests above, in a process that trusts their certificate"]
    async fn print_count() {
        let client = Client::builder().token(TOKEN).retry(RetryPolicy::none());
        let client = client.base_url(std::env::var("APIFY_API_BASE_URL").unwrap());
        println!("{:?}", client.build().unwrap().count("a").await);
    }
}
