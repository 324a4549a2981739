//! The first reading: the defect pixels' values, and which regions and channels each belongs to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use super::super::defects::DefectsConfig;
use super::super::source::{MapSource, Sample};
use super::super::{components, key};
use super::class;
use crate::dataset::Kind;
use crate::dataset::masks::Mask;

/// What there is to be found, and what the second reading needs to know.
pub(super) struct Truth {
    /// Of each image.
    pub(super) images: Vec<Image>,
    /// Defect pixels, ascending: the key of the value in the upper half, the pixel's cell in the lower.
    pub(super) events: Vec<u64>,
    /// What the pixels of each cell belong to.
    pub(super) cells: Vec<Cell>,
    /// Pixels of each connected component.
    pub(super) regions: Vec<u64>,
    /// Each channel; none where no saturation is given.
    pub(super) channels: Vec<Channel>,
    /// How many classes good pixels are counted in.
    pub(super) classes: usize,
}

/// What is known of an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image {
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
pub(super) struct Cell {
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

impl Truth {
    /// The distinct values of defect pixels as keys, ascending.
    pub(super) fn thresholds(&self) -> Vec<u32> {
        let mut keys: Vec<u32> = self
            .events
            .iter()
            .map(|event| (event >> 32) as u32)
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

/// One image's share, its cells, regions and channels numbered from 0.
struct Share {
    image: Image,
    events: Vec<u64>,
    cells: Vec<Cell>,
    regions: Vec<u64>,
    channels: Vec<Channel>,
}

/// Reads every image; `progress` is told how many are done.
pub(super) fn collect(
    source: &dyn MapSource,
    defects: Option<&DefectsConfig>,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Truth> {
    let done = AtomicU64::new(0);
    let shares: Vec<Share> = (0..source.len())
        .into_par_iter()
        .map(|index| {
            let share = read(source, index, defects)?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            Ok(share)
        })
        .collect::<Result<_>>()?;
    let mut truth = join(shares);
    truth.classes = if defects.is_some() { 3 } else { 1 };
    truth.events.par_sort_unstable();
    Ok(truth)
}

fn join(shares: Vec<Share>) -> Truth {
    let mut truth = Truth {
        images: Vec::with_capacity(shares.len()),
        events: Vec::with_capacity(shares.iter().map(|share| share.events.len()).sum()),
        cells: Vec::new(),
        regions: Vec::new(),
        channels: Vec::new(),
        classes: 1,
    };
    for share in shares {
        let first_cell = truth.cells.len() as u64;
        let (first_region, first_channel) =
            (truth.regions.len() as u32, truth.channels.len() as u32);
        truth.images.push(share.image);
        // The cell is in the lower half, and there are fewer than 2^32 in all.
        truth
            .events
            .extend(share.events.iter().map(|event| event + first_cell));
        truth.cells.extend(share.cells.into_iter().map(|cell| Cell {
            region: cell.region + first_region,
            channels: cell.channels.iter().map(|c| c + first_channel).collect(),
        }));
        truth.regions.extend(share.regions);
        truth.channels.extend(share.channels);
    }
    truth
}

fn read(source: &dyn MapSource, index: usize, defects: Option<&DefectsConfig>) -> Result<Share> {
    let name = source.name(index);
    let kind = source.kind(index);
    let sample = source.read(index)?;
    sample.check(&name, kind)?;
    let maximum = sample.map.values.iter().copied().fold(f32::MIN, f32::max);
    let mut share = Share {
        image: Image {
            maximum,
            class: None,
            good_pixels: 0,
            empty_masks: false,
        },
        events: Vec::new(),
        cells: Vec::new(),
        regions: Vec::new(),
        channels: Vec::new(),
    };
    if *kind != Kind::Good && sample.masks.is_empty() {
        return Ok(share);
    }
    let class = class(kind, defects.is_some()).with_context(|| {
        format!("{name}: neither a logical nor a structural anomaly; saturated PRO needs to know")
    })?;
    if let Some(defects) = defects {
        for (number, mask) in sample.masks.iter().enumerate() {
            let channel =
                channel(mask, class, defects).with_context(|| source.mask_name(index, number))?;
            share.channels.push(channel);
        }
    }
    share.image.class = Some(class);
    divide(&sample, defects.is_some(), &mut share);
    share.image.good_pixels = (sample.map.values.len() - share.events.len()) as u64;
    share.image.empty_masks = *kind != Kind::Good && share.events.is_empty();
    Ok(share)
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

/// Divides the defect pixels into cells.
fn divide(sample: &Sample, by_channel: bool, share: &mut Share) {
    let (sets, members) = combinations(&sample.masks, sample.map.values.len());
    if members.len() < 2 {
        return;
    }
    let (width, height) = (sample.map.width as usize, sample.map.height as usize);
    let (labels, regions) = components::label(|at| sets[at] != 0, width, height);
    share.regions = vec![0; regions as usize];
    let mut known: HashMap<(u32, u32), u64> = HashMap::new();
    for ((&set, &label), &value) in sets.iter().zip(&labels).zip(&sample.map.values) {
        if set == 0 {
            continue;
        }
        let region = label - 1;
        share.regions[region as usize] += 1;
        let cell = *known.entry((set, region)).or_insert_with(|| {
            let channels = &members[set as usize];
            share.cells.push(Cell {
                region,
                channels: if by_channel {
                    channels.clone()
                } else {
                    Vec::new()
                },
            });
            share.cells.len() as u64 - 1
        });
        share.events.push(u64::from(key::of(value)) << 32 | cell);
    }
}

/// Which set of channels each pixel is in, 0 being none, and the channels of each set.
fn combinations(masks: &[Mask], pixels: usize) -> (Vec<u32>, Vec<Vec<u32>>) {
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
