//! The next frame of a camera, for people who set it up.

use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::api::ApiError;
use super::{Browser, PageState};

/// The header with what was measured, as JSON.
const VIEW: HeaderName = HeaderName::from_static("x-view");

/// The parameters of a picture.
#[derive(Deserialize)]
pub(super) struct Size {
    /// The longer side in pixels; 0 for full size.
    #[serde(default)]
    side: u32,
}

/// Serves the frame, with its measurements in a header.
pub(super) async fn serve(
    State(page): State<PageState>,
    Path(camera): Path<String>,
    Query(Size { side }): Query<Size>,
    browser: Browser,
) -> Result<Response, ApiError> {
    let calls = &page.0.calls;
    let view = calls.camera_view(&browser.caller, camera, side).await;
    let view = view.map_err(ApiError)?;
    let measured = HeaderValue::try_from(view.measured).expect("JSON of numbers and a time");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (VIEW, measured),
    ];
    Ok((headers, view.frame).into_response())
}
