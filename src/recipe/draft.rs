//! A recipe that is being edited: what its text sets, without checks, and the text with another content.

use inspectd_core::id::RecipeId;
use serde::Deserialize;
use toml_edit::{Array, ArrayOfTables, InlineTable, Item, Table, TableLike, Value};

use crate::config::toml_text::{TomlText, is_same, set};

/// Longest list of corners on one line, letters.
const LINE_WIDTH: usize = 80;

/// Corners on each line of a longer list.
const CORNERS_ON_A_LINE: usize = 4;

/// Corners are rounded to this many steps of a side: a tenth of a pixel of a large frame.
const CORNER_STEPS: f64 = 1e5;

/// What a text sets. It need not be a valid recipe: the numbers and names are as written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Draft {
    /// `product`.
    pub product: String,
    /// `version`.
    pub version: String,
    /// `bundle`, as written.
    pub bundle: String,
    /// `threshold`.
    pub threshold: Option<f64>,
    /// `review_from`.
    pub review_from: Option<f64>,
    /// `min_area`, a fraction of the frame.
    pub min_area: Option<f64>,
    /// `[[regions]]`, in order.
    pub regions: Vec<DraftArea>,
    /// `[[ignore]]`, in order; these have no thresholds and minimum areas.
    #[serde(rename = "ignore")]
    pub masks: Vec<DraftArea>,
    /// `[cameras.ID]`, by id.
    pub cameras: std::collections::BTreeMap<String, DraftCamera>,
}

/// A region or mask.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DraftArea {
    /// `name`.
    pub name: String,
    /// `polygon`: corners in fractions of the inspected frame.
    pub polygon: Vec<[f64; 2]>,
    /// `cameras`; empty for all.
    pub cameras: Vec<String>,
    /// `threshold`.
    pub threshold: Option<f64>,
    /// `review_from`.
    pub review_from: Option<f64>,
    /// `min_area`, a fraction of the frame.
    pub min_area: Option<f64>,
}

/// Settings of a camera.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DraftCamera {
    /// `threshold`.
    pub threshold: Option<f64>,
    /// `review_from`.
    pub review_from: Option<f64>,
    /// `crop`, pixels.
    pub crop: Option<DraftCrop>,
    /// `rotate`, degrees.
    pub rotate: Option<u32>,
    /// `exposure_us`, microseconds.
    pub exposure_us: Option<u32>,
    /// `gain`.
    pub gain: Option<f64>,
}

/// `crop`, pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DraftCrop {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// First column outside.
    pub right: u32,
    /// First row outside.
    pub bottom: u32,
}

/// The threshold of a recipe that is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThresholdKey {
    /// `threshold`.
    General,
    /// `cameras.ID.threshold`.
    Camera(String),
    /// The threshold of the region with this name.
    Region(String),
}

impl Draft {
    /// Reads a text; none if it is not TOML, or a value has another type than its key.
    pub fn read(text: &str) -> Option<Self> {
        toml::from_str(text).ok()
    }

    /// Returns `text` with this content. Keys with the same value keep their notation, regions and masks with the same
    /// name their comments.
    ///
    /// # Errors
    /// The reason, if the text is not TOML or has other values in the place of tables.
    pub fn write_to(&self, text: &str) -> Result<String, String> {
        let mut toml = TomlText::parse(text)?;
        let root = toml.root();
        set(root, "product", Some(self.product.as_str().into()));
        set(root, "version", Some(self.version.as_str().into()));
        set(root, "bundle", Some(self.bundle.as_str().into()));
        set(root, "threshold", self.threshold.map(Value::from));
        set(root, "review_from", self.review_from.map(Value::from));
        set_area(root, self.min_area);
        write_areas(root, "regions", &self.regions);
        write_areas(root, "ignore", &self.masks);
        self.write_cameras(&mut toml)?;
        Ok(toml.to_string())
    }

    fn write_cameras(&self, toml: &mut TomlText) -> Result<(), String> {
        if let Some(cameras) = toml.root().get_mut("cameras") {
            let cameras = cameras.as_table_like_mut().ok_or("cameras")?;
            let known: Vec<String> = cameras.iter().map(|(id, _)| id.to_owned()).collect();
            for id in known.iter().filter(|id| !self.cameras.contains_key(*id)) {
                cameras.remove(id);
            }
        }
        for (id, camera) in &self.cameras {
            let path = ["cameras", id];
            let keys = [
                ("threshold", camera.threshold.map(Value::from)),
                ("review_from", camera.review_from.map(Value::from)),
                ("crop", camera.crop.map(crop)),
                ("rotate", camera.rotate.map(|one| i64::from(one).into())),
                (
                    "exposure_us",
                    camera.exposure_us.map(|one| i64::from(one).into()),
                ),
                ("gain", camera.gain.map(Value::from)),
            ];
            for (key, value) in keys {
                toml.set(&path, key, value)?;
            }
        }
        Ok(())
    }
}

/// Returns `text` with another threshold; without one the key is removed.
///
/// # Errors
/// The reason, if the text is not TOML, or has no such region.
pub fn with_threshold(
    text: &str,
    key: &ThresholdKey,
    threshold: Option<f64>,
) -> Result<String, String> {
    let mut toml = TomlText::parse(text)?;
    let value = threshold.map(Value::from);
    match key {
        ThresholdKey::General => toml.set(&[], "threshold", value)?,
        ThresholdKey::Camera(id) => toml.set(&["cameras", id], "threshold", value)?,
        ThresholdKey::Region(name) => {
            let mut regions = take_tables(toml.root(), "regions");
            let mut named = regions.iter_mut().filter(|table| name_of(table) == *name);
            let region = named
                .next()
                .ok_or_else(|| format!("it has no region {name}"))?;
            set(region, "threshold", value);
            put_tables(toml.root(), "regions", regions);
        }
    }
    Ok(toml.to_string())
}

