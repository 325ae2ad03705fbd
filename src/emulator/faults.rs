//! Ways for a response to go wrong.

/// What goes wrong with a response.
///
/// ```
/// use apify_runs::ErrorKind;
/// use apify_runs::emulator::{Emulator, Fault};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> apify_runs::Result<()> {
/// let emulator = Emulator::builder().fault(.., Fault::status(401)).start().await?;
/// let error = emulator.client().count("janedoe/my-actor").await.unwrap_err();
/// assert_eq!((error.kind(), error.status()), (ErrorKind::Auth, Some(401)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// This status, with the error object that Apify sends with it, and a `Retry-After`.
    Status {
        /// The HTTP status.
        status: u16,
        /// The value of `Retry-After`: seconds or an HTTP date.
        retry_after: Option<String>,
    },
    /// No response, ever. The connection stays open.
    Hang,
    /// The connection is reset before the response begins.
    Reset,
    /// Half of the response, after which the connection is closed.
    Truncate,
    /// Half of the response, after which the connection stays open.
    Stall,
    /// This status with a page of HTML, as proxies send it.
    Html {
        /// The HTTP status.
        status: u16,
    },
    /// 200 with JSON that ends too early.
    BrokenJson,
    /// 200 with no body.
    Empty,
    /// 200 with an error object in place of data.
    ErrorInOk,
    /// A good response, but with this `total`.
    Total(u64),
    /// A redirect to this address.
    Redirect(String),
    /// This status with this body.
    Response {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
}

impl Fault {
    /// A status, from 200 to 999, without `Retry-After`. Any other number is sent as 500.
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            retry_after: None,
        }
    }

    /// 200 with this body.
    pub fn body(body: impl Into<String>) -> Self {
        Self::Response {
            status: 200,
            body: body.into(),
        }
    }

    /// A status with `Retry-After`: seconds or an HTTP date.
    pub fn status_retry_after(status: u16, retry_after: impl ToString) -> Self {
        Self::Status {
            status,
            retry_after: Some(retry_after.to_string()),
        }
    }
}
