//! `inspectd.v1.LineService`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{BoxStream, unfold};
use tokio::time::interval;
use tonic::{Request, Response, Status};

use super::auth::{actor, identity};
use super::blocking::blocking;
use super::proto::line_service_server::LineService;
use super::proto::{
    AddCameraRequest, AddCameraResponse, GetCameraViewRequest, GetCameraViewResponse,
    GetStatusRequest, GetStatusResponse, ListAuditEntriesRequest, ListAuditEntriesResponse,
    ListCamerasRequest, ListCamerasResponse, LockChangesRequest, LockChangesResponse,
    PauseCameraRequest, PauseCameraResponse, ReloadConfigurationRequest,
    ReloadConfigurationResponse, RemoveCameraRequest, RemoveCameraResponse, ResumeCameraRequest,
    ResumeCameraResponse, ResynchronizeGroupRequest, ResynchronizeGroupResponse,
    RunChallengeRequest, RunChallengeResponse, SetCameraControlsRequest, SetCameraControlsResponse,
    UnlockChangesRequest, UnlockChangesResponse, WatchBrightnessRequest, WatchBrightnessResponse,
    WatchStatusRequest, WatchStatusResponse,
};
use super::service::GrpcService;
use super::{convert, convert_status, fields, proto, status};
use crate::audit::AuditError;
use crate::control::{LOCK_DURATION_LIMIT, NewControls};
use crate::pipeline::Brightness;

/// Range of the interval at which the status may be sampled for a client.
const WATCH_INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_hours(1);

/// Maximum length of the name of who sets a lock, bytes.
const WHO_LIMIT: usize = 128;

/// Maximum length of the reason of a lock, bytes.
const REASON_LIMIT: usize = 1024;

/// Default number of audit entries of a response.
const AUDIT_PAGE: usize = 100;

/// Maximum number of audit entries of a response.
const AUDIT_PAGE_LIMIT: usize = 1000;

/// Maximum length of the reason of a pause, bytes.
const PAUSE_REASON_LIMIT: usize = 256;

/// Maximum length of the keys of a camera, bytes.
const CAMERA_KEYS_LIMIT: usize = 64 << 10;

#[tonic::async_trait]
impl LineService for GrpcService {
    type WatchStatusStream = BoxStream<'static, Result<WatchStatusResponse, Status>>;
    type WatchBrightnessStream = BoxStream<'static, Result<WatchBrightnessResponse, Status>>;

    async fn get_status(
        &self,
        _: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let status = Some(self.status());
        Ok(Response::new(GetStatusResponse { status }))
    }

