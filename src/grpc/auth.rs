//! The gate before all services: who asks is found out, whether they may, and whether not too often,
//! before anything of a request is read. The handlers find an [`Identity`] in the request's extensions.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::http::{HeaderValue, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::warn;

use super::revocable::Revocable;
use super::status;
use crate::access::permissions::{self, Permission};
use crate::access::{Access, Identity, Peer};
use crate::camera::LogThrottle;
use crate::control::actor::Actor;

/// The call that brings images, which are large: each may take as much memory as `message_limit_mib` and
/// a decoded image need.
const IMAGES: &str = "/inspectd.v1.InspectionService/InspectImage";

/// How many of these may be under way at once, further ones are refused: the line takes eight, while
/// others are being received or decoded.
const MOST_IMAGES: usize = 16;

/// How often a caller whose stream goes on is looked at again, if the clients do not change before.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

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

/// Who makes a call that came through the gate, for the audit log.
///
/// # Panics
/// As [`identity`].
pub(super) fn actor<T>(request: &tonic::Request<T>) -> Actor {
    let peer = request.extensions().get::<Arc<Peer>>();
    Actor::client(identity(request), peer.and_then(|peer| peer.address()))
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
            refused: Mutex::new(LogThrottle::new(LOG_INTERVAL)),
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
        let passed = match self.keeper.judge(&request) {
            Ok(passed) => passed,
            Err(status) => return Box::pin(async move { Ok(status.into_http()) }),
        };
        let Passed {
            identity,
            place,
            caller,
        } = passed;
        request.extensions_mut().insert(identity);
        let keeper = Arc::clone(&self.keeper);
        let next = self.inner.clone();
        // The one that is ready, not its copy.
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let response = inner.call(request).await?;
            drop(place);
            if keeper.access.trusts(&caller.peer) {
                return Ok(response);
            }
            let (parts, body) = response.into_parts();
            let body = Revocable::new(body, keeper.revoked(caller));
            Ok(Response::from_parts(parts, Body::new(body)))
        })
    }
}

/// Who makes a call, in what it showed.
#[derive(Debug)]
struct Caller {
    peer: Arc<Peer>,
    /// Values of the header `authorization`.
    headers: Vec<HeaderValue>,
    permission: &'static Permission,
}

/// A call that goes on to its service.
struct Passed {
    identity: Identity,
    /// Its place among the images, where it needs one.
    place: Option<OwnedSemaphorePermit>,
    caller: Caller,
}

/// What the gate needs to know.
#[derive(Debug)]
struct Keeper {
    access: Arc<Access>,
    images: Arc<Semaphore>,
    refused: Mutex<LogThrottle>,
}

impl Keeper {
    /// Lets a call pass or not.
    fn judge(&self, request: &Request<Body>) -> Result<Passed, Status> {
        let path = request.uri().path();
        let peer = request.extensions().get::<Arc<Peer>>();
        let peer = peer.ok_or_else(|| Status::internal("a connection without its peer"))?;
        let (identity, caller) = self
            .recognise(path, peer, request)
            .inspect_err(|status| self.log(path, peer, status))?;
        let admitted = self.access.admit(&identity);
        admitted.map_err(|wait| status::too_often(&identity, wait))?;
        let place = match path {
            IMAGES => Some(self.place()?),
            _ => None,
        };
        Ok(Passed {
            identity,
            place,
            caller,
        })
    }

    /// Who calls, if they may.
    fn recognise(
        &self,
        path: &str,
        peer: &Arc<Peer>,
        request: &Request<Body>,
    ) -> Result<(Identity, Caller), Status> {
        let headers = request.headers().get_all(AUTHORIZATION);
        let headers: Vec<HeaderValue> = headers.iter().cloned().collect();
        // First who it is: a stranger is not even told which calls there are.
        let identity = self.identify(peer, &headers)?;
        let permission = permissions::of(path).ok_or_else(|| status::no_such_call(path))?;
        let caller = Caller {
            peer: Arc::clone(peer),
            headers,
            permission,
        };
        may(&identity, permission)?;
        Ok((identity, caller))
    }

    fn identify(&self, peer: &Peer, headers: &[HeaderValue]) -> Result<Identity, Status> {
        let headers: Vec<&[u8]> = headers.iter().map(HeaderValue::as_bytes).collect();
        let identified = self.access.identify(peer, &headers, SystemTime::now());
        identified.map_err(|unknown| status::unknown(&unknown))
    }

    /// Comes to an end once the caller may not make its call any more, with what it is told then.
    async fn revoked(self: Arc<Self>, caller: Caller) -> Status {
        let mut changes = self.access.changes();
        loop {
            let still = self.identify(&caller.peer, &caller.headers);
            if let Err(status) = still.and_then(|identity| may(&identity, caller.permission)) {
                return status;
            }
            // In time for certificates that expire, too. It never fails: the sender is ours.
            let _ = timeout(LOOK_AGAIN, changes.changed()).await;
        }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        let place = Arc::clone(&self.images).try_acquire_owned();
        place.map_err(|_| {
            let message = format!("{MOST_IMAGES} images are under way already");
            status::exhausted("images", message)
        })
    }

    /// Nothing that the client sent is logged but the path, and that cut: no token gets here.
    fn log(&self, path: &str, peer: &Peer, status: &Status) {
        if status.code() == Code::Unimplemented {
            return;
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(suppressed) = refused.allow(Instant::now()) {
            let path: String = path.chars().take(100).collect();
            let (peer, reason) = (peer.place(), status.message());
            warn!(%path, %peer, %reason, suppressed, "a call is refused");
        }
    }
}

fn may(identity: &Identity, permission: &Permission) -> Result<(), Status> {
    if identity.role < permission.least {
        return Err(status::role(permission, identity));
    }
    Ok(())
}
