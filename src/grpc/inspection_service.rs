//! `inspectd.v1.InspectionService`.

use std::str::FromStr;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tonic::{Request, Response, Status};

use super::proto::inspection_service_server::InspectionService;
use super::proto::{
    AcknowledgeVerdictsRequest, AcknowledgeVerdictsResponse, ForgetConsumerRequest,
    ForgetConsumerResponse, GetEvidenceRequest, GetEvidenceResponse, ImageFormat,
    InspectImageRequest, InspectImageResponse, ListConsumersRequest, ListConsumersResponse,
    ListVerdictsRequest, ListVerdictsResponse, StreamVerdictsRequest, StreamVerdictsResponse,
    TriggerInspectionRequest, TriggerInspectionResponse,
};
use super::stream::{self, VerdictStream};
use super::{Services, actor, convert, image, journal, status};
use crate::evidence::{Encoding, Evidence, encode, overlay};
use crate::journal::Filter;
use inspectd_core::id::CameraId;

#[tonic::async_trait]
impl InspectionService for Services {
    type StreamVerdictsStream = BoxStream<'static, Result<StreamVerdictsResponse, Status>>;

    async fn stream_verdicts(
        &self,
        request: Request<StreamVerdictsRequest>,
    ) -> Result<Response<Self::StreamVerdictsStream>, Status> {
        let StreamVerdictsRequest {
            camera_ids,
            decisions,
            start,
        } = request.into_inner();
        let filter = self.filter(&camera_ids, decisions)?;
        let (start, consumer) = self.start(start).await?;
        let entry = self.streams.enter()?;
        let stream = VerdictStream::new(stream::Parts {
            line: Arc::clone(&self.line),
            filter,
            start,
            heartbeat: self.line.active().settings.server.heartbeat_interval,
            ending: self.stage.streams_end(),
            consuming: consumer.map(|name| self.streams.consume(&name)),
            entry,
        });
        Ok(Response::new(Box::pin(stream.into_stream())))
    }

    async fn acknowledge_verdicts(
        &self,
        request: Request<AcknowledgeVerdictsRequest>,
    ) -> Result<Response<AcknowledgeVerdictsResponse>, Status> {
        let consumer = Some(self.acknowledge(request.into_inner()).await?);
        Ok(Response::new(AcknowledgeVerdictsResponse { consumer }))
    }

    async fn list_consumers(
        &self,
        _: Request<ListConsumersRequest>,
    ) -> Result<Response<ListConsumersResponse>, Status> {
        let consumers = self.consumers().await?;
        Ok(Response::new(ListConsumersResponse { consumers }))
    }

    async fn forget_consumer(
        &self,
        request: Request<ForgetConsumerRequest>,
    ) -> Result<Response<ForgetConsumerResponse>, Status> {
        self.forget(&request.into_inner().consumer).await?;
        Ok(Response::new(ForgetConsumerResponse {}))
    }

    async fn list_verdicts(
        &self,
        request: Request<ListVerdictsRequest>,
    ) -> Result<Response<ListVerdictsResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    async fn trigger_inspection(
        &self,
        request: Request<TriggerInspectionRequest>,
    ) -> Result<Response<TriggerInspectionResponse>, Status> {
        let actor = actor(&request);
        let accepted = self.trigger(actor, request.into_inner()).await?;
        Ok(Response::new(accepted))
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        let InspectImageRequest { image, camera_id } = request.into_inner();
        let image = image.ok_or_else(|| status::invalid("image", "must be set"))?;
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
            .map_err(|error| status::inspect(&error))?;
        let verdict = receiver.await.map_err(|_| status::stopping())?;
        Ok(Response::new(InspectImageResponse {
            verdict: Some(convert::verdict(&verdict)),
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
            Err(_) => return Err(status::invalid("format", "must be PNG or JPEG")),
        };
        if let Some(evidence) = self.line.evidence(request.sequence) {
            let verdict = convert::verdict(&evidence.verdict);
            let (frame, heatmap) = blocking(move || pictures(&evidence, encoding)).await??;
            return Ok(Response::new(GetEvidenceResponse {
                verdict: Some(verdict),
                frame,
                heatmap,
            }));
        }
        Ok(Response::new(self.shelved(request.sequence).await?))
    }
}

impl Services {
    fn filter(&self, camera_ids: &[String], decisions: Vec<i32>) -> Result<Filter, Status> {
        let cameras = camera_ids.iter().map(|id| self.camera("camera_ids", id));
        Ok(Filter {
            cameras: cameras.collect::<Result<_, _>>()?,
            decisions: journal::decisions(decisions)?,
            part_id: None,
        })
    }

    fn camera(&self, field: &str, id: &str) -> Result<CameraId, Status> {
        let id =
            CameraId::from_str(id).map_err(|error| status::invalid(field, error.to_string()))?;
        if self.line.active().settings.cameras.contains_key(&id) {
            return Ok(id);
        }
        Err(status::not_found(
            "camera",
            id.as_str(),
            "is not configured",
        ))
    }
}

/// The inspected frame, and the heat over it (nothing for a FAULT), encoded.
fn pictures(evidence: &Evidence, encoding: Encoding) -> Result<(Vec<u8>, Vec<u8>), Status> {
    let failed = |error: ::image::ImageError| Status::internal(format!("cannot encode: {error}"));
    let frame = evidence.frame.inspected();
    let heatmap = match (&evidence.anomaly_map, evidence.verdict.outcome.judgement()) {
        (Some(heat), Some(judgement)) => {
            let shown = overlay(&frame, heat, judgement.thresholds.reject_above);
            encode(&shown, encoding).map_err(failed)?
        }
        _ => Vec::new(),
    };
    Ok((encode(&frame, encoding).map_err(failed)?, heatmap))
}

/// Runs what takes a while where it may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    spawn_blocking(work)
        .await
        .map_err(|error| Status::internal(error.to_string()))
}
