//! A folder of recipes: each `ID.toml` in it that is not hidden. Subfolders are not looked into.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{FolderError, LARGEST_RECIPE_BYTES, Recipe, RecipeError, parse};
use inspectd_core::id::RecipeId;
use inspectd_core::id::RecipeIdError;

/// The most recipes of a folder: more is another folder, named by mistake.
pub const MOST_RECIPES: usize = 1000;

/// A folder of recipes. It is read when it is asked, each time anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

/// A file of the folder.
#[derive(Debug)]
pub struct Entry {
    /// The file.
    pub file: PathBuf,
    /// What is in it, or why it is no recipe.
    pub recipe: Result<Recipe, RecipeError>,
}

impl Folder {
    /// The folder at `path`, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All recipes, by name, and the files that should be and are not.
    ///
    /// # Errors
    /// When the folder cannot be read, or has more than [`MOST_RECIPES`].
    pub fn list(&self) -> Result<Vec<Entry>, FolderError> {
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
        let entry = |file: PathBuf| Entry {
            recipe: named(&file).and_then(|id| read(&id, &file)),
            file,
        };
        Ok(files.into_iter().map(entry).collect())
    }

    /// The recipe `id`.
    ///
    /// # Errors
    /// When there is none of that name, or it is not valid.
    pub fn read(&self, id: &RecipeId) -> Result<Recipe, RecipeError> {
        match read(id, &self.path.join(format!("{id}.toml"))) {
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

/// Whether a file is meant as a recipe: editors keep their own in hidden ones.
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
    let unreadable = |source| RecipeError::Unreadable {
        file: file.to_owned(),
        source,
    };
    let text = text(file).map_err(unreadable)?;
    // One byte more than is allowed was asked for, which may end within a letter.
    if text.len() as u64 > LARGEST_RECIPE_BYTES {
        let file = file.to_owned();
        return Err(RecipeError::TooLarge { file });
    }
    let text = String::from_utf8(text)
        .map_err(|_| unreadable(io::Error::new(io::ErrorKind::InvalidData, "not UTF-8 text")))?;
    parse(id, file, &text)
}

/// The file's bytes, one more than the largest recipe has at most.
fn text(file: &Path) -> io::Result<Vec<u8>> {
    // A pipe would be waited for without end.
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
    Ok(text)
}
