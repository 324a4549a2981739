//! Images that clients send: they wait for the engine in a queue of their own.

use std::sync::Arc;

use inspectd_core::frame::Frame;
use inspectd_core::id::{CameraId, RecipeId};

use super::active::{Active, PreparedRecipe};
use super::answers::Shared;
use super::camera_view::FrameSizeError;
use super::handle::{CLIENT_IMAGES, CLIENT_QUEUE, Pipeline};
use super::intake::Pushed;
use super::job::{Job, JudgedMapsSlot, Ticket};
use super::response_slot::{Reply, ResponseSlot};

/// Why a client's image is not inspected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// Too many images wait.
    #[error("{CLIENT_IMAGES} images wait already")]
    Busy,
    /// The pipeline is stopping.
    #[error("the daemon is stopping")]
    Stopping,
    /// The camera is not configured.
    #[error("camera {0} is not configured")]
    NoCamera(CameraId),
    /// A recipe is active, but the image is to be judged without one.
    #[error("recipe {0} is active: images are judged without a recipe only while none is active")]
    RecipeActive(RecipeId),
    /// The image has a size that cannot be inspected.
    #[error(transparent)]
    Size(#[from] FrameSizeError),
}

/// A client's image that waits for its verdict. Dropping it gives the image up.
pub struct PendingImage {
    shared: Arc<Shared>,
    slot: ResponseSlot,
}

impl std::fmt::Debug for PendingImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PendingImage").field(&self.slot).finish()
    }
}

impl Drop for PendingImage {
    fn drop(&mut self) {
        if self.slot.take().is_some() {
            self.shared
                .intake
                .retain(CLIENT_QUEUE, |job| job.ticket.slot.is_open());
        }
    }
}

/// An image, and how it is inspected.
struct ClientImage {
    frame: Frame,
    /// The camera whose view and thresholds apply.
    camera: Option<CameraId>,
    /// Its name in the verdict; empty if it has none.
    item: String,
    /// Whether it is a picture of a known part.
    challenge: bool,
    /// Receives the maps.
    maps: Option<JudgedMapsSlot>,
    active: Arc<Active>,
}

impl Pipeline {
    /// Inspects a client's image, by the view and thresholds of `camera` if given. `reply` receives the
    /// verdict. When the returned guard is dropped before, and the image still waits, it leaves the queue without a
    /// verdict.
    ///
    /// # Errors
    /// Why it is not inspected. `reply` is then not called.
    pub fn inspect(
        &self,
        frame: Frame,
        camera: Option<CameraId>,
        reply: Reply,
    ) -> Result<PendingImage, InspectError> {
        let image = ClientImage {
            frame,
            camera,
            item: String::new(),
            challenge: false,
            maps: None,
            active: self.active(),
        };
        self.inspect_image(image, reply)
    }

    /// Inspects a picture of a known part, as [`Self::inspect`]. A failed challenge does not make it a FAULT. `item` is its
    /// name in the verdict.
    ///
    /// # Errors
    /// As [`Self::inspect`].
    pub fn inspect_known(
        &self,
        frame: Frame,
        camera: Option<CameraId>,
        item: String,
        reply: Reply,
    ) -> Result<PendingImage, InspectError> {
        let image = ClientImage {
            frame,
            camera,
            item,
            challenge: true,
            maps: None,
            active: self.active(),
        };
        self.inspect_image(image, reply)
    }

    /// Inspects a client's image as [`Self::inspect`], by exactly this recipe, whichever is active; without one, only while
    /// no recipe is active. `maps` receives its maps, before `reply` is called.
    ///
    /// # Errors
    /// As [`Self::inspect`], and if a recipe is active where none is given.
    pub fn inspect_by(
        &self,
        frame: Frame,
        recipe: Option<&PreparedRecipe>,
        maps: JudgedMapsSlot,
        reply: Reply,
    ) -> Result<PendingImage, InspectError> {
        let active = self.active();
        let active = match (recipe, &active.recipe) {
            (Some(prepared), _) => active.with_recipe(prepared),
            (None, Some(recipe)) => {
                return Err(InspectError::RecipeActive(recipe.id.clone()));
            }
            (None, None) => active,
        };
        let image = ClientImage {
            frame,
            camera: None,
            item: String::new(),
            challenge: false,
            maps: Some(maps),
            active,
        };
        self.inspect_image(image, reply)
    }

    fn inspect_image(
        &self,
        image: ClientImage,
        reply: Reply,
    ) -> Result<PendingImage, InspectError> {
        let ClientImage {
            frame,
            camera,
            item,
            challenge,
            maps,
            active,
        } = image;
        let shared = &self.shared;
        let view = match &camera {
            None => Arc::default(),
            Some(id) if shared.lanes.get(id).is_some() => active.view(id),
            Some(id) => return Err(InspectError::NoCamera(id.clone())),
        };
        let size = [frame.width(), frame.height()];
        view.inspected_size(size, active.model.input)?;
        let ticket = Ticket {
            camera: None,
            thresholds_of: camera,
            view,
            frame_id: 0,
            moment: shared.clock.now(),
            size,
            simulated: false,
            item,
            truth: String::new(),
            group: None,
            tag: None,
            challenge,
            active,
            maps,
            slot: ResponseSlot::new(Some(reply)),
        };
        let pending = PendingImage {
            shared: Arc::clone(shared),
            slot: ticket.slot.clone(),
        };
        match shared.intake.push(CLIENT_QUEUE, Job { frame, ticket }) {
            Pushed::Queued | Pushed::Replaced(_) => Ok(pending),
            Pushed::Full(_) => Err(InspectError::Busy),
            Pushed::Closed(_) => Err(InspectError::Stopping),
        }
    }
}
