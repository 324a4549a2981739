//! Pictures of verdicts. Each is encoded once for all pages.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::api::ApiError;
use super::{Browser, PageState};
use crate::grpc::{CallError, Pictures};

/// Verdicts whose pictures are kept.
const KEPT: usize = 64;

/// The longer side of a picture, unless the page asks for another one, pixels.
const SIDE: u32 = 640;

/// Sides that are kept, so that pages of every size share pictures, pixels.
const SIDES: [u32; 5] = [160, 320, 640, 1280, 2560];

/// Pictures, the newest last.
#[derive(Default)]
pub(super) struct PictureCache(Mutex<VecDeque<(Key, Arc<OnceCell<Pictures>>)>>);

/// A verdict and the longer side.
type Key = (u64, u32);

impl PictureCache {
    /// The place of pictures, which may have to be filled.
    fn place(&self, key: Key) -> Arc<OnceCell<Pictures>> {
        let mut kept = self.0.lock();
        if let Some((_, place)) = kept.iter().find(|(other, _)| *other == key) {
            return Arc::clone(place);
        }
        let place = Arc::default();
        kept.push_back((key, Arc::clone(&place)));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        place
    }
}

/// The parameters of a picture.
#[derive(Deserialize)]
pub(super) struct Size {
    side: Option<u32>,
}

/// Serves the frame of a verdict, or its heatmap.
pub(super) async fn serve(
    State(page): State<PageState>,
    Path((sequence, kind)): Path<(u64, String)>,
    Query(Size { side }): Query<Size>,
    browser: Browser,
) -> Result<Response, ApiError> {
    browser.identify(&page)?;
    let side = side.unwrap_or(SIDE);
    let largest = SIDES[SIDES.len() - 1];
    let side = SIDES
        .into_iter()
        .find(|kept| *kept >= side)
        .unwrap_or(largest);
    let place = page.0.pictures.place((sequence, side));
    let calls = &page.0.calls;
    let pictures = place
        .get_or_try_init(|| calls.pictures(&browser.caller, sequence, side))
        .await
        .map_err(ApiError)?;
    let bytes = match kind.as_str() {
        "frame" => &pictures.frame,
        "heatmap" => &pictures.heatmap,
        _ => {
            return Err(ApiError(CallError::not_found(
                "there are frame and heatmap",
            )));
        }
    };
    if bytes.is_empty() {
        let message = format!("verdict {sequence} has no {kind}");
        return Err(ApiError(CallError::not_found(message)));
    }
    // Without a journal, the next run uses the same sequences.
    let cache = if page.0.has_journal {
        "private, max-age=3600, immutable"
    } else {
        "no-store"
    };
    let headers = [(CONTENT_TYPE, "image/jpeg"), (CACHE_CONTROL, cache)];
    Ok((headers, bytes.clone()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_a_verdict_have_one_place_until_newer_ones_replace_them() {
        let cache = PictureCache::default();
        let first = cache.place((1, 640));
        assert!(Arc::ptr_eq(&first, &cache.place((1, 640))));
        assert!(!Arc::ptr_eq(&first, &cache.place((1, 320))));
        for sequence in 2..=KEPT as u64 {
            cache.place((sequence, 640));
        }
        assert!(!Arc::ptr_eq(&first, &cache.place((1, 640))));
        assert_eq!(cache.0.lock().len(), KEPT);
    }
}
