//! Evidence of a verdict: from memory while it is recent, otherwise from the disk.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use inspectd_core::image_file;
use tonic::Status;

use super::blocking::{blocking_with, disk_work};
use super::proto::{GetEvidenceRequest, GetEvidenceResponse, ImageFormat};
use super::service::GrpcService;
use super::{convert_verdict, status};
use crate::access::Identity;
use crate::evidence::{Encoding, Evidence, SMALLEST_SIDE, encode, overlay, scaled};

impl GrpcService {
    /// Returns the evidence of a verdict.
    pub(super) async fn evidence(
        &self,
        client: &Identity,
        request: GetEvidenceRequest,
    ) -> Result<GetEvidenceResponse, Status> {
        let encoding = match ImageFormat::try_from(request.format) {
            Ok(ImageFormat::Unspecified | ImageFormat::Png) => Encoding::Png,
            Ok(ImageFormat::Jpeg) => Encoding::Jpeg,
            Err(_) => return Err(status::invalid("format", "must be PNG or JPEG")),
        };
        let limit = side_limit(request.side_limit);
        let Some(evidence) = self.pipeline.evidence(request.sequence) else {
            let stored = self.stored_evidence(request.sequence).await?;
            let Some(limit) = limit else {
                return Ok(stored);
            };
            return self
                .encoded(client, move || {
                    Ok(GetEvidenceResponse {
                        frame: scaled_file(stored.frame, limit, encoding)?,
                        heatmap: scaled_file(stored.heatmap, limit, encoding)?,
                        ..stored
                    })
                })
                .await;
        };
        self.encoded(client, move || images(&evidence, limit, encoding))
            .await
    }

    /// Encodes pictures in the client's turn.
    pub(super) async fn encoded<T: Send + 'static>(
        &self,
        client: &Identity,
        encode: impl FnOnce() -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        // A call whose client has gone is dropped here. Other clients wait for one call of this client at most.
        let share = match self.encoding_shares.of(client) {
            Some(share) => Some(share.acquire_owned().await),
            None => None,
        };
        let share = share.transpose().map_err(|_| status::stopping())?;
        let permit = Arc::clone(&self.encoding_permits).acquire_owned().await;
        let permit = permit.map_err(|_| status::stopping())?;
        blocking_with((permit, share), encode).await?
    }

    async fn stored_evidence(&self, sequence: u64) -> Result<GetEvidenceResponse, Status> {
        let not_found = || {
            status::not_found(
                "verdict",
                &sequence.to_string(),
                "has no evidence: it has no frame, its evidence was not kept or has been deleted, \
                 or it does not exist yet",
            )
        };
        if self.pipeline.disk_store().is_none() {
            return Err(not_found());
        }
        let verdict = self.read(move |journal| journal.readers().get(sequence));
        let verdict = verdict.await?.ok_or_else(not_found)?;
        let pipeline = Arc::clone(&self.pipeline);
        // It is in the folder of the journal.
        let stored = disk_work(&self.read_permits, self.page_timeout(), move || {
            pipeline
                .disk_store()
                .map(|disk_store| disk_store.read(sequence))
        })
        .await?;
        let stored = stored.transpose().map_err(|error| {
            Status::internal(format!("evidence of verdict {sequence}: {error}"))
        })?;
        let stored = stored.flatten().ok_or_else(not_found)?;
        Ok(GetEvidenceResponse {
            verdict: Some(convert_verdict::verdict(&verdict)),
            frame: stored.frame,
            heatmap: stored.heatmap.unwrap_or_default(),
        })
    }
}

/// Encodes the inspected frame, and the anomaly map over it (empty for a FAULT).
fn images(
    evidence: &Evidence,
    limit: Option<u32>,
    encoding: Encoding,
) -> Result<GetEvidenceResponse, Status> {
    let frame = scaled(evidence.frame.inspected(), limit).map_err(failed)?;
    let heatmap = match (&evidence.anomaly_map, evidence.verdict.outcome.judgement()) {
        (Some(map), Some(judgement)) => {
            let overlaid = overlay(&frame, map, judgement.thresholds.reject_above);
            encode(&overlaid, encoding).map_err(failed)?
        }
        _ => Vec::new(),
    };
    Ok(GetEvidenceResponse {
        verdict: Some(convert_verdict::verdict(&evidence.verdict)),
        frame: encode(&frame, encoding).map_err(failed)?,
        heatmap,
    })
}

/// Scales a stored picture down; an absent one is empty.
fn scaled_file(bytes: Vec<u8>, limit: u32, encoding: Encoding) -> Result<Vec<u8>, Status> {
    if bytes.is_empty() {
        return Ok(bytes);
    }
    let frame = image_file::decode_bytes(Path::new("the evidence"), &bytes).map_err(failed)?;
    let frame = scaled(frame, Some(limit)).map_err(failed)?;
    encode(&frame, encoding).map_err(failed)
}

/// The longer side of the pictures of a request; none for full size.
pub(super) fn side_limit(limit: u32) -> Option<u32> {
    (limit > 0).then(|| limit.max(SMALLEST_SIDE))
}

pub(super) fn failed(error: impl Display) -> Status {
    Status::internal(format!("cannot encode: {error}"))
}
