//! First pass: collects the values of defect pixels with their components and channels.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use super::super::defects_config::DefectsConfig;
use super::super::source::{MapSource, Sample};
use super::super::{components, order_key};
use super::class;
use crate::dataset::Kind;
use crate::dataset::masks::Mask;

/// Ground truth of all images, and the values of all defect pixels.
pub(super) struct GroundTruth {
    /// One entry per image.
    pub(super) images: Vec<ImageSummary>,
    /// Defect pixels, ascending: the key of the value in the upper 32 bits, the group index in the lower 32.
    pub(super) defect_pixels: Vec<u64>,
    /// Component and channels of the pixels in each group.
    pub(super) groups: Vec<PixelGroup>,
    /// Number of pixels of each connected component.
    pub(super) regions: Vec<u64>,
    /// Channels; empty without saturation thresholds.
    pub(super) channels: Vec<Channel>,
    /// Number of classes in which good pixels are counted.
    pub(super) classes: usize,
}

/// Summary of an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct ImageSummary {
    /// Maximum of the map.
    pub(super) maximum: f32,
    /// Class of its good pixels; `None` if the image is not evaluated.
    pub(super) class: Option<usize>,
    /// Number of good pixels.
    pub(super) good_pixels: u64,
    /// Whether the image is anomalous and its masks are empty.
    pub(super) empty_masks: bool,
}

/// Pixels of an image in the same component and the same channels.
#[derive(Clone, Debug)]
pub(super) struct PixelGroup {
    pub(super) region: u32,
    pub(super) channels: Vec<u32>,
}

/// A ground truth channel: one defect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel {
    /// Class of its image.
    pub(super) class: usize,
    /// Number of detected pixels at which the overlap saturates.
    pub(super) saturation: u64,
}

impl GroundTruth {
    /// Returns the keys of the distinct values of defect pixels, ascending.
    pub(super) fn thresholds(&self) -> Vec<u32> {
        let mut keys: Vec<u32> = self
            .defect_pixels
            .iter()
            .map(|pixel| (pixel >> 32) as u32)
            .collect();
        keys.dedup();
        keys.shrink_to_fit();
        keys
    }

    /// Returns the number of good pixels of each class.
    pub(super) fn good_pixels(&self) -> Vec<u64> {
        let mut counts = vec![0; self.classes];
        for image in &self.images {
            if let Some(class) = image.class {
                counts[class] += image.good_pixels;
            }
        }
        counts
    }
}

/// Ground truth of one image; groups, components and channels are numbered from 0.
struct ImageTruth {
    summary: ImageSummary,
    defect_pixels: Vec<u64>,
    groups: Vec<PixelGroup>,
    regions: Vec<u64>,
    channels: Vec<Channel>,
}

