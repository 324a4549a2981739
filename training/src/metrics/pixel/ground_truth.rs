//! The first reading: the defect pixels' values, and which regions and channels each belongs to.

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

/// What there is to be found, and what the second reading needs to know.
pub(super) struct GroundTruth {
    /// Of each image.
    pub(super) images: Vec<ImageSummary>,
    /// Defect pixels, ascending: the key of the value in the upper half, the pixel's group in the lower.
    pub(super) defect_pixels: Vec<u64>,
    /// What the pixels of each group belong to.
    pub(super) groups: Vec<PixelGroup>,
    /// Pixels of each connected component.
    pub(super) regions: Vec<u64>,
    /// Each channel; none where no saturation is given.
    pub(super) channels: Vec<Channel>,
    /// How many classes good pixels are counted in.
    pub(super) classes: usize,
}

/// What is known of an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct ImageSummary {
    /// The map's largest value.
    pub(super) maximum: f32,
    /// The class of its good pixels; none if it does not count.
    pub(super) class: Option<usize>,
    /// How many they are.
    pub(super) good_pixels: u64,
    /// Whether it is anomalous, and its masks show nothing.
    pub(super) empty_masks: bool,
}

/// The pixels of an image that lie in the same component and the same channels.
#[derive(Clone, Debug)]
pub(super) struct PixelGroup {
    pub(super) region: u32,
    pub(super) channels: Vec<u32>,
}

/// A defect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel {
    /// The class of its image.
    pub(super) class: usize,
    /// How many of its pixels are enough.
    pub(super) saturation: u64,
}

impl GroundTruth {
    /// The distinct values of defect pixels as keys, ascending.
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

    /// Good pixels of each class.
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

/// One image's image, its groups, regions and channels numbered from 0.
struct ImageTruth {
    summary: ImageSummary,
    defect_pixels: Vec<u64>,
    groups: Vec<PixelGroup>,
    regions: Vec<u64>,
    channels: Vec<Channel>,
}

/// Reads every image; `progress` is told how many are done.
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
        // The group is in the lower half, and there are fewer than 2^32 in all.
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
        format!("{name}: neither a logical nor a structural anomaly; saturated PRO needs to know")
    })?;
    if let Some(defects) = defects {
        for (number, mask) in sample.masks.iter().enumerate() {
            let channel =
                channel(mask, class, defects).with_context(|| source.mask_name(index, number))?;
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
    let value = value.context("it shows no defect; a channel of the ground truth must")?;
    let other = mask
        .values
        .iter()
        .find(|&&other| other != 0 && other != value);
    if let Some(other) = other {
        bail!("it has the pixel values {value} and {other}; a channel must have one");
    }
    let area = mask.values.iter().filter(|&&pixel| pixel != 0).count() as u64;
    let saturation = defects.saturation_area(value, area);
    let saturation = saturation.with_context(|| {
        format!(
            "its pixel value is {value}; defects_config.json has {}",
            defects.pixel_values()
        )
    })?;
    Ok(Channel { class, saturation })
}

/// Divides the defect pixels into groups.
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

/// Which set of channels each pixel is in, 0 being none, and the channels of each set.
fn channel_sets(masks: &[Mask], pixels: usize) -> (Vec<u32>, Vec<Vec<u32>>) {
    if masks.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let mut sets = vec![0; pixels];
    let mut members = vec![Vec::new()];
    for (channel, mask) in (0..).zip(masks) {
        // The set that another one becomes with this channel.
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
