//! The page: what the line does, for people with a browser. Every call that it makes is a call of the gRPC services,
//! with their access control.

mod api;
mod assets;
mod camera_view;
mod dataset;
mod guard;
pub mod listener;
mod live;
mod pictures;
mod report;
mod session_watch;
mod sessions;
mod shell;

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use crate::access::{Access, Identity, Peer, Unknown};
use crate::clock::SharedClock;
use crate::config::settings::Settings;
use crate::grpc::{Caller, Calls, LiveFeed};
use pictures::PictureCache;
use sessions::Sessions;

/// The configuration key of the page's address.
pub const PAGE_LISTEN: &str = "server.page_listen";

/// The state of the page's handlers.
#[derive(Clone)]
pub struct PageState(Arc<Page>);

struct Page {
    calls: Calls,
    feed: Arc<LiveFeed>,
    access: Arc<Access>,
    clock: SharedClock,
    sessions: Sessions,
    pictures: PictureCache,
    has_journal: bool,
}

impl PageState {
    /// The page of these services.
    pub fn new(calls: Calls, access: Arc<Access>, settings: &Settings, clock: SharedClock) -> Self {
        Self(Arc::new(Page {
            feed: Arc::new(LiveFeed::new(calls.clone())),
            calls,
            access,
            sessions: Sessions::new(settings.server.page_session, clock.clone()),
            clock,
            pictures: PictureCache::default(),
            has_journal: settings.journal.folder.is_some(),
        }))
    }

    /// The routes of the page.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", get(shell::overview))
            .route("/wall", get(shell::wall))
            .route("/verdicts", get(shell::verdicts))
            .route("/verdicts/{sequence}", get(shell::verdict))
            .route("/tuning", get(shell::tuning))
            .route("/recipes", get(shell::recipes))
            .route("/recipes/{id}", get(shell::recipe))
            .route("/models", get(shell::models))
            .route("/cameras", get(shell::cameras))
            .route("/cameras/{id}/view", get(camera_view::serve))
            .route("/cameras/{id}/brightness", get(live::brightness))
            .route("/report", get(shell::report))
            .route("/report.json", get(report::json))
            .route("/report.csv", get(report::csv))
            .route("/dataset.tar", get(dataset::serve))
            .route("/sign-in", get(shell::sign_in).post(api::sign_in))
            .route("/sign-out", post(api::sign_out))
            .route("/assets/{name}", get(assets::serve))
            .route("/api/session", get(api::session))
            .route("/api/{service}/{method}", post(api::call))
            .route("/live", get(live::serve))
            .route("/pictures/{sequence}/{kind}", get(pictures::serve))
            .fallback(shell::not_found)
            .layer(from_fn_with_state(self.clone(), guard::same_origin))
            .layer(from_fn(guard::security_headers))
            .with_state(self)
    }
}

/// The browser that sends a request, with the session of its cookie.
struct Browser {
    caller: Caller,
    session: Option<String>,
}

impl Browser {
    /// Who uses it.
    fn identify(&self, page: &PageState) -> Result<Identity, Unknown> {
        let authorization = self.caller.authorization.as_ref();
        let headers: Vec<&[u8]> = authorization.iter().map(|value| value.as_bytes()).collect();
        let now = page.0.clock.now().utc;
        page.0.access.identify(&self.caller.peer, &headers, now)
    }
}

impl FromRequestParts<PageState> for Browser {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        page: &PageState,
    ) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<PagePeer>>();
        let peer = Arc::clone(&peer.expect("the listener provides it").0.0);
        let cookies = parts.headers.get_all(COOKIE).iter();
        let session = cookies
            .filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .find_map(|cookie| {
                cookie
                    .trim()
                    .strip_prefix(sessions::COOKIE_NAME)?
                    .strip_prefix('=')
            })
            .map(str::to_owned);
        let authorization = session.as_deref().and_then(|id| page.0.sessions.find(id));
        Ok(Self {
            caller: Caller {
                peer,
                authorization,
            },
            session,
        })
    }
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct PagePeer(pub Arc<Peer>);
