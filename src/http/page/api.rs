//! The page's calls, and its sessions.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::sessions::COOKIE_NAME;
use super::{Browser, PageState};
use crate::access::Unknown;
use crate::grpc::CallError;

/// An error as the page gets it.
pub(super) struct ApiError(pub(super) CallError);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.http_status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.0)).into_response()
    }
}

impl From<Unknown> for ApiError {
    fn from(unknown: Unknown) -> Self {
        Self(CallError::unauthenticated(&unknown))
    }
}

/// Makes a call of a service.
pub(super) async fn call(
    State(page): State<PageState>,
    Path((service, method)): Path<(String, String)>,
    browser: Browser,
    request: Bytes,
) -> Result<Response, ApiError> {
    let calls = &page.0.calls;
    let answer = calls
        .unary(&browser.caller, &service, &method, &request)
        .await
        .map_err(ApiError)?;
    Ok(([(CONTENT_TYPE, "application/json")], answer).into_response())
}

/// Who is signed in.
#[derive(Serialize)]
pub(super) struct SessionAnswer {
    signed_in: bool,
    /// Whether clients are configured: otherwise everybody on this machine is an engineer.
    access_control: bool,
    name: String,
    role: &'static str,
    method: &'static str,
    local: bool,
}

/// Describes the session.
pub(super) async fn session(
    State(page): State<PageState>,
    browser: Browser,
) -> Json<SessionAnswer> {
    let identity = browser.identify(&page).ok();
    Json(SessionAnswer {
        signed_in: identity.is_some(),
        access_control: page.0.access.has_clients(),
        name: identity
            .as_ref()
            .map(|identity| identity.name.to_string())
            .unwrap_or_default(),
        role: identity
            .as_ref()
            .map_or("", |identity| identity.role.name()),
        method: identity
            .as_ref()
            .map_or("", |identity| identity.method.name()),
        local: identity.is_some_and(|identity| identity.local),
    })
}

/// A token to sign in with.
#[derive(Deserialize)]
pub(super) struct SignIn {
    token: String,
}

/// Opens a session.
pub(super) async fn sign_in(
    State(page): State<PageState>,
    mut browser: Browser,
    Json(SignIn { token }): Json<SignIn>,
) -> Result<Response, ApiError> {
    let header = HeaderValue::try_from(format!("Bearer {}", token.trim()));
    browser.caller.authorization = Some(header.map_err(|_| Unknown::Token)?);
    browser.identify(&page)?;
    let header = browser.caller.authorization.expect("it was set");
    let id = page.0.sessions.open(header);
    Ok(with_cookie(&page, &id, page.0.sessions.lasting().as_secs()))
}

/// Ends the session.
pub(super) async fn sign_out(State(page): State<PageState>, browser: Browser) -> Response {
    if let Some(id) = &browser.session {
        page.0.sessions.close(id);
    }
    with_cookie(&page, "", 0)
}

/// An empty answer with the cookie of a session.
fn with_cookie(page: &PageState, id: &str, seconds: u64) -> Response {
    // Without TLS, browsers would not send a cookie that is marked as secure.
    let secure = if page.0.access.tls().is_some() {
        "; Secure"
    } else {
        ""
    };
    let cookie =
        format!("{COOKIE_NAME}={id}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response()
}
