//! Ways for an answer to go wrong, and the body that can do so.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// What goes wrong with an answer.
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
    /// This status, with the error object Apify sends with it, and a `Retry-After`.
    Status {
        /// The HTTP status.
        status: u16,
        /// The value of `Retry-After`: seconds or an HTTP date.
        retry_after: Option<String>,
    },
    /// No answer, ever. The connection stays open.
    Hang,
    /// The connection is reset before the answer begins.
    Reset,
    /// The answer breaks off half way: the connection closes.
    Truncate,
    /// The answer stops half way: the connection stays open.
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
    /// A good answer, but with this `total`.
    Total(u64),
    /// A redirect to this address.
    Redirect(String),
    /// This status with this body.
    Answer {
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
        Self::Answer {
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

/// The body of an answer, and what comes after its data.
pub(super) struct AnswerBody<G> {
    data: Option<Bytes>,
    then: Then,
    /// Dropped with the body: marks the end of the answer.
    _guard: G,
}

#[derive(Clone, Copy)]
pub(super) enum Then {
    /// Nothing: the answer is complete.
    End,
    /// The connection closes, but only after the data has been sent.
    Flush,
    /// The connection closes.
    Break,
    /// The connection stays open, and nothing comes.
    Stall,
}

impl<G> AnswerBody<G> {
    pub(super) fn new(data: Bytes, then: Then, guard: G) -> Self {
        Self {
            data: Some(data),
            then,
            _guard: guard,
        }
    }
}

impl<G: Unpin> Body for AnswerBody<G> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match self.then {
            Then::End => Poll::Ready(None),
            Then::Flush => {
                // What was sent so far leaves when the body has nothing to add.
                self.then = Then::Break;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Then::Break => Poll::Ready(Some(Err(std::io::Error::other("told to break off")))),
            Then::Stall => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && matches!(self.then, Then::End)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.data, self.then) {
            (Some(data), Then::End) => SizeHint::with_exact(data.len() as u64),
            (None, Then::End) => SizeHint::with_exact(0),
            (_, Then::Flush | Then::Break | Then::Stall) => SizeHint::default(),
        }
    }
}
