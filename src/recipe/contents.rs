//! From a file's text to a recipe, key by key.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use toml::de::DeTable;

use super::polygons::{Names, masks, regions};
use super::reader::{Given, Reader, Section, shown};
use super::{CameraRecipe, Fault, Recipe};
use crate::config::settings::Overrides;
use inspectd_core::bundle::sha256;
use inspectd_core::id::CameraId;
use inspectd_core::id::RecipeId;
use inspectd_core::preprocess::{Crop, Rotation};

/// The keys outside of tables, and the tables.
pub(super) const ROOT: &[&str] = &[
    "product",
    "version",
    "bundle",
    "threshold",
    "review_from",
    "min_area",
    "regions",
    "ignore",
    "cameras",
];

/// The keys of `[cameras.ID]`.
pub(super) const CAMERA: &[&str] = &[
    "threshold",
    "review_from",
    "crop",
    "rotate",
    "exposure_us",
    "gain",
];

/// The keys of `crop`.
pub(super) const CROP: &[&str] = &["left", "top", "right", "bottom"];

/// The longest product, letters.
const LONGEST_PRODUCT: usize = 128;

/// No camera of today has more pixels a side.
const LARGEST_SIDE: u32 = 32_768;

/// The longest exposure, microseconds.
const LONGEST_EXPOSURE: u32 = 10_000_000;

/// The recipe in `text`, or everything that is wrong with it.
pub(super) fn read(id: &RecipeId, file: &Path, text: &str) -> Result<Recipe, Vec<Fault>> {
    let mut reader = Reader::new(file.display().to_string(), text);
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let offset = error.span().map_or(0, |span| span.start);
            return Err(vec![Fault::Syntax {
                place: reader.place(offset),
                reason: error.message().replace('\n', ", "),
            }]);
        }
    };
    let recipe = recipe(&mut reader, Section::new(table.get_ref(), "", 0), id, file);
    let faults = reader.faults();
    match recipe {
        Some(recipe) if faults.is_empty() => Ok(recipe),
        // Nothing is left out without a fault.
        _ => Err(faults),
    }
}

fn recipe(reader: &mut Reader, root: Section<'_>, id: &RecipeId, file: &Path) -> Option<Recipe> {
    reader.known(root, ROOT);
    let product = product(reader, root);
    let version = name(reader, root, "version");
    let path = reader.required(root, "bundle", "the path of a bundle's folder", |given| {
        let legal = |text: &&str| !text.is_empty() && !text.contains('\0');
        given.text().filter(legal)
    });
    let thresholds = thresholds(reader, root);
    let min_area = reader.share(root, "min_area").unwrap_or(0.0);
    let mut names = Names::new();
    let regions = regions(reader, root, &mut names);
    let ignore = masks(reader, root, &mut names);
    let cameras = cameras(reader, root);
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut recipe = Recipe {
        id: id.clone(),
        product: product?,
        version: version?,
        hash: String::new(),
        bundle: file.parent().unwrap_or(&file).join(path?),
        thresholds,
        min_area,
        regions,
        ignore,
        cameras,
    };
    recipe.hash = hash(&recipe, path?);
    Some(recipe)
}

/// What a recipe's hash is taken over, as JSON.
#[derive(Serialize)]
struct Canonical<'a> {
    /// Goes up when the same text comes to mean something else.
    format: u32,
    bundle: &'a str,
    #[serde(flatten)]
    recipe: &'a Recipe,
}

fn hash(recipe: &Recipe, bundle: &str) -> String {
    let canonical = Canonical {
        format: 1,
        bundle,
        recipe,
    };
    let json = serde_json::to_vec(&canonical).expect("texts and finite numbers");
    sha256(&json)
}

fn product(reader: &mut Reader, root: Section<'_>) -> Option<String> {
    let allowed = format!("a text of 1 to {LONGEST_PRODUCT} letters, on one line");
    reader.required(root, "product", allowed, |given| {
        let text = given.text()?;
        let legal = !text.trim().is_empty()
            && text.chars().count() <= LONGEST_PRODUCT
            && !text.chars().any(char::is_control);
        legal.then(|| text.to_owned())
    })
}

