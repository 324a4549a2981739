//! Maps of any method in the folder layout of the official evaluations: `MAPS/CATEGORY/test/TYPE/NAME.tiff`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::defects_config::DefectsConfig;
use super::map_file::read_map;
use super::source::{MapSource, Sample};
use crate::dataset::masks::load_masks;
use crate::dataset::{self, Kind, MvtecLayout, TestItem};

/// The test images of one category with their map files.
#[derive(Clone, Debug)]
pub struct MapFolder {
    entries: Vec<MapEntry>,
    defects: Option<DefectsConfig>,
    unused: Vec<PathBuf>,
}

#[derive(Clone, Debug)]
struct MapEntry {
    item: TestItem,
    map: PathBuf,
    /// Whether the image file exists.
    has_image: bool,
}

/// Map files by the name of their type folder and their file name without extension.
type Maps = BTreeMap<(String, String), PathBuf>;

impl MapFolder {
    /// Finds the test images and ground truth in `dataset/category`, and their maps in `maps/category`. In the
    /// layout of MVTec LOCO AD the images may be missing; then every map in `good` is a good image.
    ///
    /// # Errors
    /// Returns an error that names the path if a folder, a map or ground truth is missing.
    pub fn open(layout: MvtecLayout, dataset: &Path, category: &str, maps: &Path) -> Result<Self> {
        let root = dataset.join(category);
        let folder = maps.join(category).join("test");
        for needed in [&root, &folder] {
            ensure!(needed.is_dir(), "{}: folder not found", needed.display());
        }
        let mut maps = list(&folder)?;
        let has_images = layout == MvtecLayout::Ad || root.join("test").is_dir();
        let items = if has_images {
            dataset::test_items(&root, layout)?
        } else {
            without_images(&root, &maps)?
        };
        let entries = items
            .into_iter()
            .map(|item| entry(item, has_images, &folder, &mut maps))
            .collect::<Result<Vec<_>>>()?;
        if !has_images && let Some(stray) = maps.values().next() {
            bail!("{}: map without ground truth", stray.display());
        }
        Ok(Self {
            entries,
            defects: match layout {
                MvtecLayout::Loco => Some(DefectsConfig::load(&root.join("defects_config.json"))?),
                MvtecLayout::Ad => None,
            },
            unused: maps.into_values().collect(),
        })
    }

    /// Contents of the category's `defects_config.json`, if its layout has one.
    pub fn defects(&self) -> Option<&DefectsConfig> {
        self.defects.as_ref()
    }

    /// Maps that do not belong to any test image.
    pub fn unused(&self) -> &[PathBuf] {
        &self.unused
    }
}

/// Lists all maps in the subfolders of `folder`.
fn list(folder: &Path) -> Result<Maps> {
    let entries = |folder: &Path| -> Result<Vec<PathBuf>> {
        let read = fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let read = read.with_context(|| format!("{}: cannot be listed", folder.display()))?;
        Ok(read.iter().map(fs::DirEntry::path).collect())
    };
    let mut maps = Maps::new();
    for folder in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        for path in entries(&folder)?.into_iter().filter(|path| is_map(path)) {
            let before = maps.insert(key(&path), path.clone());
            if let Some(before) = before {
                bail!(
                    "{} and {}: two maps of the same image",
                    before.display(),
                    path.display()
                );
            }
        }
    }
    Ok(maps)
}

fn is_map(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    extension == "tiff" || extension == "tif"
}

/// Name of the file's folder, and file name without extension.
fn key(path: &Path) -> (String, String) {
    let text =
        |name: Option<&std::ffi::OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
    let folder = path.parent().and_then(Path::file_name);
    (text(folder), text(path.file_stem()))
}

/// Test images when the image files are missing: anomalous ones from the masks, good ones from the maps.
fn without_images(root: &Path, maps: &Maps) -> Result<Vec<TestItem>> {
    let good = maps.iter().filter(|((folder, _), _)| folder == "good");
    let mut items: Vec<TestItem> = good
        .map(|(_, path)| TestItem {
            path: path.clone(),
            kind: Kind::Good,
            masks: Vec::new(),
        })
        .collect();
    items.extend(dataset::items_with_masks(root)?);
    Ok(items)
}

/// Creates the entry of `item` and removes its map from `maps`.
fn entry(mut item: TestItem, has_image: bool, folder: &Path, maps: &mut Maps) -> Result<MapEntry> {
    let key = key(&item.path);
    let map = maps.remove(&key).with_context(|| {
        let (type_name, name) = &key;
        let missing = folder.join(type_name).join(format!("{name}.tiff"));
        format!(
            "{}: file not found; expected the map of {}",
            missing.display(),
            item.path.display()
        )
    })?;
    if !has_image {
        // Messages name the map instead of the missing image.
        item.path.clone_from(&map);
    }
    Ok(MapEntry {
        item,
        map,
        has_image,
    })
}

impl MapSource for MapFolder {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn name(&self, index: usize) -> String {
        self.entries[index].map.display().to_string()
    }

    fn mask_name(&self, index: usize, mask: usize) -> String {
        self.entries[index].item.masks[mask].display().to_string()
    }

    fn kind(&self, index: usize) -> &Kind {
        &self.entries[index].item.kind
    }

    fn read(&self, index: usize) -> Result<Sample> {
        let entry = &self.entries[index];
        let map = read_map(&entry.map)?;
        let size = (map.width, map.height);
        if entry.has_image {
            let image = &entry.item.path;
            let of_image = image::image_dimensions(image)
                .with_context(|| format!("{}: cannot be read as an image", image.display()))?;
            ensure!(
                size == of_image,
                "{}: the map has {}x{} pixels; expected {}x{}, the size of its image {}",
                entry.map.display(),
                size.0,
                size.1,
                of_image.0,
                of_image.1,
                image.display()
            );
        }
        let masks = load_masks(&entry.item, size)?;
        Ok(Sample { map, masks })
    }
}
