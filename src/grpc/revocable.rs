//! An answer that ends once its caller may not have it any more: a stream of verdicts runs for months, and
//! whoever is no client any more shall not read it for months.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::HeaderMap;

/// The body of an answer, and what ends it.
pub(super) struct Revocable {
    body: Body,
    /// Gone once it has come.
    revoked: Option<BoxFuture<'static, Status>>,
}

impl Revocable {
    /// Ends `body` with the status that `revoked` comes to.
    pub fn new(body: Body, revoked: impl Future<Output = Status> + Send + 'static) -> Self {
        Self {
            body,
            revoked: Some(Box::pin(revoked)),
        }
    }
}

impl http_body::Body for Revocable {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(revoked) = &mut this.revoked else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(status) = revoked.as_mut().poll(context) {
            this.revoked = None;
            let mut trailers = HeaderMap::new();
            let frame = status.add_header(&mut trailers);
            return Poll::Ready(Some(frame.map(|()| Frame::trailers(trailers))));
        }
        Pin::new(&mut this.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.revoked.is_none() || self.body.is_end_stream()
    }
}
