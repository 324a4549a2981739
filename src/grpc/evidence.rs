//! Evidence of a verdict: from memory while it is recent, otherwise from the disk.

use std::sync::Arc;

use tonic::Status;

use super::blocking::{blocking_with, disk_work};
use super::proto::{GetEvidenceRequest, GetEvidenceResponse, ImageFormat};
use super::service::GrpcService;
use super::{convert_verdict, status};
use crate::access::Identity;
use crate::evidence::{Encoding, Evidence, encode, overlay};

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
        let Some(evidence) = self.pipeline.evidence(request.sequence) else {
            return self.stored_evidence(request.sequence).await;
        };
        let verdict = convert_verdict::verdict(&evidence.verdict);
        // A call whose client has gone is dropped here. Other clients wait for one call of this client at most.
        let share = match self.encoding_shares.of(client) {
            Some(share) => Some(share.acquire_owned().await),
            None => None,
        };
        let share = share.transpose().map_err(|_| status::stopping())?;
        let permit = Arc::clone(&self.encoding_permits).acquire_owned().await;
        let permit = permit.map_err(|_| status::stopping())?;
        let (frame, heatmap) =
            blocking_with((permit, share), move || images(&evidence, encoding)).await??;
        Ok(GetEvidenceResponse {
            verdict: Some(verdict),
            frame,
            heatmap,
        })
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
fn images(evidence: &Evidence, encoding: Encoding) -> Result<(Vec<u8>, Vec<u8>), Status> {
    let failed = |error: ::image::ImageError| Status::internal(format!("cannot encode: {error}"));
    let frame = evidence.frame.inspected();
    let heatmap = match (&evidence.anomaly_map, evidence.verdict.outcome.judgement()) {
        (Some(map), Some(judgement)) => {
            let overlaid = overlay(&frame, map, judgement.thresholds.reject_above);
            encode(&overlaid, encoding).map_err(failed)?
        }
        _ => Vec::new(),
    };
    Ok((encode(&frame, encoding).map_err(failed)?, heatmap))
}
