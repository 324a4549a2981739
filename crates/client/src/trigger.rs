//! Triggers: inspections on request.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::Error;
use crate::proto::trigger_inspection_request::Target;
use crate::proto::{TriggerInspectionRequest, TriggerInspectionResponse};

/// The cameras of a trigger, in mode `requested`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerTarget {
    /// One camera, by its id.
    Camera(String),
    /// All cameras of a group, by its id.
    Group(String),
}

/// A request to inspect the next frame of a camera, or of all cameras of a group.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// The camera or the group.
    pub target: TriggerTarget,
    /// The id of the part, returned in the verdict; at most 128 bytes. Empty: no id.
    pub part_id: String,
    /// Data of the client, returned in the verdict; at most 4096 bytes.
    pub client_data: Vec<u8>,
    /// Identifies the request: a request with the key of an earlier one is the same request, so that it can
    /// be repeated after a lost answer. At most 128 bytes. Empty: no key.
    pub idempotency_key: String,
    /// A prepared recipe that judges the frames of this request. Empty: the active recipe.
    pub recipe_id: String,
    /// SHA-256 of that recipe. Empty: the content that was prepared last.
    pub recipe_sha256: String,
    /// How long to wait for the verdict. `None`: the answer comes once the request is accepted, with the
    /// verdict only if it exists already.
    pub wait: Option<Duration>,
}

impl Trigger {
    /// Returns a trigger without a part id, client data, key and recipe that does not wait for the verdict.
    pub fn new(target: TriggerTarget) -> Self {
        Self {
            target,
            part_id: String::new(),
            client_data: Vec::new(),
            idempotency_key: String::new(),
            recipe_id: String::new(),
            recipe_sha256: String::new(),
            wait: None,
        }
    }

    /// Returns the message.
    pub fn request(&self) -> TriggerInspectionRequest {
        TriggerInspectionRequest {
            target: Some(match &self.target {
                TriggerTarget::Camera(id) => Target::CameraId(id.clone()),
                TriggerTarget::Group(id) => Target::GroupId(id.clone()),
            }),
            part_id: self.part_id.clone(),
            client_data: self.client_data.clone(),
            idempotency_key: self.idempotency_key.clone(),
            recipe_id: self.recipe_id.clone(),
            recipe_sha256: self.recipe_sha256.clone(),
            wait: self.wait.is_some(),
        }
    }
}

impl Client {
    /// Triggers an inspection.
    ///
    /// With [`Trigger::wait`] the answer has the verdict, or none if there cannot be one.
    ///
    /// # Errors
    /// If the daemon does not answer in time, or refuses.
    pub async fn trigger(&self, trigger: &Trigger) -> Result<TriggerInspectionResponse, Error> {
        let mut inspection = self.inspection();
        let call = inspection.trigger_inspection(trigger.request());
        match trigger.wait {
            Some(limit) => self.answer_within(limit, call).await,
            None => self.answer(call).await,
        }
    }

    /// Triggers an inspection under the key `idempotency_key`, and repeats the request after each transient
    /// error until `limit` is over. The part is inspected once, whatever happens to the connection.
    ///
    /// # Errors
    /// If the daemon refuses, or the last attempt within `limit` failed.
    pub async fn trigger_with_retry(
        &self,
        trigger: &Trigger,
        idempotency_key: &str,
        limit: Duration,
    ) -> Result<TriggerInspectionResponse, Error> {
        let trigger = Trigger {
            idempotency_key: idempotency_key.to_owned(),
            ..trigger.clone()
        };
        let end = tokio::time::Instant::now() + limit;
        let mut failures = 0;
        loop {
            let error = match self.trigger(&trigger).await {
                Err(error) if error.is_transient() => error,
                answer => return answer,
            };
            let next = tokio::time::Instant::now() + Backoff::default().pause(failures);
            if next >= end {
                return Err(error);
            }
            tokio::time::sleep_until(next).await;
            failures += 1;
        }
    }
}
