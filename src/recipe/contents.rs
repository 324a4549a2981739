//! Reading a recipe from the text of its file, key by key.

use std::collections::BTreeMap;
use std::path::Path;

use inspectd_core::bundle::sha256;
use inspectd_core::id::{CameraId, RecipeId};
use inspectd_core::preprocess::{Crop, Rotation};
use serde::Serialize;

use super::fields::{name, thresholds};
use super::polygons::{Names, masks, regions};
use super::{CameraRecipe, Fault, Recipe};
use crate::config::document::{self, DocumentReader, Item, Table, key_name};

/// The keys and tables at the top level.
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

/// Maximum length of a product, letters.
const LONGEST_PRODUCT: usize = 128;

/// Maximum side of a frame: more than any camera's.
const LARGEST_SIDE: u32 = 32_768;

/// Maximum exposure, microseconds.
const LONGEST_EXPOSURE: u32 = 10_000_000;

/// Returns the recipe in `text`, or all its faults.
pub(super) fn read(id: &RecipeId, file: &Path, text: &str) -> Result<Recipe, Vec<Fault>> {
    let parsed = document::parse(&file.display().to_string(), text);
    let (document, mut reader) = parsed.map_err(|fault| vec![fault])?;
    let recipe = recipe(&mut reader, Table::root(&document), id, file, text);
    let faults = reader.into_faults();
    match recipe {
        Some(recipe) if faults.is_empty() => Ok(recipe),
        // A recipe that cannot be read has a fault.
        _ => Err(faults),
    }
}

fn recipe(
    reader: &mut DocumentReader,
    root: Table<'_>,
    id: &RecipeId,
    file: &Path,
    text: &str,
) -> Option<Recipe> {
    reader.known(root, ROOT);
    let product = product(reader, root);
    let version = name(reader, root, "version");
    let path = reader.required(root, "bundle", "the path of a bundle's folder", |item| {
        let legal = |text: &&str| !text.is_empty() && !text.contains('\0');
        item.text().filter(legal)
    });
    let thresholds = thresholds(reader, root);
    let min_area = reader.fraction(root, "min_area").unwrap_or(0.0);
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
        text: text.into(),
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

/// The content that is hashed, as JSON.
#[derive(Serialize)]
struct Canonical<'a> {
    /// Incremented when the meaning of the same text changes.
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
    let json = serde_json::to_vec(&canonical).expect("texts and finite numbers serialise");
    sha256(&json)
}

fn product(reader: &mut DocumentReader, root: Table<'_>) -> Option<String> {
    let allowed = format!("a text of 1 to {LONGEST_PRODUCT} letters, on one line");
    reader.required(root, "product", allowed, |item| {
        let text = item.text()?;
        let legal = !text.trim().is_empty()
            && text.chars().count() <= LONGEST_PRODUCT
            && !text.chars().any(char::is_control);
        legal.then(|| text.to_owned())
    })
}

fn cameras(reader: &mut DocumentReader, root: Table<'_>) -> BTreeMap<CameraId, CameraRecipe> {
    let mut cameras = BTreeMap::new();
    let allowed = "tables [cameras.ID]";
    let Some(table) = reader.optional(root, "cameras", allowed, Item::table) else {
        return cameras;
    };
    for (id, offset, item) in Table::new(table, "cameras.", 0).entries() {
        let Ok(parsed) = id.parse::<CameraId>() else {
            let allowed = "an id of 1 to 64 of a-z, 0-9, '-' and '_'";
            reader.refuse(offset, "cameras", key_name(id), allowed);
            continue;
        };
        let path = format!("cameras.{id}");
        let Some(table) = item.table() else {
            reader.refuse(offset, path, item.found(), "a table with keys of its own");
            continue;
        };
        let path = format!("{path}.");
        let camera = camera(reader, Table::new(table, &path, offset));
        cameras.insert(parsed, camera);
    }
    cameras
}

fn camera(reader: &mut DocumentReader, table: Table<'_>) -> CameraRecipe {
    reader.known(table, CAMERA);
    CameraRecipe {
        thresholds: thresholds(reader, table),
        crop: crop(reader, table),
        rotate: reader.optional(table, "rotate", "0, 90, 180 or 270", |item| {
            match item.whole()? {
                0 => Some(Rotation::R0),
                90 => Some(Rotation::R90),
                180 => Some(Rotation::R180),
                270 => Some(Rotation::R270),
                _ => None,
            }
        }),
        exposure_us: reader.whole(table, "exposure_us", &(1..=LONGEST_EXPOSURE)),
        gain: reader.optional(table, "gain", "a finite number", Item::number),
    }
}

fn crop(reader: &mut DocumentReader, camera: Table<'_>) -> Option<Crop> {
    let allowed = "a table of left, top, right and bottom, pixels";
    let table = reader.optional(camera, "crop", allowed, Item::table)?;
    let offset = camera.get("crop").map_or(0, |item| item.offset);
    let path = camera.path("crop.");
    let crop = Table::new(table, &path, offset);
    reader.known(crop, CROP);
    let allowed = format!("a whole number, 0 to {LARGEST_SIDE}");
    let mut side = |key| {
        reader.required(crop, key, &allowed, |item| {
            item.whole().filter(|at| *at <= LARGEST_SIDE)
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
            let offset = crop.get(key).map_or(0, |item| item.offset);
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
