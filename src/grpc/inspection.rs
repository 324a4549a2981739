//! `inspectd.v1.InspectionService`.

use std::str::FromStr;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tonic::{Request, Response, Status};

use super::proto::inspection_service_server::InspectionService;
use super::proto::{
    GetEvidenceRequest, GetEvidenceResponse, ImageFormat, InspectImageRequest,
    InspectImageResponse, StreamVerdictsRequest, StreamVerdictsResponse,
};
use super::stream::{Filter, VerdictStream};
use super::{Services, convert, image, refusal};
use crate::camera::CameraId;
use crate::evidence::{Encoding, Evidence, encode, overlay};

#[tonic::async_trait]
impl InspectionService for Services {
    type StreamVerdictsStream = BoxStream<'static, Result<StreamVerdictsResponse, Status>>;

    async fn stream_verdicts(
        &self,
        request: Request<StreamVerdictsRequest>,
    ) -> Result<Response<Self::StreamVerdictsStream>, Status> {
        let filter = self.filter(request.into_inner())?;
        let entry = self.streams.enter()?;
        let heartbeat = self.line.active().settings.server.heartbeat_interval;
        let ending = self.stage.streams_end();
        let stream = VerdictStream::new(Arc::clone(&self.line), filter, heartbeat, ending, entry);
        Ok(Response::new(Box::pin(stream.into_stream())))
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        let InspectImageRequest { image, camera_id } = request.into_inner();
        let image = image.ok_or_else(|| refusal::invalid("image", "must be set"))?;
        let camera = match camera_id.as_str() {
            "" => None,
            id => Some(self.camera("camera_id", id)?),
        };
        let side_limit = self.line.active().settings.server.image_side_limit;
        let frame = blocking(move || image::frame(image, side_limit)).await??;
        let (sender, receiver) = oneshot::channel();
        // A client that went away wants no verdict; its image has one all the same.
        let reply = Box::new(move |verdict| drop(sender.send(verdict)));
        self.line
            .inspect(frame, camera, reply)
            .map_err(|error| refusal::inspect(&error))?;
        let verdict = receiver.await.map_err(|_| refusal::stopping())?;
        Ok(Response::new(InspectImageResponse {
            verdict: Some(convert::verdict(&verdict, &self.run_id)),
        }))
    }

    async fn get_evidence(
        &self,
        request: Request<GetEvidenceRequest>,
    ) -> Result<Response<GetEvidenceResponse>, Status> {
        let request = request.into_inner();
        let encoding = match ImageFormat::try_from(request.format) {
            Ok(ImageFormat::Unspecified | ImageFormat::Png) => Encoding::Png,
            Ok(ImageFormat::Jpeg) => Encoding::Jpeg,
            Err(_) => return Err(refusal::invalid("format", "must be PNG or JPEG")),
        };
        let evidence = self.line.evidence(request.sequence).ok_or_else(|| {
            refusal::not_found(
                "verdict",
                &request.sequence.to_string(),
                "has no evidence: it has no frame, is no longer kept, or is not made yet",
            )
        })?;
        let verdict = convert::verdict(&evidence.verdict, &self.run_id);
        let (frame, heatmap) = blocking(move || pictures(&evidence, encoding)).await??;
        Ok(Response::new(GetEvidenceResponse {
            verdict: Some(verdict),
            frame,
            heatmap,
        }))
    }
}

impl Services {
    fn filter(&self, request: StreamVerdictsRequest) -> Result<Filter, Status> {
        let mut filter = Filter::default();
        for id in request.camera_ids {
            filter.cameras.insert(self.camera("camera_ids", &id)?);
        }
        for value in request.decisions {
            let decision = convert::decision_of(value).ok_or_else(|| {
                refusal::invalid("decisions", format!("{value} is no decision (1 to 4 are)"))
            })?;
            filter.decisions.insert(decision);
        }
        Ok(filter)
    }

    fn camera(&self, field: &str, id: &str) -> Result<CameraId, Status> {
        let id =
            CameraId::from_str(id).map_err(|error| refusal::invalid(field, error.to_string()))?;
        if self.line.active().settings.cameras.contains_key(&id) {
            return Ok(id);
        }
        Err(refusal::not_found(
            "camera",
            id.as_str(),
            "is not configured",
        ))
    }
}

/// The inspected frame, and the heat over it (nothing for a FAULT), encoded.
fn pictures(evidence: &Evidence, encoding: Encoding) -> Result<(Vec<u8>, Vec<u8>), Status> {
    let failed = |error: ::image::ImageError| Status::internal(format!("cannot encode: {error}"));
    let frame = evidence.picture.inspected();
    let heatmap = match (&evidence.heat, &evidence.verdict.outcome) {
        (Some(heat), Ok(judgement)) => {
            let shown = overlay(&frame, heat, judgement.thresholds.reject_above);
            encode(&shown, encoding).map_err(failed)?
        }
        _ => Vec::new(),
    };
    Ok((encode(&frame, encoding).map_err(failed)?, heatmap))
}

/// Runs what takes a while where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    spawn_blocking(work)
        .await
        .map_err(|error| Status::internal(error.to_string()))
}