    async fn watch_status(
        &self,
        request: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        let client = identity(&request).clone();
        let period = match request.into_inner().interval {
            None => Duration::from_secs(1),
            Some(requested) => Duration::try_from(requested)
                .ok()
                .filter(|requested| WATCH_INTERVALS.contains(requested))
                .ok_or_else(|| status::invalid("interval", "must be from 0.1 s to 1 h"))?,
        };
        let slot = self.streams.open(&client)?;
        let state = (
            self.clone(),
            interval(period),
            self.lifecycle.streams_ending(),
            slot,
        );
        let stream = unfold(Some(state), |state| async move {
            let (service, mut interval, mut ending, slot) = state?;
            tokio::select! {
                _ = interval.tick() => {}
                _ = ending.wait_for(|&ending| ending) => {
                    return Some((Err(status::stopping()), None));
                }
            }
            let status = Some(service.status());
            let next = Some((service, interval, ending, slot));
            Some((Ok(WatchStatusResponse { status }), next))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn watch_brightness(
        &self,
        request: Request<WatchBrightnessRequest>,
    ) -> Result<Response<Self::WatchBrightnessStream>, Status> {
        let client = identity(&request).clone();
        let id = request.into_inner().camera_id;
        let camera = self.configured_camera("camera_id", &id)?;
        let brightness = self.pipeline.brightness(&camera);
        let brightness =
            brightness.ok_or_else(|| status::not_found("camera", &id, "is not configured"))?;
        let slot = self.streams.open(&client)?;
        let state = (brightness, self.lifecycle.streams_ending(), slot);
        let stream = unfold(Some(state), |state| async move {
            let (mut brightness, mut ending, slot) = state?;
            tokio::select! {
                changed = brightness.changed() => changed.ok()?,
                _ = ending.wait_for(|&ending| ending) => {
                    return Some((Err(status::stopping()), None));
                }
            }
            let Brightness { frame_id, level } = *brightness.borrow_and_update();
            let response = WatchBrightnessResponse { frame_id, level };
            Some((Ok(response), Some((brightness, ending, slot))))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn get_camera_view(
        &self,
        request: Request<GetCameraViewRequest>,
    ) -> Result<Response<GetCameraViewResponse>, Status> {
        let client = identity(&request).clone();
        let view = self.camera_view(&client, &request.into_inner()).await?;
        Ok(Response::new(view))
    }

    async fn pause_camera(
        &self,
        request: Request<PauseCameraRequest>,
    ) -> Result<Response<PauseCameraResponse>, Status> {
        let actor = actor(&request);
        let PauseCameraRequest { camera_id, reason } = request.into_inner();
        let camera = self.configured_camera("camera_id", &camera_id)?;
        fields::bounded("reason", reason.len(), PAUSE_REASON_LIMIT)?;
        if reason.chars().any(char::is_control) {
            return Err(status::invalid("reason", "must have no control characters"));
        }
        let control = Arc::clone(&self.control);
        blocking(move || control.pause_camera(&actor, &camera, &reason))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(PauseCameraResponse {}))
    }

    async fn resume_camera(
        &self,
        request: Request<ResumeCameraRequest>,
    ) -> Result<Response<ResumeCameraResponse>, Status> {
        let actor = actor(&request);
        let camera = self.configured_camera("camera_id", &request.into_inner().camera_id)?;
        let control = Arc::clone(&self.control);
        blocking(move || control.resume_camera(&actor, &camera))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(ResumeCameraResponse {}))
    }

    async fn set_camera_controls(
        &self,
        request: Request<SetCameraControlsRequest>,
    ) -> Result<Response<SetCameraControlsResponse>, Status> {
        let actor = actor(&request);
        let SetCameraControlsRequest {
            camera_id,
            exposure_us,
            gain,
            keep_exposure,
            keep_gain,
        } = request.into_inner();
        let camera = self.configured_camera("camera_id", &camera_id)?;
        if gain.is_some_and(|gain| !gain.is_finite()) {
            return Err(status::invalid("gain", "must be a finite number"));
        }
        if keep_exposure && exposure_us.is_some() {
            return Err(status::invalid(
                "exposure_us",
                "must be unset with keep_exposure",
            ));
        }
        if keep_gain && gain.is_some() {
            return Err(status::invalid("gain", "must be unset with keep_gain"));
        }
        let controls = NewControls {
            exposure_us: (!keep_exposure).then_some(exposure_us),
            gain: (!keep_gain).then_some(gain),
        };
        let control = Arc::clone(&self.control);
        let changed = blocking(move || control.set_camera_controls(&actor, &camera, controls))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(SetCameraControlsResponse {
            recipe_id: changed.recipe.map_or_else(String::new, |id| id.to_string()),
            previous_exposure_us: changed.previous.exposure_us,
            previous_gain: changed.previous.gain,
            exposure_us: changed.present.exposure_us,
            gain: changed.present.gain,
        }))
    }

    async fn add_camera(
        &self,
        request: Request<AddCameraRequest>,
    ) -> Result<Response<AddCameraResponse>, Status> {
        let actor = actor(&request);
        let AddCameraRequest { camera_id, toml } = request.into_inner();
        let camera = fields::camera_id("camera_id", &camera_id)?;
        fields::bounded("toml", toml.len(), CAMERA_KEYS_LIMIT)?;
        let control = Arc::clone(&self.control);
        let file = blocking(move || control.add_camera(&actor, &camera, &toml))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(AddCameraResponse {
            file: file.display().to_string(),
        }))
    }

    async fn remove_camera(
        &self,
        request: Request<RemoveCameraRequest>,
    ) -> Result<Response<RemoveCameraResponse>, Status> {
        let actor = actor(&request);
        let camera = self.configured_camera("camera_id", &request.into_inner().camera_id)?;
        let control = Arc::clone(&self.control);
        let removed = blocking(move || control.remove_camera(&actor, &camera))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(RemoveCameraResponse {
            file: removed.file.display().to_string(),
            toml: removed.toml,
        }))
    }

    async fn list_cameras(
        &self,
        _: Request<ListCamerasRequest>,
    ) -> Result<Response<ListCamerasResponse>, Status> {
        let cameras = convert_status::cameras(&self.pipeline.snapshot(), &self.control.pauses());
        Ok(Response::new(ListCamerasResponse { cameras }))
    }

    async fn reload_configuration(
        &self,
        request: Request<ReloadConfigurationRequest>,
    ) -> Result<Response<ReloadConfigurationResponse>, Status> {
        let actor = actor(&request);
        let control = Arc::clone(&self.control);
        let changed = blocking(move || control.reload(&actor))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(ReloadConfigurationResponse {
            configuration: Some(convert_status::configuration(&self.control.configuration())),
            changed,
            model: Some(convert::model(&self.pipeline.active().model.id)),
        }))
    }

