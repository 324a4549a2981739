//! Requests for inspections.

use std::sync::Arc;

use tonic::Status;

use super::blocking::blocking;
use super::blocking::disk_work;
use super::proto::trigger_inspection_request::Target as TargetField;
use super::proto::{TriggerInspectionRequest, TriggerInspectionResponse};
use super::service::GrpcService;
use super::{convert_verdict, fields, status};
use crate::pipeline::{
    AcceptedTrigger, CLIENT_DATA_LIMIT, NAME_LIMIT, RequestedRecipe, Target, Trigger,
};
use crate::telemetry::traces::RemoteContext;

impl GrpcService {
    /// Requests an inspection.
    pub(super) async fn trigger(
        &self,
        request: TriggerInspectionRequest,
        parent: Option<RemoteContext>,
    ) -> Result<TriggerInspectionResponse, Status> {
        let wait = request.wait;
        let trigger = parse_trigger(request)?;
        let mut accepted = match self.known_trigger(&trigger).await? {
            // A repeated request needs no recipe.
            Some(accepted) => accepted,
            None => self.accept_trigger(trigger, parent).await?,
        };
        if wait {
            // The sender is dropped without a verdict only if the pipeline has stopped.
            let made = accepted.verdict.wait_for(Option::is_some).await;
            made.map_err(|_| status::stopping())?;
        }
        Ok(TriggerInspectionResponse {
            trigger_id: accepted.trigger.to_string(),
            repeated: accepted.repeated,
            verdict: accepted
                .now()
                .map(|verdict| convert_verdict::verdict(&verdict)),
        })
    }

    /// Looks a request up by its key. Nothing is accepted here: after a disk that answers too late, the request would
    /// inspect a later part.
    async fn known_trigger(&self, trigger: &Trigger) -> Result<Option<AcceptedTrigger>, Status> {
        if trigger.idempotency_key.is_empty() {
            return Ok(None);
        }
        let (pipeline, trigger) = (Arc::clone(&self.pipeline), trigger.clone());
        let known = move || pipeline.known(&trigger);
        let known = disk_work(&self.key_permits, self.read_timeout(), known).await?;
        known.map_err(|error| status::trigger(&error))
    }

    async fn accept_trigger(
        &self,
        trigger: Trigger,
        parent: Option<RemoteContext>,
    ) -> Result<AcceptedTrigger, Status> {
        let (pipeline, control) = (Arc::clone(&self.pipeline), Arc::clone(&self.control));
        let accept = move || {
            let recipe = trigger.recipe.as_ref();
            let prepared = recipe.map(|requested| control.prepared(requested));
            let prepared = prepared
                .transpose()
                .map_err(|error| status::change(&error))?;
            let accepted = pipeline.trigger(&trigger, prepared.as_ref(), parent.as_ref());
            accepted.map_err(|error| status::trigger(&error))
        };
        blocking(accept).await?
    }
}

fn parse_trigger(request: TriggerInspectionRequest) -> Result<Trigger, Status> {
    let target = match request.target {
        None => return Err(status::invalid("target", "must be set")),
        Some(TargetField::CameraId(id)) => Target::Camera(fields::camera_id("camera_id", &id)?),
        Some(TargetField::GroupId(group)) => Target::Group(group),
    };
    let sha256 = request.recipe_sha256;
    let recipe = match request.recipe_id.as_str() {
        "" if sha256.is_empty() => None,
        "" => return Err(status::invalid("recipe_sha256", "requires recipe_id")),
        id => Some(RequestedRecipe {
            id: fields::recipe_id("recipe_id", id)?,
            sha256: fields::sha256("recipe_sha256", sha256)?,
        }),
    };
    fields::bounded("part_id", request.part_id.len(), NAME_LIMIT)?;
    fields::bounded("client_data", request.client_data.len(), CLIENT_DATA_LIMIT)?;
    fields::bounded("idempotency_key", request.idempotency_key.len(), NAME_LIMIT)?;
    Ok(Trigger {
        target,
        recipe,
        part_id: request.part_id,
        client_data: request.client_data,
        idempotency_key: request.idempotency_key,
    })
}
