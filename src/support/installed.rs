//! What is installed: model bundles without their graphs, and recipes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use inspectd_core::bundle::{MANIFEST_FILE, sha256};

use super::stored::read_text;
use super::{Context, Parts, at};
use crate::recipe::Folder;

/// Most bundles and recipes.
const MOST: usize = 100;

pub(super) fn collect(context: &Context<'_>, parts: &mut Parts) {
    let recipes = recipes(context, parts);
    bundles(context, recipes, parts);
}

/// Adds the texts of the recipes; returns their bundles.
fn recipes(context: &Context<'_>, parts: &mut Parts) -> Vec<PathBuf> {
    let Some(folder) = context.path("recipes.folder") else {
        return Vec::new();
    };
    let files = match Folder::new(&folder).list() {
        Ok(files) => files,
        Err(error) => {
            parts.add("recipes", "the recipes", Err(error.to_string()));
            return Vec::new();
        }
    };
    let mut bundles = Vec::new();
    for file in files.into_iter().take(MOST) {
        let name = file.file.file_name().unwrap_or_default().to_string_lossy();
        let about = match &file.recipe {
            Ok(recipe) => format!("recipe {}", recipe.id),
            Err(error) => format!(
                "a recipe that is not valid: {}",
                error.to_string().replace('\n', "; ")
            ),
        };
        parts.add(&format!("recipes/{name}"), &about, read_text(&file.file));
        bundles.extend(file.recipe.ok().map(|recipe| recipe.bundle));
    }
    bundles
}

/// Adds the manifests of the bundles, and the hashes of their files.
fn bundles(context: &Context<'_>, of_recipes: Vec<PathBuf>, parts: &mut Parts) {
    let mut folders: BTreeSet<PathBuf> = of_recipes.into_iter().collect();
    folders.extend(context.path("model.bundle"));
    folders.extend(context.path("shadow.bundle"));
    let installed = context
        .path("model.folder")
        .or_else(|| context.journal().ok().map(|folder| folder.join("models")));
    let installed = installed.and_then(|folder| fs::read_dir(folder).ok());
    let paths = installed
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    folders.extend(paths.filter(|path| path.join(MANIFEST_FILE).exists()));
    // Several recipes may name the same bundle in several ways.
    let folders: BTreeSet<PathBuf> = folders
        .into_iter()
        .map(|folder| fs::canonicalize(&folder).unwrap_or(folder))
        .collect();
    let mut hashes = String::new();
    for (number, folder) in (1..).zip(folders.iter().take(MOST)) {
        let _ = writeln!(hashes, "bundle {number}: {}", folder.display());
        match files(folder) {
            Ok(lines) => hashes.push_str(&lines),
            Err(error) => {
                let _ = writeln!(hashes, "  {}", at(folder, &error));
            }
        }
        let about = format!("manifest of {}", folder.display());
        let manifest = read_text(&folder.join(MANIFEST_FILE));
        parts.add(
            &format!("bundles/{number}-{MANIFEST_FILE}"),
            &about,
            manifest,
        );
    }
    parts.add(
        "bundles/hashes.txt",
        "the folders of the bundles; size and SHA-256 of their files",
        Ok(hashes),
    );
}

/// The files of a bundle, one line each.
fn files(folder: &Path) -> io::Result<String> {
    let entries: io::Result<Vec<_>> = fs::read_dir(folder)?.collect();
    let mut paths: Vec<PathBuf> = entries?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    let mut out = String::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let content = fs::read(path)?;
        let (bytes, digits) = (content.len(), sha256(&content));
        let _ = writeln!(out, "  {name} {bytes} {digits}");
    }
    Ok(out)
}
