//! `[[regions]]` and `[[ignore]]`: named polygons.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeArray;

use super::contents::{name, thresholds};
use super::reader::{Given, Reader, Section};
use super::{MOST_POLYGONS, Mask, RegionRule};
use inspectd_core::id::CameraId;
use inspectd_core::polygon::{MAX_CORNERS, Polygon};

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

/// The names that are taken, and where, bytes.
pub(super) type Names = BTreeMap<String, usize>;

const CORNER: &str = "a corner [x, y], both numbers from 0 to 1";

/// Reads `[[regions]]`.
pub(super) fn regions(
    reader: &mut Reader,
    root: Section<'_>,
    names: &mut Names,
) -> Vec<RegionRule> {
    tables(reader, root, "regions", |reader, section| {
        reader.known(section, REGION);
        // All that there is to read before anything is given up, as faults are told at once.
        let thresholds = thresholds(reader, section);
        let min_area = reader.share(section, "min_area").unwrap_or(0.0);
        let Mask {
            name,
            polygon,
            cameras,
        } = mask(reader, section, names)?;
        held_to_area(reader, section, min_area, &polygon);
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
pub(super) fn masks(reader: &mut Reader, root: Section<'_>, names: &mut Names) -> Vec<Mask> {
    tables(reader, root, "ignore", |reader, section| {
        reader.known(section, MASK);
        mask(reader, section, names)
    })
}

/// Reads each table of the list `key`.
fn tables<T>(
    reader: &mut Reader,
    root: Section<'_>,
    key: &str,
    mut read: impl FnMut(&mut Reader, Section<'_>) -> Option<T>,
) -> Vec<T> {
    let allowed = format!("at most {MOST_POLYGONS} tables [[{key}]]");
    let Some(given) = root.get(key) else {
        return Vec::new();
    };
    let Some(list) = given.list().filter(|list| list.len() <= MOST_POLYGONS) else {
        let count = given.list().map(|list| format!("{} of them", list.len()));
        let found = count.unwrap_or_else(|| given.found());
        reader.refuse(given.offset, key.to_owned(), found, allowed);
        return Vec::new();
    };
    let mut all = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let given = Given::new(value);
        let path = format!("{key}[{index}]");
        match given.table() {
            None => reader.refuse(
                given.offset,
                path,
                given.found(),
                format!("a table [[{key}]]"),
            ),
            Some(table) => {
                let path = format!("{path}.");
                all.extend(read(reader, Section::new(table, &path, given.offset)));
            }
        }
    }
    all
}

/// What regions and masks share. Nothing is left unread because something before it is wrong.
fn mask(reader: &mut Reader, section: Section<'_>, names: &mut Names) -> Option<Mask> {
    let name = unique_name(reader, section, names);
    let polygon = polygon(reader, section);
    let cameras = cameras(reader, section);
    Some(Mask {
        name: name?,
        polygon: polygon?,
        cameras,
    })
}

fn unique_name(reader: &mut Reader, section: Section<'_>, names: &mut Names) -> Option<String> {
    let text = name(reader, section, "name")?;
    let offset = section.get("name").map_or(0, |given| given.offset);
    if let Some(first) = names.get(&text) {
        let allowed = format!("another name than that of line {}", reader.line(*first));
        reader.refuse(offset, section.path("name"), format!("{text:?}"), allowed);
        return None;
    }
    names.insert(text.clone(), offset);
    Some(text)
}

fn polygon(reader: &mut Reader, section: Section<'_>) -> Option<Polygon> {
    let allowed = format!("a list of 3 to {MAX_CORNERS} corners [x, y]");
    let list = reader.required(section, "polygon", &allowed, Given::list)?;
    let offset = section.get("polygon").map_or(0, |given| given.offset);
    let path = section.path("polygon");
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

fn corners(reader: &mut Reader, path: &str, list: &DeArray<'_>) -> Option<Vec<[f64; 2]>> {
    let mut corners = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let given = Given::new(value);
        match corner(given) {
            Ok(corner) => corners.push(corner),
            Err(found) => reader.refuse(given.offset, format!("{path}[{index}]"), found, CORNER),
        }
    }
    (corners.len() == list.len()).then_some(corners)
}

/// A corner, or what is there instead.
fn corner(given: Given<'_>) -> Result<[f64; 2], String> {
    let list = given.list().ok_or_else(|| given.found())?;
    if list.len() != 2 {
        return Err(format!("a list of {}", list.len()));
    }
    let [x, y] = [0, 1].map(|index| Given::new(&list[index]));
    let legal = |given: Given<'_>| given.number().filter(|at| (0.0..=1.0).contains(at));
    match (legal(x), legal(y)) {
        (Some(x), Some(y)) => Ok([x, y]),
        _ => Err(format!("[{}, {}]", x.found(), y.found())),
    }
}

fn cameras(reader: &mut Reader, section: Section<'_>) -> Option<BTreeSet<CameraId>> {
    let allowed = "a list of camera ids, at least one";
    let list = reader.optional(section, "cameras", allowed, |given| {
        given.list().filter(|list| !list.is_empty())
    })?;
    let mut ids = BTreeSet::new();
    for (index, value) in list.iter().enumerate() {
        let given = Given::new(value);
        if let Some(id) = given.text().and_then(|text| text.parse().ok()) {
            ids.insert(id);
        } else {
            let path = format!("{}[{index}]", section.path("cameras"));
            let allowed = "an id of 1 to 64 of a-z, 0-9, '-' and '_'";
            reader.refuse(given.offset, path, given.found(), allowed);
        }
    }
    Some(ids)
}

/// Refuses a least area above the region's own, which would switch it off in silence.
fn held_to_area(reader: &mut Reader, section: Section<'_>, min_area: f32, polygon: &Polygon) {
    let area = polygon.area();
    if f64::from(min_area) > area {
        let offset = section.get("min_area").map_or(0, |given| given.offset);
        let allowed = format!("at most the area of the region itself, {area:.6}");
        let key = section.path("min_area");
        reader.refuse(offset, key, min_area.to_string(), allowed);
    }
}
