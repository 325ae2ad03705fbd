//! The body of a response, which may end in other ways than it should.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// The body of a response. Drops its guard when the response has ended.
pub(super) struct ResponseBody<G> {
    data: Option<Bytes>,
    ending: BodyEnding,
    _guard: G,
}

/// What happens after the data of a body.
#[derive(Debug, Clone, Copy)]
pub(super) enum BodyEnding {
    /// The response is complete.
    Complete,
    /// The connection is closed after the data has been sent.
    Flush,
    /// The connection is closed.
    Close,
    /// The connection stays open, and nothing is sent.
    Stall,
}

impl<G> ResponseBody<G> {
    pub(super) fn new(data: Bytes, ending: BodyEnding, guard: G) -> Self {
        Self {
            data: Some(data),
            ending,
            _guard: guard,
        }
    }
}

impl<G: Unpin> Body for ResponseBody<G> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match self.ending {
            BodyEnding::Complete => Poll::Ready(None),
            BodyEnding::Flush => {
                // The data is flushed when the body is pending.
                self.ending = BodyEnding::Close;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            BodyEnding::Close => Poll::Ready(Some(Err(io::Error::other("a truncated body")))),
            BodyEnding::Stall => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && matches!(self.ending, BodyEnding::Complete)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.data, self.ending) {
            (Some(data), BodyEnding::Complete) => SizeHint::with_exact(data.len() as u64),
            (None, BodyEnding::Complete) => SizeHint::with_exact(0),
            (_, BodyEnding::Flush | BodyEnding::Close | BodyEnding::Stall) => SizeHint::default(),
        }
    }
}
