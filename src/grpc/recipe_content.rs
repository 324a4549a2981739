//! Converts the content of a recipe.

use super::proto::{Corner, CropRectangle, RecipeArea, RecipeCamera, RecipeContent};
use crate::recipe::draft::{Draft, DraftArea, DraftCamera, DraftCrop};

/// What a text sets.
pub(super) fn to_proto(draft: Draft) -> RecipeContent {
    let areas = |areas: Vec<DraftArea>| areas.into_iter().map(area_to_proto).collect();
    RecipeContent {
        product: draft.product,
        version: draft.version,
        bundle: draft.bundle,
        threshold: draft.threshold,
        review_from: draft.review_from,
        min_area: draft.min_area.unwrap_or_default(),
        regions: areas(draft.regions),
        masks: areas(draft.masks),
        cameras: draft.cameras.into_iter().map(camera_to_proto).collect(),
    }
}

/// The content of a request.
pub(super) fn from_proto(content: RecipeContent) -> Draft {
    let areas = |areas: Vec<RecipeArea>| areas.into_iter().map(area_from_proto).collect();
    Draft {
        product: content.product,
        version: content.version,
        bundle: content.bundle,
        threshold: content.threshold,
        review_from: content.review_from,
        min_area: set(content.min_area),
        regions: areas(content.regions),
        masks: areas(content.masks),
        cameras: content.cameras.into_iter().map(camera_from_proto).collect(),
    }
}

/// 0 stands for an area that is not set.
fn set(area: f64) -> Option<f64> {
    Some(area).filter(|area| *area != 0.0)
}

fn area_to_proto(area: DraftArea) -> RecipeArea {
    let corners = area.polygon.into_iter();
    RecipeArea {
        name: area.name,
        corners: corners.map(|[x, y]| Corner { x, y }).collect(),
        camera_ids: area.cameras,
        threshold: area.threshold,
        review_from: area.review_from,
        min_area: area.min_area.unwrap_or_default(),
    }
}

fn area_from_proto(area: RecipeArea) -> DraftArea {
    let corners = area.corners.into_iter();
    DraftArea {
        name: area.name,
        polygon: corners.map(|corner| [corner.x, corner.y]).collect(),
        cameras: area.camera_ids,
        threshold: area.threshold,
        review_from: area.review_from,
        min_area: set(area.min_area),
    }
}

fn camera_to_proto((camera_id, camera): (String, DraftCamera)) -> RecipeCamera {
    let crop = camera.crop.map(|crop| CropRectangle {
        left: crop.left,
        top: crop.top,
        right: crop.right,
        bottom: crop.bottom,
    });
    RecipeCamera {
        camera_id,
        threshold: camera.threshold,
        review_from: camera.review_from,
        crop,
        rotate: camera.rotate,
        exposure_us: camera.exposure_us,
        gain: camera.gain,
    }
}

fn camera_from_proto(camera: RecipeCamera) -> (String, DraftCamera) {
    let crop = camera.crop.map(|crop| DraftCrop {
        left: crop.left,
        top: crop.top,
        right: crop.right,
        bottom: crop.bottom,
    });
    let draft = DraftCamera {
        threshold: camera.threshold,
        review_from: camera.review_from,
        crop,
        rotate: camera.rotate,
        exposure_us: camera.exposure_us,
        gain: camera.gain,
    };
    (camera.camera_id, draft)
}
