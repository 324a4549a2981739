//! Requests for inspections.

use std::sync::Arc;

use tonic::Status;

use super::blocking::blocking;
use super::proto::trigger_inspection_request::Target as TargetField;
use super::proto::{TriggerInspectionRequest, TriggerInspectionResponse};
use super::service::GrpcService;
use super::{convert_verdict, fields, status};
use crate::pipeline::{CLIENT_DATA_LIMIT, NAME_LIMIT, RequestedRecipe, Target, Trigger};

impl GrpcService {
    /// Requests an inspection.
    pub(super) async fn trigger(
        &self,
        request: TriggerInspectionRequest,
    ) -> Result<TriggerInspectionResponse, Status> {
        let wait = request.wait;
        let trigger = parse_trigger(request)?;
        let pipeline = Arc::clone(&self.pipeline);
        let control = Arc::clone(&self.control);
        let accepted = blocking(move || {
            // A repeated request needs no recipe.
            if let Some(accepted) = pipeline.known(&trigger)? {
                return Ok(Ok(accepted));
            }
            let recipe = trigger.recipe.as_ref();
            match recipe
                .map(|requested| control.prepared(requested))
                .transpose()
            {
                Err(error) => Ok(Err(error)),
                Ok(prepared) => pipeline.trigger(&trigger, prepared.as_ref()).map(Ok),
            }
        });
        let accepted = accepted.await?.map_err(|error| status::trigger(&error))?;
        let mut accepted = accepted.map_err(|error| status::change(&error))?;
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
