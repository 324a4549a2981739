//! Ranges and channel means of the values of a graph, measured on images in ONNX Runtime.
//!
//! A range is from the smallest to the largest element over all images. Cutting off the tails, as is usual for
//! classifiers, would give finer steps, but it would also clip the largest activations, which show an anomaly.
//! The images are of good parts: for values that no convolution computes, such as the normalised image, a black and a
//! white image are added, so that no image is clipped.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_engine::{Elements, EngineOptions, Session, Tensor};
use prost::Message;

use super::arithmetic::Range;
use super::plan::Plan;
use crate::export::onnx::Dimension::Free;
use crate::export::onnx::{AttributeProto, DataType, ModelProto, NodeProto, ValueInfoProto};

/// What was measured, by the names of the values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activations {
    /// Smallest and largest element of the values that are stored in 8 bits.
    pub ranges: BTreeMap<String, Range>,
    /// Mean of each channel of the values that convolutions in 8 bits read.
    pub means: BTreeMap<String, Vec<f32>>,
}

/// Measures the ranges and means that the quantisation of a graph needs.
#[derive(Debug)]
pub struct RangeMeter {
    session: Session,
    values: Vec<MeasuredValue>,
    /// Sums of the channel means of the values that convolutions in 8 bits read.
    means: Vec<(String, Vec<f64>)>,
    images: usize,
}

/// A value with its range so far.
#[derive(Debug)]
struct MeasuredValue {
    name: String,
    after_convolution: bool,
    range: Range,
}

impl RangeMeter {
    /// Loads `model`, an f32 graph whose input is `frame`, with the smallest and the largest element of each value as
    /// further outputs. `keep` is the same as for [`quantize`](super::quantize).
    ///
    /// # Errors
    /// When the graph has no convolution to quantise, or ONNX Runtime is not available or rejects the graph.
    pub fn new(model: &ModelProto, keep: &BTreeSet<String>) -> Result<Self> {
        let graph = model.graph.as_ref().context("the model has no graph")?;
        let plan = Plan::of(graph, keep);
        let after = plan.after_convolutions();
        let value = |name: &str| MeasuredValue {
            name: name.to_owned(),
            after_convolution: after.contains(name),
            range: Range::default(),
        };
        let values: Vec<MeasuredValue> = plan.measured().into_iter().map(value).collect();
        ensure!(
            !values.is_empty(),
            "the graph has no convolution that can be quantised: {} convolutions are kept in f32; the others must have constant weights",
            keep.len()
        );
        let means = plan.convolution_inputs();
        let means = means.into_iter().map(|name| (name.to_owned(), Vec::new()));
        let means: Vec<_> = means.collect();
        let mut probe = model.clone();
        let graph = probe.graph.get_or_insert_default();
        for value in &values {
            for (operator, output) in value.extremes() {
                graph.node.push(NodeProto {
                    input: vec![value.name.clone()],
                    output: vec![output.clone()],
                    name: output.clone(),
                    op_type: operator.to_owned(),
                    attribute: vec![AttributeProto::int("keepdims", 0)],
                });
                let output = ValueInfoProto::tensor(&output, DataType::Float, &[], "");
                graph.output.push(output);
            }
        }
        for (name, _) in &means {
            let output = mean_of(name);
            graph.node.push(NodeProto {
                input: vec![name.clone()],
                output: vec![output.clone()],
                name: output.clone(),
                op_type: "ReduceMean".to_owned(),
                attribute: vec![
                    AttributeProto::ints("axes", &[0, 2, 3]),
                    AttributeProto::int("keepdims", 0),
                ],
            });
            let output = ValueInfoProto::tensor(&output, DataType::Float, &[Free("C")], "");
            graph.output.push(output);
        }
        Ok(Self {
            session: Session::load(&probe.encode_to_vec(), &EngineOptions::default())?,
            values,
            means,
            images: 0,
        })
    }

    /// Adds the values of `frame`.
    ///
    /// # Errors
    /// When the frame does not have the input size of the graph, or a value is not finite.
    pub fn add(&mut self, frame: &Frame) -> Result<()> {
        if self.images == 0 {
            for level in [0, u8::MAX] {
                let rgb = vec![level; frame.rgb().len()];
                let uniform = Frame::new(frame.width(), frame.height(), rgb)?;
                self.measure(&uniform, |value| !value.after_convolution)?;
            }
        }
        self.images += 1;
        self.measure(frame, |_| true)?;
        self.add_means(frame)
    }

    fn add_means(&mut self, frame: &Frame) -> Result<()> {
        let names: Vec<String> = self.means.iter().map(|(name, _)| mean_of(name)).collect();
        let means = self.run(frame, &names)?;
        for ((_, sums), mean) in self.means.iter_mut().zip(means) {
            sums.resize(mean.elements.len(), 0.0);
            for (sum, mean) in sums.iter_mut().zip(mean.elements) {
                *sum += f64::from(mean);
            }
        }
        Ok(())
    }

    /// Computes the outputs `names` for `frame`.
    fn run(&mut self, frame: &Frame, names: &[String]) -> Result<Vec<Tensor>> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (height, width) = (i64::from(frame.height()), i64::from(frame.width()));
        let shape = [1, height, width, CHANNELS as i64];
        let input = Elements::U8(frame.rgb());
        Ok(self.session.run_named(&shape, input, &names)?)
    }

    /// Extends the ranges of the values that `choose` selects by those of `frame`.
    fn measure(&mut self, frame: &Frame, choose: fn(&MeasuredValue) -> bool) -> Result<()> {
        let names: Vec<String> = self
            .values
            .iter()
            .flat_map(|value| value.extremes().map(|(_, output)| output))
            .collect();
        let extremes = self.run(frame, &names)?;
        let (pairs, _) = extremes.as_chunks::<2>();
        for (value, [low, high]) in self.values.iter_mut().zip(pairs) {
            let extreme = |elements: &[f32]| elements.first().copied().unwrap_or(f32::NAN);
            let (low, high) = (extreme(&low.elements), extreme(&high.elements));
            ensure!(
                low.is_finite() && high.is_finite(),
                "image {} of the calibration: the value {} of the graph is from {low} to {high}; must be finite",
                self.images,
                value.name
            );
            if choose(value) {
                value.range = value.range.with(Range::new(low, high));
            }
        }
        Ok(())
    }

    /// Number of images added so far.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Returns what was measured.
    pub fn finish(self) -> Activations {
        let values = self.values.into_iter();
        let images = self.images.max(1) as f64;
        let mean = |sums: Vec<f64>| sums.into_iter().map(|sum| (sum / images) as f32).collect();
        let means = self.means.into_iter();
        Activations {
            ranges: values.map(|value| (value.name, value.range)).collect(),
            means: means.map(|(name, sums)| (name, mean(sums))).collect(),
        }
    }
}

/// Name of the channel means of a value.
fn mean_of(value: &str) -> String {
    format!("{value}/channel_means")
}

impl MeasuredValue {
    /// Operators of the smallest and the largest element, with the names of their outputs.
    fn extremes(&self) -> [(&'static str, String); 2] {
        [("ReduceMin", "low"), ("ReduceMax", "high")]
            .map(|(operator, which)| (operator, format!("{}/{which}", self.name)))
    }
}