/// A name or version.
pub(super) fn name(reader: &mut Reader, section: Section<'_>, key: &str) -> Option<String> {
    let allowed = "1 to 64 letters, digits, '.', '_' or '-'";
    reader.required(section, key, allowed, |given| {
        let text = given.text()?;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let holds = (1..=64).contains(&text.len()) && text.bytes().all(legal);
        holds.then(|| text.to_owned())
    })
}

/// `threshold` and `review_from`.
pub(super) fn thresholds(reader: &mut Reader, section: Section<'_>) -> Overrides {
    let set = Overrides {
        threshold: reader.finite(section, "threshold"),
        review_from: reader.finite(section, "review_from"),
    };
    if let (Some(threshold), Some(from)) = (set.threshold, set.review_from)
        && from > threshold
    {
        let offset = section.get("review_from").map_or(0, |given| given.offset);
        let key = section.path("review_from");
        let allowed = format!("at most {}, {threshold}", section.path("threshold"));
        reader.refuse(offset, key, from.to_string(), allowed);
    }
    set
}

fn cameras(reader: &mut Reader, root: Section<'_>) -> BTreeMap<CameraId, CameraRecipe> {
    let mut cameras = BTreeMap::new();
    let allowed = "tables [cameras.ID]";
    let Some(table) = reader.optional(root, "cameras", allowed, Given::table) else {
        return cameras;
    };
    for (id, offset, given) in Section::new(table, "cameras.", 0).entries() {
        let Ok(parsed) = id.parse::<CameraId>() else {
            let allowed = "an id of 1 to 64 of a-z, 0-9, '-' and '_'";
            reader.refuse(offset, "cameras".to_owned(), shown(id), allowed);
            continue;
        };
        let path = format!("cameras.{id}");
        let Some(table) = given.table() else {
            reader.refuse(offset, path, given.found(), "a table with keys of its own");
            continue;
        };
        let path = format!("{path}.");
        let camera = camera(reader, Section::new(table, &path, offset));
        cameras.insert(parsed, camera);
    }
    cameras
}

fn camera(reader: &mut Reader, section: Section<'_>) -> CameraRecipe {
    reader.known(section, CAMERA);
    CameraRecipe {
        thresholds: thresholds(reader, section),
        crop: crop(reader, section),
        rotate: reader.optional(section, "rotate", "0, 90, 180 or 270", |given| match given
            .whole()?
        {
            0 => Some(Rotation::R0),
            90 => Some(Rotation::R90),
            180 => Some(Rotation::R180),
            270 => Some(Rotation::R270),
            _ => None,
        }),
        exposure_us: reader.whole(section, "exposure_us", &(1..=LONGEST_EXPOSURE)),
        gain: reader.optional(section, "gain", "a finite number", Given::number),
    }
}

fn crop(reader: &mut Reader, section: Section<'_>) -> Option<Crop> {
    let allowed = "a table of left, top, right and bottom, pixels";
    let table = reader.optional(section, "crop", allowed, Given::table)?;
    let offset = section.get("crop").map_or(0, |given| given.offset);
    let path = section.path("crop.");
    let crop = Section::new(table, &path, offset);
    reader.known(crop, CROP);
    let allowed = format!("a whole number, 0 to {LARGEST_SIDE}");
    let mut side = |key| {
        reader.required(crop, key, &allowed, |given| {
            given.whole().filter(|at| *at <= LARGEST_SIDE)
        })
    };
    let [left, top, right, bottom] = [side("left"), side("top"), side("right"), side("bottom")];
    let crop_ends = [
        ("right", "left", left, right),
        ("bottom", "top", top, bottom),
    ];
    for (key, other, from, to) in crop_ends {
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            let offset = crop.get(key).map_or(0, |given| given.offset);
            let allowed = format!("above {}, {from}", crop.path(other));
            reader.refuse(offset, crop.path(key), to.to_string(), allowed);
        }
    }
    Some(Crop {
        left: left?,
        top: top?,
        right: right?,
        bottom: bottom?,
    })
}
