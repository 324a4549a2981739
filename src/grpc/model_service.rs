//! `inspectd.v1.ModelService`.

mod install;

use std::sync::Arc;

use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::auth::{actor, identity};
use super::blocking::{blocking, disk_work};
use super::proto::model_service_server::ModelService;
use super::proto::{
    DecisionPair, Disagreement, GetInstallationRequest, GetInstallationResponse, GetShadowRequest,
    GetShadowResponse, InstallModelRequest, InstallModelResponse, Installation,
    ListDisagreementsRequest, ListDisagreementsResponse, ResetShadowRequest, ResetShadowResponse,
    UndoInstallationRequest, UndoInstallationResponse,
};
use super::service::GrpcService;
use super::{convert, proto, status};
use crate::control::persisted_state;
use crate::shadow::{self, ShadowPhase, ShadowSnapshot};

/// Disagreements of a response, if the request does not say.
const PAGE: usize = 100;

/// Most disagreements of a response.
const PAGE_LIMIT: usize = 1000;

#[tonic::async_trait]
impl ModelService for GrpcService {
    type InstallModelStream = BoxStream<'static, Result<InstallModelResponse, Status>>;

    async fn install_model(
        &self,
        request: Request<Streaming<InstallModelRequest>>,
    ) -> Result<Response<Self::InstallModelStream>, Status> {
        let actor = actor(&request);
        let events = self.install(actor, request.into_inner()).await?;
        Ok(Response::new(events))
    }

    async fn undo_installation(
        &self,
        request: Request<UndoInstallationRequest>,
    ) -> Result<Response<UndoInstallationResponse>, Status> {
        let actor = actor(&request);
        let expected = request.into_inner().model_sha256;
        let control = Arc::clone(&self.control);
        let undone = blocking(move || {
            let expected = Some(expected.as_str()).filter(|expected| !expected.is_empty());
            control.undo_installation(&actor, expected)
        })
        .await?;
        let undone = undone.map_err(|error| status::change(&error))?;
        Ok(Response::new(UndoInstallationResponse {
            undone: Some(installation(&undone)),
        }))
    }

    async fn get_installation(
        &self,
        _: Request<GetInstallationRequest>,
    ) -> Result<Response<GetInstallationResponse>, Status> {
        let last = self.control.installation();
        Ok(Response::new(GetInstallationResponse {
            installation: last.as_ref().map(installation),
        }))
    }

    async fn get_shadow(
        &self,
        _: Request<GetShadowRequest>,
    ) -> Result<Response<GetShadowResponse>, Status> {
        self.configured_shadow()?;
        Ok(Response::new(GetShadowResponse {
            shadow: Some(shadow_state(self.shadow.snapshot())),
        }))
    }

    async fn list_disagreements(
        &self,
        request: Request<ListDisagreementsRequest>,
    ) -> Result<Response<ListDisagreementsResponse>, Status> {
        self.configured_shadow()?;
        let permits = self.read_permits.of(identity(&request));
        let ListDisagreementsRequest {
            page_size,
            before_sequence,
            camera_id,
        } = request.into_inner();
        let camera = match camera_id.as_str() {
            "" => None,
            id => Some(self.configured_camera("camera_id", id)?),
        };
        let limit = match page_size as usize {
            0 => PAGE,
            size if size > PAGE_LIMIT => {
                let text = format!("{size} must be at most {PAGE_LIMIT}");
                return Err(status::invalid("page_size", text));
            }
            size => size,
        };
        let shadow = Arc::clone(&self.shadow);
        // The pictures are in the folder of the journal.
        let disagreements = disk_work(&permits, self.page_timeout(), move || {
            let selects = |one: &shadow::Disagreement| {
                (before_sequence == 0 || one.sequence < before_sequence)
                    && camera
                        .as_ref()
                        .is_none_or(|camera| camera.as_str() == one.camera)
            };
            let listed = shadow.disagreements(limit, selects).into_iter();
            // A picture that cannot be read is missing; the decisions are not.
            let with_picture = |one: shadow::Disagreement| {
                let heatmap = shadow.heatmap(one.sequence).ok().flatten();
                disagreement(one, heatmap.unwrap_or_default())
            };
            listed.map(with_picture).collect()
        })
        .await?;
        Ok(Response::new(ListDisagreementsResponse { disagreements }))
    }

    async fn reset_shadow(
        &self,
        request: Request<ResetShadowRequest>,
    ) -> Result<Response<ResetShadowResponse>, Status> {
        self.configured_shadow()?;
        let shadow = Arc::clone(&self.shadow);
        let permits = self.read_permits.of(identity(&request));
        let reset = disk_work(&permits, self.page_timeout(), move || shadow.reset()).await?;
        reset.map_err(|error| Status::unavailable(format!("the files of the shadow: {error}")))?;
        Ok(Response::new(ResetShadowResponse {}))
    }
}

impl GrpcService {
    fn configured_shadow(&self) -> Result<(), Status> {
        if self.pipeline.active().settings.shadow.is_unset() {
            return Err(status::no_shadow());
        }
        Ok(())
    }
}

fn shadow_state(snapshot: ShadowSnapshot) -> proto::Shadow {
    let state = match snapshot.phase {
        // It is configured: its thread has not begun yet.
        ShadowPhase::Off | ShadowPhase::Loading => proto::ShadowState::Loading,
        ShadowPhase::Running => proto::ShadowState::Running,
        ShadowPhase::Failed => proto::ShadowState::Failed,
    };
    let pairs = snapshot.pairs.into_iter();
    let pair = |(active, shadow, count)| DecisionPair {
        active: convert::decision(active).into(),
        shadow: convert::decision(shadow).into(),
        count,
    };
    proto::Shadow {
        state: state.into(),
        error: snapshot.error,
        model: snapshot.model.as_ref().map(convert::model),
        recipe: snapshot.recipe.as_ref().map(convert::recipe_tag),
        since_time: snapshot.since.map(convert::timestamp),
        judged: snapshot.judged,
        skipped: snapshot.skipped,
        failed: snapshot.failed,
        disagreements: snapshot.disagreements,
        pairs: pairs.map(pair).collect(),
        median_ms: snapshot
            .median
            .map_or(0.0, |median| median.as_secs_f32() * 1e3),
    }
}

fn disagreement(one: shadow::Disagreement, heatmap: Vec<u8>) -> Disagreement {
    Disagreement {
        sequence: one.sequence,
        camera_id: one.camera,
        capture_time: Some(convert::timestamp(one.captured)),
        part_id: one.part_id,
        active: convert::decision(one.active.decision()).into(),
        active_score: one.active.score,
        active_threshold: one.active.threshold,
        shadow: convert::decision(one.shadow.decision()).into(),
        shadow_score: one.shadow.score,
        shadow_threshold: one.shadow.threshold,
        shadow_region: one.region,
        heatmap,
    }
}

fn installation(installed: &persisted_state::Installation) -> Installation {
    Installation {
        time: Some(convert::timestamp(installed.time)),
        model: Some(convert::model(&installed.model)),
        previous: Some(convert::model(&installed.previous)),
        recipe_id: installed.recipe.clone().unwrap_or_default(),
        folder: installed.after.clone(),
        by: installed.who.clone(),
    }
}
