//! A folder of recipes: each `ID.toml` in it that is not hidden. Subfolders are not searched.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use inspectd_core::id::{RecipeId, RecipeIdError};

use super::{FolderError, LARGEST_RECIPE_BYTES, MOST_RECIPES, Recipe, RecipeError, parse};

/// A folder of recipes. Each call reads it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

/// A file of the folder.
#[derive(Debug)]
pub struct RecipeFile {
    /// The file.
    pub file: PathBuf,
    /// Its recipe, or why it cannot be read.
    pub recipe: Result<Recipe, RecipeError>,
}

impl Folder {
    /// The folder at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the recipes, by name, including files that are not valid recipes.
    ///
    /// # Errors
    /// When the folder cannot be read, or contains more than [`MOST_RECIPES`].
    pub fn list(&self) -> Result<Vec<RecipeFile>, FolderError> {
        let unreadable = |source| FolderError::Unreadable {
            folder: self.path.clone(),
            source,
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if names_recipe(&file) {
                files.push(file);
            }
            if files.len() > MOST_RECIPES {
                let folder = self.path.clone();
                return Err(FolderError::TooMany { folder });
            }
        }
        files.sort();
        let entry = |file: PathBuf| RecipeFile {
            recipe: named(&file).and_then(|id| read(&id, &file)),
            file,
        };
        Ok(files.into_iter().map(entry).collect())
    }

    /// Path of the file of the recipe `id`.
    pub fn file(&self, id: &RecipeId) -> PathBuf {
        self.path.join(format!("{id}.toml"))
    }

    /// Returns the recipe `id`.
    ///
    /// # Errors
    /// When the recipe does not exist or is not valid.
    pub fn read(&self, id: &RecipeId) -> Result<Recipe, RecipeError> {
        match read(id, &self.file(id)) {
            Err(RecipeError::Unreadable { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Err(RecipeError::Absent {
                    folder: self.path.clone(),
                    id: id.clone(),
                })
            }
            result => result,
        }
    }
}

/// Whether a file is a recipe by its name. Hidden files are temporary files of editors.
fn names_recipe(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let toml = file
        .extension()
        .is_some_and(|extension| extension == "toml");
    toml && !name.starts_with('.')
}

fn named(file: &Path) -> Result<RecipeId, RecipeError> {
    let stem = file.file_stem().unwrap_or_default();
    let name = |source| RecipeError::Name {
        file: file.to_owned(),
        source,
    };
    match stem.to_str() {
        Some(stem) => stem.parse().map_err(name),
        None => Err(name(RecipeIdError(stem.to_string_lossy().into_owned()))),
    }
}

fn read(id: &RecipeId, file: &Path) -> Result<Recipe, RecipeError> {
    let text = text(file).map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => RecipeError::TooLarge {
            file: file.to_owned(),
        },
        _ => RecipeError::Unreadable {
            file: file.to_owned(),
            source,
        },
    })?;
    parse(id, file, &text)
}

/// Returns the text of the file.
///
/// # Errors
/// When it cannot be read, is not UTF-8, or is larger than [`LARGEST_RECIPE_BYTES`].
pub(super) fn text(file: &Path) -> io::Result<String> {
    // Reading a pipe might not terminate.
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let mut text = Vec::new();
    File::open(file)?
        .take(LARGEST_RECIPE_BYTES + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > LARGEST_RECIPE_BYTES {
        let allowed = format!("larger than {LARGEST_RECIPE_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, allowed));
    }
    String::from_utf8(text)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8 text"))
}
