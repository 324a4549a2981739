//! The gate before all services: who asks is found out, whether they may, and whether not too often,
//! before anything of a request is read. The handlers find an [`Identity`] in the request's extensions.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::http::{HeaderValue, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::warn;

use super::refusal;
use crate::access::{Access, Identity, Peer, permissions};
use crate::camera::Repeats;

/// The call that brings images, which are large: each may take as much memory as `message_limit_mib` and
/// a decoded image need.
const IMAGES: &str = "/inspectd.v1.InspectionService/InspectImage";

/// How many of these may be under way at once, further ones are refused: the line takes eight, while
/// others are being received or decoded.
const MOST_IMAGES: usize = 16;

/// How often a refusal is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Who makes a call that came through the gate.
///
/// # Panics
/// For a request that did not: one that a test made.
pub fn identity<T>(request: &tonic::Request<T>) -> &Identity {
    let identity = request.extensions().get::<Identity>();
    identity.expect("the gate is before all services")
}

/// Puts the gate before a service.
#[derive(Clone, Debug)]
pub(super) struct GateLayer(Arc<Keeper>);

impl GateLayer {
    /// One that asks `access`.
    pub fn new(access: Arc<Access>) -> Self {
        Self(Arc::new(Keeper {
            access,
            images: Arc::new(Semaphore::new(MOST_IMAGES)),
            refused: Mutex::new(Repeats::new(LOG_INTERVAL)),
        }))
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate {
            inner,
            keeper: Arc::clone(&self.0),
        }
    }
}

/// A service behind the gate.
#[derive(Clone, Debug)]
pub(super) struct Gate<S> {
    inner: S,
    keeper: Arc<Keeper>,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (identity, place) = match self.keeper.judge(&request) {
            Ok(passed) => passed,
            Err(status) => return Box::pin(async move { Ok(status.into_http()) }),
        };
        request.extensions_mut().insert(identity);
        let next = self.inner.clone();
        // The one that is ready, not its copy.
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let response = inner.call(request).await;
            drop(place);
            response
        })
    }
}

/// What the gate needs to know.
#[derive(Debug)]
struct Keeper {
    access: Arc<Access>,
    images: Arc<Semaphore>,
    refused: Mutex<Repeats>,
}

impl Keeper {
    /// Who passes, with a place among the images where the call needs one.
    fn judge(
        &self,
        request: &Request<Body>,
    ) -> Result<(Identity, Option<OwnedSemaphorePermit>), Status> {
        let path = request.uri().path();
        let peer = request.extensions().get::<Arc<Peer>>();
        let peer = peer.ok_or_else(|| Status::internal("a connection without its peer"))?;
        let identity = self.known(peer, request).and_then(|identity| {
            let permission = permissions::of(path).ok_or_else(|| refusal::no_such_call(path))?;
            if identity.role < permission.least {
                return Err(refusal::role(permission, &identity));
            }
            Ok(identity)
        });
        let identity = identity.inspect_err(|status| self.log(path, peer, status))?;
        let admitted = self.access.admit(&identity, Instant::now());
        admitted.map_err(|wait| refusal::too_often(&identity, wait))?;
        if path != IMAGES {
            return Ok((identity, None));
        }
        let place = Arc::clone(&self.images).try_acquire_owned();
        let place = place.map_err(|_| {
            let message = format!("{MOST_IMAGES} images are under way already");
            refusal::exhausted("images", message)
        })?;
        Ok((identity, Some(place)))
    }

    fn known(&self, peer: &Peer, request: &Request<Body>) -> Result<Identity, Status> {
        let headers = request.headers().get_all(AUTHORIZATION);
        let values: Vec<&[u8]> = headers.iter().map(HeaderValue::as_bytes).collect();
        let identified = self.access.identify(peer, &values, SystemTime::now());
        identified.map_err(|unknown| refusal::unknown(&unknown))
    }

    /// Nothing that the client sent is logged but the path, and that cut: no token gets here.
    fn log(&self, path: &str, peer: &Peer, status: &Status) {
        if status.code() == Code::Unimplemented {
            return;
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(suppressed) = refused.tell(Instant::now()) {
            let path: String = path.chars().take(100).collect();
            let (peer, reason) = (peer.place(), status.message());
            warn!(%path, %peer, %reason, suppressed, "a call is refused");
        }
    }
}
