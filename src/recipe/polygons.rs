//! `[[regions]]` and `[[ignore]]`: named polygons.

use std::collections::{BTreeMap, BTreeSet};

use inspectd_core::id::CameraId;
use inspectd_core::polygon::{MAX_CORNERS, Polygon};
use toml::de::DeArray;

use super::fields::{name, thresholds};
use super::{MOST_POLYGONS, Mask, RegionRule};
use crate::config::document::{DocumentReader, Item, Table};

/// The keys of `[[regions]]`.
pub(super) const REGION: &[&str] = &[
    "name",
    "polygon",
    "threshold",
    "review_from",
    "min_area",
    "cameras",
];

/// The keys of `[[ignore]]`.
pub(super) const MASK: &[&str] = &["name", "polygon", "cameras"];

/// Names in use, and the offset of each, bytes.
pub(super) type Names = BTreeMap<String, usize>;

const CORNER: &str = "a corner [x, y], both numbers from 0 to 1";

/// Reads `[[regions]]`.
pub(super) fn regions(
    reader: &mut DocumentReader,
    root: Table<'_>,
    names: &mut Names,
) -> Vec<RegionRule> {
    tables(reader, root, "regions", |reader, table| {
        reader.known(table, REGION);
        // Everything is read before a fault ends the region, so that all faults are reported.
        let thresholds = thresholds(reader, table);
        let min_area = reader.fraction(table, "min_area").unwrap_or(0.0);
        let Mask {
            name,
            polygon,
            cameras,
        } = mask(reader, table, names)?;
        check_min_area(reader, table, min_area, &polygon);
        Some(RegionRule {
            name,
            polygon,
            thresholds,
            min_area,
            cameras,
        })
    })
}

/// Reads `[[ignore]]`.
pub(super) fn masks(reader: &mut DocumentReader, root: Table<'_>, names: &mut Names) -> Vec<Mask> {
    tables(reader, root, "ignore", |reader, table| {
        reader.known(table, MASK);
        mask(reader, table, names)
    })
}

/// Reads each table of the list `key`.
fn tables<T>(
    reader: &mut DocumentReader,
    root: Table<'_>,
    key: &str,
    mut read: impl FnMut(&mut DocumentReader, Table<'_>) -> Option<T>,
) -> Vec<T> {
    let allowed = format!("at most {MOST_POLYGONS} tables [[{key}]]");
    let Some(item) = root.get(key) else {
        return Vec::new();
    };
    let Some(list) = item.list().filter(|list| list.len() <= MOST_POLYGONS) else {
        let count = item.list().map(|list| format!("{} of them", list.len()));
        let found = count.unwrap_or_else(|| item.found());
        reader.refuse(item.offset, key.to_owned(), found, allowed);
        return Vec::new();
    };
    let mut all = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let item = Item::new(value);
        let path = format!("{key}[{index}]");
        match item.table() {
            None => reader.refuse(
                item.offset,
                path,
                item.found(),
                format!("a table [[{key}]]"),
            ),
            Some(table) => {
                let path = format!("{path}.");
                all.extend(read(reader, Table::new(table, &path, item.offset)));
            }
        }
    }
    all
}

/// Reads the keys that regions and masks share, all of them even after a fault.
fn mask(reader: &mut DocumentReader, table: Table<'_>, names: &mut Names) -> Option<Mask> {
    let name = unique_name(reader, table, names);
    let polygon = polygon(reader, table);
    let cameras = cameras(reader, table);
    Some(Mask {
        name: name?,
        polygon: polygon?,
        cameras,
    })
}

fn unique_name(reader: &mut DocumentReader, table: Table<'_>, names: &mut Names) -> Option<String> {
    let text = name(reader, table, "name")?;
    let offset = table.get("name").map_or(0, |item| item.offset);
    if let Some(first) = names.get(&text) {
        let allowed = format!("another name than that of line {}", reader.line(*first));
        reader.refuse(offset, table.path("name"), format!("{text:?}"), allowed);
        return None;
    }
    names.insert(text.clone(), offset);
    Some(text)
}

fn polygon(reader: &mut DocumentReader, table: Table<'_>) -> Option<Polygon> {
    let allowed = format!("a list of 3 to {MAX_CORNERS} corners [x, y]");
    let list = reader.required(table, "polygon", &allowed, Item::list)?;
    let offset = table.get("polygon").map_or(0, |item| item.offset);
    let path = table.path("polygon");
    if list.len() > MAX_CORNERS {
        let found = format!("{} corners", list.len());
        reader.refuse(offset, path, found, allowed);
        return None;
    }
    let corners = corners(reader, &path, list)?;
    match Polygon::try_new(corners) {
        Ok(polygon) => Some(polygon),
        Err(error) => {
            reader.refuse(offset, path, error.0.found(), error.0.allowed());
            None
        }
    }
}

fn corners(reader: &mut DocumentReader, path: &str, list: &DeArray<'_>) -> Option<Vec<[f64; 2]>> {
    let mut corners = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let item = Item::new(value);
        match corner(item) {
            Ok(corner) => corners.push(corner),
            Err(found) => reader.refuse(item.offset, format!("{path}[{index}]"), found, CORNER),
        }
    }
    (corners.len() == list.len()).then_some(corners)
}

/// Returns the corner, or the description of a value that is not one.
fn corner(item: Item<'_>) -> Result<[f64; 2], String> {
    let list = item.list().ok_or_else(|| item.found())?;
    if list.len() != 2 {
        return Err(format!("a list of {}", list.len()));
    }
    let [x, y] = [0, 1].map(|index| Item::new(&list[index]));
    let legal = |item: Item<'_>| item.number().filter(|at| (0.0..=1.0).contains(at));
    match (legal(x), legal(y)) {
        (Some(x), Some(y)) => Ok([x, y]),
        _ => Err(format!("[{}, {}]", x.found(), y.found())),
    }
}

fn cameras(reader: &mut DocumentReader, table: Table<'_>) -> Option<BTreeSet<CameraId>> {
    let allowed = "a list of camera ids, at least one";
    let list = reader.optional(table, "cameras", allowed, |item| {
        item.list().filter(|list| !list.is_empty())
    })?;
    let mut ids = BTreeSet::new();
    for (index, value) in list.iter().enumerate() {
        let item = Item::new(value);
        if let Some(id) = item.text().and_then(|text| text.parse().ok()) {
            ids.insert(id);
        } else {
            let path = format!("{}[{index}]", table.path("cameras"));
            let allowed = "an id of 1 to 64 of a-z, 0-9, '-' and '_'";
            reader.refuse(item.offset, path, item.found(), allowed);
        }
    }
    Some(ids)
}

/// Refuses a minimum area above the area of the region, which would disable the region silently.
fn check_min_area(reader: &mut DocumentReader, table: Table<'_>, min_area: f32, polygon: &Polygon) {
    let area = polygon.area();
    if f64::from(min_area) > area {
        let offset = table.get("min_area").map_or(0, |item| item.offset);
        let allowed = format!("at most the area of the region itself, {area:.6}");
        let key = table.path("min_area");
        reader.refuse(offset, key, min_area.to_string(), allowed);
    }
}
