//! The view of a camera, for people who set it up.

use std::time::Duration;

use inspectd_core::id::CameraId;
use inspectd_core::preprocess::Rotation;
use tokio::time::timeout;
use tonic::Status;

use super::convert::timestamp;
use super::evidence::{failed, side_limit};
use super::proto::{CropRectangle, GetCameraViewRequest, GetCameraViewResponse};
use super::service::GrpcService;
use super::status;
use crate::access::Identity;
use crate::camera::health::ViewAids;
use crate::config::settings::{Controls, Source};
use crate::evidence::{Encoding, encode, scaled};
use crate::pipeline::CameraFrame;

/// Longest wait for a frame.
const FRAME_TIMEOUT: Duration = Duration::from_secs(5);

impl GrpcService {
    /// Returns the next frame of a camera, measured.
    pub(super) async fn camera_view(
        &self,
        client: &Identity,
        request: &GetCameraViewRequest,
    ) -> Result<GetCameraViewResponse, Status> {
        let limit = side_limit(request.side_limit);
        let camera = self.configured_camera("camera_id", &request.camera_id)?;
        if self.control.pauses().contains_key(&camera) {
            return Err(Status::failed_precondition(format!(
                "camera {camera} is paused"
            )));
        }
        let Some(waiting) = self.pipeline.next_frame(&camera) else {
            let text = format!("too many calls wait for a frame of camera {camera}");
            return Err(status::exhausted("frames", text));
        };
        let Ok(Ok(captured)) = timeout(FRAME_TIMEOUT, waiting).await else {
            let limit = FRAME_TIMEOUT.as_secs();
            let text = format!("camera {camera} delivered no frame within {limit} s");
            return Err(Status::unavailable(text));
        };
        let view = self.view_settings(&camera);
        self.encoded(client, move || measured(captured, limit, &view))
            .await
    }

    /// What applies to the frames of a camera now: all fields that are not of the frame.
    fn view_settings(&self, camera: &CameraId) -> GetCameraViewResponse {
        let (rotate, crop) = self.pipeline.view(camera);
        let controls = match self.pipeline.active().camera(camera).source {
            Source::Device { controls, .. } => controls,
            _ => Controls::default(),
        };
        GetCameraViewResponse {
            rotate: match rotate {
                Rotation::R0 => 0,
                Rotation::R90 => 90,
                Rotation::R180 => 180,
                Rotation::R270 => 270,
            },
            crop: crop.map(|crop| CropRectangle {
                left: crop.left,
                top: crop.top,
                right: crop.right,
                bottom: crop.bottom,
            }),
            exposure_us: controls.exposure_us,
            gain: controls.gain,
            ..GetCameraViewResponse::default()
        }
    }
}

fn measured(
    captured: CameraFrame,
    limit: Option<u32>,
    view: &GetCameraViewResponse,
) -> Result<GetCameraViewResponse, Status> {
    let CameraFrame {
        frame_id,
        captured,
        frame,
    } = captured;
    let aids = ViewAids::of(&frame);
    let (width, height) = (frame.width(), frame.height());
    Ok(GetCameraViewResponse {
        frame: encode(&scaled(frame, limit).map_err(failed)?, Encoding::Jpeg).map_err(failed)?,
        frame_id,
        capture_time: Some(timestamp(captured)),
        width,
        height,
        sharpness: aids.sharpness,
        histogram: aids.histogram,
        mean: aids.mean,
        black: aids.black,
        clipped: aids.clipped,
        ..view.clone()
    })
}