/// Reads every image. Calls `progress` with the number of images read.
pub(super) fn collect(
    source: &dyn MapSource,
    defects: Option<&DefectsConfig>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<GroundTruth> {
    let done = AtomicU64::new(0);
    let images: Vec<ImageTruth> = (0..source.len())
        .into_par_iter()
        .map(|index| {
            let image = read(source, index, defects)?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            Ok(image)
        })
        .collect::<Result<_>>()?;
    let mut truth = merge(images);
    truth.classes = if defects.is_some() { 3 } else { 1 };
    truth.defect_pixels.par_sort_unstable();
    Ok(truth)
}

fn merge(images: Vec<ImageTruth>) -> GroundTruth {
    let mut truth = GroundTruth {
        images: Vec::with_capacity(images.len()),
        defect_pixels: Vec::with_capacity(
            images.iter().map(|image| image.defect_pixels.len()).sum(),
        ),
        groups: Vec::new(),
        regions: Vec::new(),
        channels: Vec::new(),
        classes: 1,
    };
    for image in images {
        let first_group = truth.groups.len() as u64;
        let (first_region, first_channel) =
            (truth.regions.len() as u32, truth.channels.len() as u32);
        truth.images.push(image.summary);
        // The group index is in the lower half; there are fewer than 2^32 groups in total.
        truth
            .defect_pixels
            .extend(image.defect_pixels.iter().map(|pixel| pixel + first_group));
        truth
            .groups
            .extend(image.groups.into_iter().map(|group| PixelGroup {
                region: group.region + first_region,
                channels: group.channels.iter().map(|c| c + first_channel).collect(),
            }));
        truth.regions.extend(image.regions);
        truth.channels.extend(image.channels);
    }
    truth
}

fn read(
    source: &dyn MapSource,
    index: usize,
    defects: Option<&DefectsConfig>,
) -> Result<ImageTruth> {
    let name = source.name(index);
    let kind = source.kind(index);
    let sample = source.read(index)?;
    sample.check(&name, kind)?;
    let maximum = sample.map.values.iter().copied().fold(f32::MIN, f32::max);
    let mut image = ImageTruth {
        summary: ImageSummary {
            maximum,
            class: None,
            good_pixels: 0,
            empty_masks: false,
        },
        defect_pixels: Vec::new(),
        groups: Vec::new(),
        regions: Vec::new(),
        channels: Vec::new(),
    };
    if *kind != Kind::Good && sample.masks.is_empty() {
        return Ok(image);
    }
    let class = class(kind, defects.is_some()).with_context(|| {
        format!("{name}: neither a logical nor a structural anomaly; saturated PRO requires one of the two")
    })?;
    if let Some(defects) = defects {
        for (mask_index, mask) in sample.masks.iter().enumerate() {
            let channel = channel(mask, class, defects)
                .with_context(|| source.mask_name(index, mask_index))?;
            image.channels.push(channel);
        }
    }
    image.summary.class = Some(class);
    group_defect_pixels(&sample, defects.is_some(), &mut image);
    image.summary.good_pixels = (sample.map.values.len() - image.defect_pixels.len()) as u64;
    image.summary.empty_masks = *kind != Kind::Good && image.defect_pixels.is_empty();
    Ok(image)
}

fn channel(mask: &Mask, class: usize, defects: &DefectsConfig) -> Result<Channel> {
    let value = mask.values.iter().copied().find(|&value| value != 0);
    let value =
        value.context("the mask is empty; every ground truth channel must contain a defect")?;
    let other = mask
        .values
        .iter()
        .find(|&&other| other != 0 && other != value);
    if let Some(other) = other {
        bail!("pixel values {value} and {other} in one mask; a channel must have one pixel value");
    }
    let area = mask.values.iter().filter(|&&pixel| pixel != 0).count() as u64;
    let saturation = defects.saturation_area(value, area);
    let saturation = saturation.with_context(|| {
        format!(
            "pixel value is {value}; defects_config.json contains {}",
            defects.pixel_values()
        )
    })?;
    Ok(Channel { class, saturation })
}

/// Assigns the defect pixels to groups.
fn group_defect_pixels(sample: &Sample, by_channel: bool, image: &mut ImageTruth) {
    let (sets, members) = channel_sets(&sample.masks, sample.map.values.len());
    if members.len() < 2 {
        return;
    }
    let (width, height) = (sample.map.width as usize, sample.map.height as usize);
    let (labels, regions) = components::label(|at| sets[at] != 0, width, height);
    image.regions = vec![0; regions as usize];
    let mut known: HashMap<(u32, u32), u64> = HashMap::new();
    for ((&set, &label), &value) in sets.iter().zip(&labels).zip(&sample.map.values) {
        if set == 0 {
            continue;
        }
        let region = label - 1;
        image.regions[region as usize] += 1;
        let group = *known.entry((set, region)).or_insert_with(|| {
            let channels = &members[set as usize];
            image.groups.push(PixelGroup {
                region,
                channels: if by_channel {
                    channels.clone()
                } else {
                    Vec::new()
                },
            });
            image.groups.len() as u64 - 1
        });
        image
            .defect_pixels
            .push(u64::from(order_key::of(value)) << 32 | group);
    }
}

/// Returns the index of each pixel's set of channels (0 is the empty set), and the channels of each set.
fn channel_sets(masks: &[Mask], pixels: usize) -> (Vec<u32>, Vec<Vec<u32>>) {
    if masks.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let mut sets = vec![0; pixels];
    let mut members = vec![Vec::new()];
    for (channel, mask) in (0..).zip(masks) {
        // Maps each set to the set that also contains this channel.
        let mut with: HashMap<u32, u32> = HashMap::new();
        for (set, &value) in sets.iter_mut().zip(&mask.values) {
            if value != 0 {
                *set = *with.entry(*set).or_insert_with(|| {
                    let mut channels = members[*set as usize].clone();
                    channels.push(channel);
                    members.push(channels);
                    members.len() as u32 - 1
                });
            }
        }
    }
    (sets, members)
}