/// Returns `text` with another exposure and gain of a camera; a key without a value is removed.
///
/// # Errors
/// The reason, if the text is not TOML, or has another value in the place of the camera's table.
pub fn with_controls(
    text: &str,
    camera: &str,
    exposure_us: Option<u32>,
    gain: Option<f64>,
) -> Result<String, String> {
    let mut toml = TomlText::parse(text)?;
    let path = ["cameras", camera];
    let exposure = exposure_us.map(|exposure| i64::from(exposure).into());
    toml.set(&path, "exposure_us", exposure)?;
    toml.set(&path, "gain", gain.map(Value::from))?;
    Ok(toml.to_string())
}

/// The text of a new recipe.
pub fn new_text(id: &RecipeId) -> String {
    format!(
        "# Recipe {id}: see docs/recipes.md.\n\nproduct = \"{id}\"\nversion = \"1\"\nbundle = \"\"\n"
    )
}

/// Sets a minimum area. 0 is the default, and stays as it is written.
fn set_area(table: &mut dyn TableLike, area: Option<f64>) {
    let before = table.get("min_area").and_then(Item::as_value);
    let is_zero = |value: &Value| value.as_float() == Some(0.0) || value.as_integer() == Some(0);
    let area = area.filter(|area| *area != 0.0);
    if area.is_some() || !before.is_some_and(is_zero) {
        set(table, "min_area", area.map(Value::from));
    }
}

fn crop(crop: DraftCrop) -> Value {
    let sides = [
        ("left", crop.left),
        ("top", crop.top),
        ("right", crop.right),
        ("bottom", crop.bottom),
    ];
    let sides = sides.map(|(key, side)| (key, Value::from(i64::from(side))));
    Value::InlineTable(sides.into_iter().collect::<InlineTable>())
}

fn rounded(side: f64) -> f64 {
    (side * CORNER_STEPS).round() / CORNER_STEPS
}

fn pair(corner: [f64; 2]) -> Value {
    Value::Array(corner.into_iter().collect())
}

/// A list of corners, with several on each line if they do not fit on one.
fn corner_list(corners: impl Iterator<Item = Value>) -> Array {
    let mut list: Array = corners.collect();
    if list.to_string().len() > LINE_WIDTH {
        for (index, corner) in list.iter_mut().enumerate() {
            let first = index % CORNERS_ON_A_LINE == 0;
            corner
                .decor_mut()
                .set_prefix(if first { "\n    " } else { " " });
        }
        list.set_trailing("\n");
        list.set_trailing_comma(true);
    }
    list
}

fn name_of(table: &Table) -> &str {
    let name = table.get("name").and_then(Item::as_str);
    name.unwrap_or_default()
}

/// Removes the tables `[[key]]`, which may be written as a list.
fn take_tables(root: &mut Table, key: &str) -> Vec<Table> {
    let Some(item) = root.get_mut(key) else {
        return Vec::new();
    };
    let tables = std::mem::take(item).into_array_of_tables();
    tables.unwrap_or_default().into_iter().collect()
}

fn put_tables(root: &mut Table, key: &str, tables: Vec<Table>) {
    if tables.is_empty() {
        root.remove(key);
        return;
    }
    let tables: ArrayOfTables = tables.into_iter().collect();
    match root.get_mut(key) {
        Some(item) => *item = Item::ArrayOfTables(tables),
        None => drop(root.insert(key, Item::ArrayOfTables(tables))),
    }
}

/// Writes regions or masks: each into the table with its name, or else into the table in its place if that has a name
/// that is unused, so that a renamed region keeps its comments.
fn write_areas(root: &mut Table, key: &str, areas: &[DraftArea]) {
    let old = take_tables(root, key).into_iter();
    let mut old: Vec<Option<Table>> = old.map(Some).collect();
    let used = |table: &Table| areas.iter().any(|area| area.name == name_of(table));
    let mut tables = Vec::new();
    for (index, area) in areas.iter().enumerate() {
        let named = |slot: &&mut Option<Table>| {
            slot.as_ref()
                .is_some_and(|table| name_of(table) == area.name)
        };
        let table = match old.iter_mut().find(named) {
            Some(slot) => slot.take(),
            None => old
                .get_mut(index)
                .and_then(|slot| slot.take_if(|table| !used(table))),
        };
        let mut table = table.unwrap_or_default();
        table.set_position(None);
        write_area(&mut table, area);
        tables.push(table);
    }
    put_tables(root, key, tables);
}

fn write_area(table: &mut Table, draft: &DraftArea) {
    set(table, "name", Some(draft.name.as_str().into()));
    let corners = draft.polygon.iter().copied();
    let exact: Array = corners.clone().map(pair).collect();
    let present = table.get("polygon").and_then(Item::as_value);
    // Unchanged corners keep their digits and layout.
    if !present.is_some_and(|present| is_same(present, &Value::Array(exact))) {
        let rounded = corner_list(corners.map(|corner| pair(corner.map(rounded))));
        set(table, "polygon", Some(Value::Array(rounded)));
    }
    let cameras: Array = draft.cameras.iter().map(String::as_str).collect();
    set(
        table,
        "cameras",
        (!cameras.is_empty()).then_some(Value::Array(cameras)),
    );
    set(table, "threshold", draft.threshold.map(Value::from));
    set(table, "review_from", draft.review_from.map(Value::from));
    set_area(table, draft.min_area);
}

#[cfg(test)]
mod tests;
