//! Features of images, computed by ONNX Runtime with the same graph nodes as in a bundle.

use anyhow::{Context, Result, ensure};
use inspectd_core::frame::Frame;
use inspectd_engine::{Elements, EngineOptions, Session};
use prost::Message;
use tch::Tensor;

use crate::backbone::{LiteVariant, SIDE_STEP, shipped};
use crate::dataset::ImageSize;
use crate::export::feature_graph;

/// Largest side of an input image in pixels.
pub const SIDE_LIMIT: u32 = 1024;

/// Runs a shipped backbone up to the concatenated features.
#[derive(Debug)]
pub struct FeatureExtractor {
    session: Session,
    variant: LiteVariant,
    size: ImageSize,
}

/// Checks the size of the input images.
///
/// # Errors
/// When a side is not a multiple of 16 from 64 to 1024 pixels.
pub fn check_size(size: ImageSize) -> Result<ImageSize> {
    for side in [size.width, size.height] {
        ensure!(
            (64..=SIDE_LIMIT).contains(&side) && side % SIDE_STEP == 0,
            "input size {size}: width and height must be multiples of {SIDE_STEP} from 64 to {SIDE_LIMIT} pixels"
        );
    }
    Ok(size)
}

/// Returns the serialised graph that maps images of `size` to their features.
///
/// # Errors
/// When the backbone is not shipped or the size is not supported.
pub fn graph(variant: LiteVariant, size: ImageSize) -> Result<Vec<u8>> {
    let weights = shipped::weights(variant)?;
    Ok(feature_graph::extractor(variant, &weights, check_size(size)?).encode_to_vec())
}

impl FeatureExtractor {
    /// Creates an extractor for images of `size`, with `threads` CPU threads (0 for all).
    ///
    /// # Errors
    /// When the backbone is not shipped, the size is not supported, or ONNX Runtime is not available.
    pub fn new(variant: LiteVariant, size: ImageSize, threads: usize) -> Result<Self> {
        let graph = graph(variant, size)?;
        let options = EngineOptions {
            threads,
            ..EngineOptions::default()
        };
        let session = Session::load(&graph, &options).context("cannot run the backbone")?;
        Ok(Self {
            session,
            variant,
            size,
        })
    }

    /// The backbone.
    pub fn variant(&self) -> LiteVariant {
        self.variant
    }

    /// Size of the input images.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// Number of channels.
    pub fn channels(&self) -> i64 {
        self.variant.channels().iter().sum()
    }

    /// Computes the features of `frame`, f32 `[C, h * w]`, before normalisation.
    ///
    /// # Errors
    /// When inference fails or the frame has another size.
    pub fn features(&mut self, frame: &Frame) -> Result<Tensor> {
        let found = [frame.width(), frame.height()];
        ensure!(
            found == [self.size.width, self.size.height],
            "frame is {}x{}, must be {}",
            found[0],
            found[1],
            self.size
        );
        let shape = [1, i64::from(found[1]), i64::from(found[0]), 3];
        let [features] = self
            .session
            .run(&shape, Elements::U8(frame.rgb()), ["features"])?;
        let cells = feature_graph::grid(self.size).cells() as i64;
        Ok(Tensor::from_slice(&features.elements).reshape([self.channels(), cells]))
    }
}