    async fn lock_changes(
        &self,
        request: Request<LockChangesRequest>,
    ) -> Result<Response<LockChangesResponse>, Status> {
        let actor = actor(&request);
        let LockChangesRequest {
            who,
            reason,
            duration,
        } = request.into_inner();
        if who.is_empty() || who.len() > WHO_LIMIT {
            let message = format!("must be 1 to {WHO_LIMIT} bytes");
            return Err(status::invalid("who", message));
        }
        fields::bounded("reason", reason.len(), REASON_LIMIT)?;
        let duration = duration.map(lock_duration).transpose()?;
        let control = Arc::clone(&self.control);
        let lock = blocking(move || control.set_lock(&actor, &who, &reason, duration))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(LockChangesResponse {
            lock: Some(convert_status::lock(&lock)),
        }))
    }

    async fn unlock_changes(
        &self,
        request: Request<UnlockChangesRequest>,
    ) -> Result<Response<UnlockChangesResponse>, Status> {
        let actor = actor(&request);
        let control = Arc::clone(&self.control);
        blocking(move || control.release_lock(&actor))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(UnlockChangesResponse {}))
    }

    async fn resynchronize_group(
        &self,
        request: Request<ResynchronizeGroupRequest>,
    ) -> Result<Response<ResynchronizeGroupResponse>, Status> {
        let actor = actor(&request);
        let group = request.into_inner().group_id;
        let control = Arc::clone(&self.control);
        blocking(move || control.resynchronize(&actor, &group))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(ResynchronizeGroupResponse {}))
    }

    async fn run_challenge(
        &self,
        request: Request<RunChallengeRequest>,
    ) -> Result<Response<RunChallengeResponse>, Status> {
        let actor = actor(&request);
        let control = Arc::clone(&self.control);
        let result = blocking(move || control.run_challenge(&actor))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(RunChallengeResponse {
            result: Some(convert_status::challenge(&result)),
        }))
    }

    async fn list_audit_entries(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Result<Response<ListAuditEntriesResponse>, Status> {
        let ListAuditEntriesRequest { after, limit } = request.into_inner();
        let limit = fields::page_size("limit", limit, AUDIT_PAGE, AUDIT_PAGE_LIMIT)?;
        let control = Arc::clone(&self.control);
        let listed = blocking(move || {
            let log = control.audit_sink().log()?;
            let log = log.map(|log| Ok((log.entries(after, limit)?, log.state())));
            log.transpose()
        });
        let listed = listed
            .await?
            .map_err(|error: AuditError| status::journal(&error))?;
        let (entries, state) = listed.ok_or_else(status::no_journal)?;
        Ok(Response::new(ListAuditEntriesResponse {
            entries: entries.iter().map(convert_status::audit_entry).collect(),
            newest: state.entries,
            head: state.head.to_string(),
            broken: state
                .broken
                .map_or_else(String::new, |broken| broken.to_string()),
        }))
    }
}

impl GrpcService {
    fn status(&self) -> proto::Status {
        convert_status::status(&convert_status::StatusInput {
            phase: self.lifecycle.phase(),
            run_id: &self.run_id,
            started: self.pipeline.started(),
            snapshot: &self.pipeline.snapshot(),
            pauses: &self.control.pauses(),
            configuration: &self.control.configuration(),
            streams: self.streams.counts(),
            lock: self.control.locked().as_ref(),
            challenge: self.control.challenge_result().as_ref(),
        })
    }
}

/// The duration of a lock.
fn lock_duration(duration: prost_types::Duration) -> Result<Duration, Status> {
    Duration::try_from(duration)
        .ok()
        .filter(|duration| !duration.is_zero() && *duration <= LOCK_DURATION_LIMIT)
        .ok_or_else(|| status::invalid("duration", "must be more than 0 and at most a week"))
}
