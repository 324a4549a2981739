//! The state of the line and of its cameras.

use crate::client::Client;
use crate::error::Error;
use crate::proto::{Camera, GetStatusRequest, ListCamerasRequest, Status};

impl Client {
    /// Returns the state of the line, the model, the engine, the journal and the cameras.
    ///
    /// # Errors
    /// If the daemon does not answer, or refuses.
    pub async fn status(&self) -> Result<Status, Error> {
        let mut line = self.line();
        let response = self.answer(line.get_status(GetStatusRequest {})).await?;
        response.status.ok_or(Error::Incomplete { field: "status" })
    }

    /// Returns the configured cameras, by id.
    ///
    /// # Errors
    /// If the daemon does not answer, or refuses.
    pub async fn cameras(&self) -> Result<Vec<Camera>, Error> {
        let mut line = self.line();
        let response = self
            .answer(line.list_cameras(ListCamerasRequest {}))
            .await?;
        Ok(response.cameras)
    }
}
