//! A proxy before the PostgreSQL server, which cuts connections while a transaction is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How the client sends a commit.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cut {
    /// The server does not see the commit.
    Before,
    /// The server commits, and the client does not see that.
    After,
}

/// Cuts the connection of one commit.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    /// How many commits come before that.
    pub(crate) commits: Arc<AtomicI64>,
}

impl Proxy {
    /// A proxy before the server at a port of this machine.
    pub(crate) async fn start(server: u16, cut: Cut, commits: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let commits = Arc::new(AtomicI64::new(commits));
        let count = Arc::clone(&commits);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                tokio::spawn(handle(client, server, cut, Arc::clone(&count)));
            }
        });
        Self { port, commits }
    }
}

/// One connection, until it is closed or cut.
async fn handle(client: TcpStream, server: TcpStream, cut: Cut, commits: Arc<AtomicI64>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let responses = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        let sent = &buffer[..length];
        let is_commit = sent.windows(COMMIT.len()).any(|bytes| bytes == COMMIT);
        let is_cut = is_commit && commits.fetch_sub(1, Ordering::SeqCst) == 0;
        if is_cut {
            responses.abort();
            let _ = responses.await;
            if cut == Cut::After {
                to_server.write_all(sent).await.unwrap();
                // Time for the server to commit.
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
            return;
        }
        if to_server.write_all(sent).await.is_err() {
            return;
        }
    }
}
