//! Serves metrics by HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::Metrics;
use super::text;
use crate::exit::{Exit, Failure};

/// How long a connection may last.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves metrics in the background, and returns where.
pub(super) async fn start(address: SocketAddr, metrics: Metrics) -> Result<SocketAddr, Failure> {
    let failed = |error: std::io::Error| {
        let message = format!("--metrics cannot listen on {address}: {error}");
        Failure::new(Exit::Failed, message)
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream, metrics.clone()))),
                // Too many files are open, for example.
                Err(_) => sleep(PAUSE).await,
            }
        }
    });
    Ok(address)
}

async fn serve(stream: TcpStream, metrics: Metrics) {
    let respond = |request: Request<Incoming>| {
        let response = response(&request, &metrics);
        async { Ok::<_, Infallible>(response) }
    };
    let connection = http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service_fn(respond));
    // The client may close the connection early.
    let _ = timeout(TIMEOUT, connection).await;
}

fn response(request: &Request<Incoming>, metrics: &Metrics) -> Response<String> {
    if request.uri().path() != "/metrics" {
        return error(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "metrics can only be read\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    match text::text(metrics) {
        Ok(text) => with_type(Response::new(text), text::CONTENT_TYPE),
        Err(_) => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "metrics cannot be written\n",
        ),
    }
}

fn error(status: StatusCode, text: &str) -> Response<String> {
    let mut response = Response::new(text.to_owned());
    *response.status_mut() = status;
    with_type(response, "text/plain; charset=utf-8")
}

fn with_type(mut response: Response<String>, content_type: &'static str) -> Response<String> {
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
