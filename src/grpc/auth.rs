//! Authentication, authorization and rate limits, before anything of a request is read. The handlers find
//! an [`Identity`] in the request's extensions.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::http::{HeaderValue, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::warn;

use super::client_shares::ClientShares;
use super::revocable::RevocableBody;
use super::{status, timeout as timeout_header};
use crate::access::permissions::{self, Permission};
use crate::access::{Access, Identity, Peer};
use crate::camera::LogThrottle;
use crate::clock::SharedClock;
use crate::control::actor::Actor;
use crate::pipeline::CLIENT_IMAGES;

/// The calls that take images. Each may need as much memory as `message_limit_mib` and a decoded image.
const IMAGE_CALLS: [&str; 2] = [
    "/inspectd.v1.InspectionService/InspectImage",
    "/AWS.LookoutVision.EdgeAgent/DetectAnomalies",
];

/// A call ends this long before its deadline, so that it ends as DEADLINE_EXCEEDED.
const TIMEOUT_MARGIN: Duration = Duration::from_millis(2);

/// Interval at which the caller of a long call is checked again, unless the clients change earlier.
const RECHECK_INTERVAL: Duration = Duration::from_mins(1);

/// Interval at which refused calls are logged.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Returns the identity of a call's client.
///
/// # Panics
/// For a request that did not pass the authorization layer: one made by a test.
pub fn identity<T>(request: &tonic::Request<T>) -> &Identity {
    let identity = request.extensions().get::<Identity>();
    identity.expect("authentication precedes all services")
}

/// Returns the actor of a call, for the audit log.
///
/// # Panics
/// Like [`identity`].
pub(super) fn actor<T>(request: &tonic::Request<T>) -> Actor {
    let peer = request.extensions().get::<Arc<Peer>>();
    Actor::client(identity(request), peer.and_then(|peer| peer.address()))
}

/// Wraps services in [`AuthService`].
#[derive(Clone, Debug)]
pub(super) struct AuthLayer(Arc<Authorizer>);

impl AuthLayer {
    /// Authorizes by `access`.
    pub fn new(access: Arc<Access>, clock: SharedClock) -> Self {
        Self(Arc::new(Authorizer {
            access,
            clock,
            image_permits: Arc::new(Semaphore::new(CLIENT_IMAGES)),
            image_shares: ClientShares::new(CLIENT_IMAGES / 2),
            refused_log: Mutex::new(LogThrottle::new(LOG_INTERVAL)),
        }))
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService {
            inner,
            authorizer: Arc::clone(&self.0),
        }
    }
}

/// A service that only authorized calls reach.
#[derive(Clone, Debug)]
pub(super) struct AuthService<S> {
    inner: S,
    authorizer: Arc<Authorizer>,
}

impl<S> Service<Request<Body>> for AuthService<S>
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
        let authorized = match self.authorizer.authorize(&request) {
            Ok(authorized) => authorized,
            Err(status) => return Box::pin(async move { Ok(status.into_http()) }),
        };
        let AuthorizedCall {
            identity,
            image_permit,
            caller,
        } = authorized;
        request.extensions_mut().insert(identity);
        let authorizer = Arc::clone(&self.authorizer);
        let next = self.inner.clone();
        // The service that was polled ready, not its clone.
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let limit = timeout_header::of(request.headers());
            let call = async {
                // A call with a deadline waits for its turn.
                let permit = match image_permit {
                    ImagePermit::NotNeeded => None,
                    ImagePermit::Held(permit) => Some(permit),
                    ImagePermit::Waits(permits) => acquire_all(permits).await,
                };
                if let Some(permit) = &permit {
                    request.extensions_mut().insert(permit.clone());
                }
                inner.call(request).await
            };
            let response = match limit {
                None => call.await?,
                // Slightly before tonic ends the call as cancelled.
                Some(limit) => match timeout(limit.saturating_sub(TIMEOUT_MARGIN), call).await {
                    Ok(response) => response?,
                    Err(_) => return Ok(status::deadline_exceeded().into_http()),
                },
            };
            if authorizer.access.trusts(&caller.peer) {
                return Ok(response);
            }
            let (parts, body) = response.into_parts();
            let body = RevocableBody::new(body, authorizer.revoked(caller));
            Ok(Response::from_parts(parts, Body::new(body)))
        })
    }
}

/// The caller of a call, with its credentials.
#[derive(Debug)]
struct Caller {
    peer: Arc<Peer>,
    /// Values of the header `authorization`.
    headers: Vec<HeaderValue>,
    permission: &'static Permission,
}

/// A call that is passed on to its service.
struct AuthorizedCall {
    identity: Identity,
    /// Permit of an image call.
    image_permit: ImagePermit,
    caller: Caller,
}

/// The permit of an image call, in the request's extensions. It is released with the last clone: a decoder that goes on
/// after its call keeps one.
#[derive(Clone, Debug)]
pub(super) struct ImageCallPermit {
    _permits: Arc<Vec<OwnedSemaphorePermit>>,
}

