//! Evidence: the frame of a verdict and its heatmap.

use std::time::Duration;

use crate::client::Client;
use crate::error::Error;
use crate::proto::inspect_image_request::Image;
use crate::proto::{GetEvidenceRequest, ImageFormat, InspectImageRequest, RawImage, Verdict};

/// An image waits between the frames of the cameras.
const INSPECT_TIMEOUT: Duration = Duration::from_mins(1);

/// What a verdict was made of.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The verdict.
    pub verdict: Verdict,
    /// The inspected frame as an image file. From the daemon's disk it is a JPEG file, whatever format was
    /// requested.
    pub frame: Option<Vec<u8>>,
    /// The frame with the anomaly map over it, in the same format. A FAULT has none.
    pub heatmap: Option<Vec<u8>>,
}

impl Client {
    /// Fetches the evidence of a recent verdict.
    ///
    /// # Errors
    /// If the daemon does not answer, or no longer keeps the evidence.
    pub async fn evidence(&self, sequence: u64, format: ImageFormat) -> Result<Evidence, Error> {
        let mut inspection = self.inspection();
        let call = inspection.get_evidence(GetEvidenceRequest {
            sequence,
            format: format.into(),
            ..GetEvidenceRequest::default()
        });
        let response = self.answer(call).await?;
        let file = |bytes: Vec<u8>| (!bytes.is_empty()).then_some(bytes);
        Ok(Evidence {
            verdict: response
                .verdict
                .ok_or(Error::Incomplete { field: "verdict" })?,
            frame: file(response.frame),
            heatmap: file(response.heatmap),
        })
    }

    /// Inspects an image file (PNG, JPEG, TIFF or BMP) with the loaded model. `camera_id` selects the
    /// camera whose crop, rotation and thresholds apply; an empty id selects none.
    ///
    /// # Errors
    /// If the daemon does not answer within 60 s, or refuses the image.
    pub async fn inspect_file(&self, file: Vec<u8>, camera_id: &str) -> Result<Verdict, Error> {
        self.inspect(Image::Encoded(file), camera_id).await
    }

    /// Inspects raw pixels, as [`Client::inspect_file`].
    ///
    /// # Errors
    /// If the daemon does not answer within 60 s, or refuses the image.
    pub async fn inspect_pixels(&self, image: RawImage, camera_id: &str) -> Result<Verdict, Error> {
        self.inspect(Image::Raw(image), camera_id).await
    }

    async fn inspect(&self, image: Image, camera_id: &str) -> Result<Verdict, Error> {
        let mut inspection = self.inspection();
        let call = inspection.inspect_image(InspectImageRequest {
            image: Some(image),
            camera_id: camera_id.to_owned(),
        });
        let response = self.answer_within(INSPECT_TIMEOUT, call).await?;
        response
            .verdict
            .ok_or(Error::Incomplete { field: "verdict" })
    }
}
