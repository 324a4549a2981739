//! `DetectAnomalies`: an image becomes an ordinary verdict of the pipeline, made by the recipe that the client names.

use std::sync::Arc;

use inspectd_core::decision::Decision;
use inspectd_core::frame::Frame;
use inspectd_core::record::{Fault, FaultReason, Verdict};
use inspectd_core::verdict::Judgement;
use tokio::sync::oneshot;
use tonic::{Request, Status};

use super::bitmap::{ImageSize, frame, mask_target};
use super::confidence::confidence;
use super::mask::Mask;
use super::proto::bitmap::Data;
use super::proto::{Bitmap, DetectAnomaliesRequest, DetectAnomaliesResponse, DetectAnomalyResult};
use super::shared_memory::{ClientUser, SharedMemory, Target};
use super::{EdgeAgentService, component_id};
use crate::access::Peer;
use crate::control::model_components::ModelComponents;
use crate::grpc::auth::ImageCallPermit;
use crate::grpc::blocking::blocking_with;
use crate::grpc::status;
use crate::pipeline::{JudgedMapsSlot, PreparedRecipe};
use crate::telemetry::traces::InspectedImage;

/// What the settings say about images and masks.
#[derive(Clone, Copy, Debug)]
struct Options {
    /// Longest side of an image, pixels.
    side_limit: u32,
    /// Whether masks are made.
    masks: bool,
}

/// An image, and what to do with it.
struct Task {
    /// The recipe; none for what is judged without one.
    recipe: Option<PreparedRecipe>,
    frame: Frame,
    size: ImageSize,
    /// Where the mask is written; in the response if unset.
    target: Option<Target>,
}

impl Task {
    /// Checks a request and copies its image.
    fn new(
        request: DetectAnomaliesRequest,
        components: &ModelComponents,
        memory: &SharedMemory,
        options: Options,
    ) -> Result<Self, Status> {
        let id = component_id(&request.model_component)?;
        let bitmap = request.bitmap;
        let bitmap = bitmap.ok_or_else(|| status::invalid("bitmap", "must be set"))?;
        let size = ImageSize::of(&bitmap, options.side_limit)?;
        let recipe = components.running(&id);
        let recipe = recipe.map_err(|error| status::component(&error))?;
        let params = request.anomaly_mask_params.filter(|_| options.masks);
        let handle = params.and_then(|params| params.shared_memory_handle);
        let target = handle.map(|handle| mask_target(&handle, size, memory));
        Ok(Self {
            recipe,
            target: target.transpose()?,
            frame: frame(bitmap, size, memory)?,
            size,
        })
    }
}

impl EdgeAgentService {
    /// Inspects an image.
    pub(super) async fn detect(
        &self,
        request: Request<DetectAnomaliesRequest>,
    ) -> Result<DetectAnomaliesResponse, Status> {
        let grpc = &self.grpc;
        let received = grpc.clock.now().monotonic;
        let parent = grpc.trace_context(request.metadata());
        let permit = request.extensions().get::<ImageCallPermit>().cloned();
        let peer = request.extensions().get::<Arc<Peer>>();
        let memory = SharedMemory::of(ClientUser(peer.and_then(|peer| peer.user())));
        let options = {
            let server = &grpc.pipeline.active().settings.server;
            Options {
                side_limit: server.image_side_limit,
                masks: server.lookout_masks,
            }
        };
        let components = Arc::clone(&self.components);
        let check = move || Task::new(request.into_inner(), &components, &memory, options);
        let task = blocking_with(permit.clone(), check).await??;
        let Task {
            recipe,
            frame,
            size,
            target,
        } = task;
        let maps = JudgedMapsSlot::default();
        let (sender, receiver) = oneshot::channel();
        let clock = grpc.clock.clone();
        let reply = Box::new(move |verdict| drop(sender.send((verdict, clock.now().monotonic))));
        // Dropped with the call: an image whose client has gone leaves the queue.
        let _pending = grpc
            .pipeline
            .inspect_by(frame, recipe.as_ref(), Arc::clone(&maps), reply)
            .map_err(|error| status::inspect(&error))?;
        let (verdict, committed) = receiver.await.map_err(|_| status::stopping())?;
        let judged = Arc::clone(&verdict);
        let answer = move || {
            let judgement = judgement(&judged)?;
            let draw = |maps| Mask::draw(maps, judgement, size);
            let mask = options.masks.then(|| maps.get().map(draw)).flatten();
            result(judgement, mask, size, target)
        };
        let answered = blocking_with(permit, answer).await?;
        let since_start = |at| grpc.pipeline.since_start(at);
        let image = InspectedImage {
            received: since_start(received),
            committed: since_start(committed),
            answered: since_start(grpc.clock.now().monotonic),
            parent,
        };
        grpc.traces.inspected(&verdict, image);
        Ok(DetectAnomaliesResponse {
            detect_anomaly_result: Some(answered?),
        })
    }
}

/// The judgement of a verdict. A FAULT is an error: it says nothing about the image.
fn judgement(verdict: &Verdict) -> Result<&Judgement, Status> {
    if let Some(judgement) = verdict.outcome.judgement() {
        return Ok(judgement);
    }
    let sequence = verdict.sequence;
    Err(match verdict.outcome.fault() {
        Some(fault) => fault_status(sequence, fault),
        None => Status::internal(format!("verdict {sequence} has no judgement")),
    })
}

fn fault_status(sequence: u64, fault: &Fault) -> Status {
    let reason = fault.reason.name();
    let message = format!("verdict {sequence} is FAULT ({reason}): {}", fault.message);
    match fault.reason {
        // Not because of the image: another attempt may succeed.
        FaultReason::Shutdown | FaultReason::Journal | FaultReason::ChallengeFailed => {
            Status::unavailable(message)
        }
        _ => Status::internal(message),
    }
}

fn result(
    judgement: &Judgement,
    mask: Option<Mask>,
    size: ImageSize,
    target: Option<Target>,
) -> Result<DetectAnomalyResult, Status> {
    let mut result = DetectAnomalyResult {
        is_anomalous: judgement.decision != Decision::Pass,
        confidence: confidence(judgement.score.score, judgement.thresholds),
        anomaly_mask: None,
        anomalies: Vec::new(),
    };
    if let Some(Mask { rgb, anomalies }) = mask {
        let data = match target {
            None => Data::ByteData(rgb),
            Some(target) => {
                let written = target.write(&rgb);
                let written = written
                    .map_err(|error| Status::internal(format!("anomaly_mask_params: {error}")))?;
                Data::SharedMemoryHandle(written)
            }
        };
        result.anomalies = anomalies;
        result.anomaly_mask = Some(Bitmap {
            // At most 4096.
            width: size.width.cast_signed(),
            height: size.height.cast_signed(),
            data: Some(data),
        });
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn fault_is_an_error_with_its_text_whatever_its_reason() {
        for reason in FaultReason::ALL {
            let status = fault_status(7, &Fault::new(reason, "the text"));
            let expected = match reason.name() {
                "shutdown" | "journal" | "challenge_failed" => Code::Unavailable,
                _ => Code::Internal,
            };
            assert_eq!(status.code(), expected);
            let message = format!("verdict 7 is FAULT ({}): the text", reason.name());
            assert_eq!(status.message(), message);
        }
    }
}
