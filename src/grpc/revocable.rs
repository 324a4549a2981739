//! A response that ends when its caller loses access. A stream of verdicts may run for months, and a client
//! whose token or certificate was revoked must not receive it any longer.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::HeaderMap;

/// The body of a response that can be revoked.
pub(super) struct RevocableBody {
    body: Body,
    /// None after it has completed.
    revoked: Option<BoxFuture<'static, Status>>,
}

impl RevocableBody {
    /// Ends `body` with the status that `revoked` returns.
    pub fn new(body: Body, revoked: impl Future<Output = Status> + Send + 'static) -> Self {
        Self {
            body,
            revoked: Some(Box::pin(revoked)),
        }
    }
}

impl http_body::Body for RevocableBody {
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