/// How an image call gets its permit.
enum ImagePermit {
    /// It is another call.
    NotNeeded,
    /// It has a permit.
    Held(ImageCallPermit),
    /// It waits until its deadline for a permit of each of these.
    Waits(Vec<Arc<Semaphore>>),
}

/// Waits for a permit of each. `None`: the daemon is stopping.
async fn acquire_all(semaphores: Vec<Arc<Semaphore>>) -> Option<ImageCallPermit> {
    let mut permits = Vec::new();
    for semaphore in semaphores {
        permits.push(semaphore.acquire_owned().await.ok()?);
    }
    Some(ImageCallPermit {
        _permits: Arc::new(permits),
    })
}

/// Authorizes calls.
#[derive(Debug)]
struct Authorizer {
    access: Arc<Access>,
    clock: SharedClock,
    image_permits: Arc<Semaphore>,
    image_shares: ClientShares,
    refused_log: Mutex<LogThrottle>,
}

impl Authorizer {
    /// Authorizes or refuses a call.
    fn authorize(&self, request: &Request<Body>) -> Result<AuthorizedCall, Status> {
        let path = request.uri().path();
        let peer = request.extensions().get::<Arc<Peer>>();
        let peer = peer.ok_or_else(|| Status::internal("a connection without its peer"))?;
        let (identity, caller) = self
            .authenticate(path, peer, request)
            .inspect_err(|status| self.log(path, peer, status))?;
        let admitted = self.access.admit(&identity);
        admitted.map_err(|wait| status::rate_limited(&identity, wait))?;
        let image_permit = if !IMAGE_CALLS.contains(&path) {
            ImagePermit::NotNeeded
        } else if timeout_header::of(request.headers()).is_some() {
            ImagePermit::Waits(self.image_semaphores(&identity))
        } else {
            ImagePermit::Held(self.image_permit(&identity)?)
        };
        Ok(AuthorizedCall {
            identity,
            image_permit,
            caller,
        })
    }

    /// Returns the identity of the caller, if its role permits the call.
    fn authenticate(
        &self,
        path: &str,
        peer: &Arc<Peer>,
        request: &Request<Body>,
    ) -> Result<(Identity, Caller), Status> {
        let headers = request.headers().get_all(AUTHORIZATION);
        let headers: Vec<HeaderValue> = headers.iter().cloned().collect();
        // The identity first: an unknown client does not learn which calls exist.
        let identity = self.identify(peer, &headers)?;
        let permission = permissions::of(path).ok_or_else(|| status::unknown_call(path))?;
        let caller = Caller {
            peer: Arc::clone(peer),
            headers,
            permission,
        };
        check_role(&identity, permission)?;
        Ok((identity, caller))
    }

    fn identify(&self, peer: &Peer, headers: &[HeaderValue]) -> Result<Identity, Status> {
        let headers: Vec<&[u8]> = headers.iter().map(HeaderValue::as_bytes).collect();
        let identified = self.access.identify(peer, &headers, self.clock.now().utc);
        identified.map_err(|unknown| status::unknown_client(&unknown))
    }

    /// Completes when the caller may no longer make its call, with the status for the caller.
    async fn revoked(self: Arc<Self>, caller: Caller) -> Status {
        let mut changes = self.access.changes();
        loop {
            let still = self.identify(&caller.peer, &caller.headers);
            if let Err(status) = still.and_then(|identity| check_role(&identity, caller.permission))
            {
                return status;
            }
            // The timeout covers certificates that expire. `changed` never fails: this object owns the
            // sender.
            let _ = timeout(RECHECK_INTERVAL, changes.changed()).await;
        }
    }

    /// What an image call needs a permit of: first its client's share, then all calls.
    fn image_semaphores(&self, identity: &Identity) -> Vec<Arc<Semaphore>> {
        let share = self.image_shares.of(identity);
        share
            .into_iter()
            .chain([Arc::clone(&self.image_permits)])
            .collect()
    }

    fn image_permit(&self, identity: &Identity) -> Result<ImageCallPermit, Status> {
        let semaphores = self.image_semaphores(identity).into_iter();
        let permits: Result<_, _> = semaphores.map(Semaphore::try_acquire_owned).collect();
        let permits = permits.map_err(|_| {
            let share = CLIENT_IMAGES / 2;
            let message =
                format!("{CLIENT_IMAGES} images are in progress, or {share} of this client");
            status::exhausted("images", message)
        })?;
        Ok(ImageCallPermit {
            _permits: Arc::new(permits),
        })
    }

    /// Logs a refused call. Of the data sent by the client only the path is logged, truncated, so that no
    /// token gets into the log.
    fn log(&self, path: &str, peer: &Peer, status: &Status) {
        if status.code() == Code::Unimplemented {
            return;
        }
        let now = self.clock.now().monotonic;
        if let Some(suppressed) = self.refused_log.lock().allow(now) {
            let path: String = path.chars().take(100).collect();
            let (peer, reason) = (peer.place(), status.message());
            warn!(%path, %peer, %reason, suppressed, "a call is refused");
        }
    }
}

fn check_role(identity: &Identity, permission: &Permission) -> Result<(), Status> {
    if identity.role < permission.least {
        return Err(status::role_required(permission, identity));
    }
    Ok(())
}
