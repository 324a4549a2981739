//! The parts of a study: from a folder of pictures, or from a table.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use inspectd_client::acceptance::{Order, Part, PartState, Picture, Plan};
use inspectd_core::bundle::sha256;

/// Subfolders of the type 1 studies.
const REFERENCE: &str = "reference";
const MOVED: &str = "reference-moved";

/// Subfolder of good parts.
const GOOD: &str = "good";

/// Endings of pictures.
const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp"];

/// The longest id of a part that the daemon takes, bytes.
const LONGEST_ID: usize = 128;

/// The plan for a folder of pictures. The states are those of the table, otherwise of the subfolders. `repeated` is how many
/// times one picture is judged if there are no pictures of a reference part.
///
/// # Errors
/// When a folder or a file cannot be read, or there is no good part.
pub fn of_folder(
    folder: &Path,
    table: Option<&Path>,
    trials: u32,
    repeated: u32,
    seed: u64,
) -> Result<Plan> {
    let parts = match table {
        Some(table) => of_table(table)?
            .into_iter()
            .map(|part| with_pictures(folder, part))
            .collect::<Result<Vec<_>>>()?,
        None => of_subfolders(folder)?,
    };
    let single = |name: &str| {
        let pictures = pictures_of(folder, &folder.join(name))?;
        let part = Part {
            id: name.to_owned(),
            state: PartState::Good,
            pictures,
        };
        Ok::<_, anyhow::Error>(part)
    };
    let present = |name: &str| folder.join(name).is_dir();
    let moved = present(MOVED).then(|| single(MOVED)).transpose()?;
    let (reference, reference_count) = if present(REFERENCE) {
        let part = single(REFERENCE)?;
        let count = part.pictures.len() as u32;
        (Some(part), count)
    } else {
        // One picture again and again: the first of a good part.
        let first = parts
            .iter()
            .find(|part| part.state == PartState::Good)
            .cloned();
        let one = first.map(|part| Part {
            pictures: part.pictures.into_iter().take(1).collect(),
            ..part
        });
        (one.filter(|_| repeated > 0), repeated)
    };
    Ok(Plan {
        reference_count: if reference.is_some() {
            reference_count
        } else {
            0
        },
        reference,
        moved_count: moved.as_ref().map_or(0, |part| part.pictures.len() as u32),
        moved,
        parts,
        trials,
        order: Order::Random,
        seed,
    })
}

/// The parts of a table, without pictures.
///
/// # Errors
/// When it cannot be read, or a line is not a part with its state.
pub fn of_table(table: &Path) -> Result<Vec<Part>> {
    let text = fs::read_to_string(table).with_context(|| table.display().to_string())?;
    let mut parts = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty()
            || line.starts_with('#')
            || (number == 1 && line.eq_ignore_ascii_case("part,state"))
        {
            continue;
        }
        let place = || format!("{}:{number}: {line:?}", table.display());
        let part = line.rsplit_once(',').and_then(|(id, state)| {
            let state = match state.trim().to_ascii_lowercase().as_str() {
                "good" => PartState::Good,
                "bad" => PartState::Bad,
                _ => return None,
            };
            Some(part(id.trim(), state))
        });
        let part = part.ok_or_else(|| anyhow!("{}, must be PART,good or PART,bad", place()))?;
        if part.id.is_empty() || part.id.len() > LONGEST_ID {
            bail!("{}, must have a part of 1 to {LONGEST_ID} bytes", place());
        }
        parts.push(part);
    }
    if parts.is_empty() {
        bail!(
            "{}: has no part, must have a line for each",
            table.display()
        );
    }
    Ok(parts)
}

fn part(id: &str, state: PartState) -> Part {
    Part {
        id: id.to_owned(),
        state,
        pictures: Vec::new(),
    }
}

fn with_pictures(folder: &Path, part: Part) -> Result<Part> {
    let pictures = pictures_of(folder, &folder.join(&part.id))?;
    Ok(Part { pictures, ..part })
}

/// The parts of the subfolders: those of `good` are good, those of others are bad.
fn of_subfolders(folder: &Path) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for class in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let name = name_of(&class);
        if name == REFERENCE || name == MOVED {
            continue;
        }
        let state = if name == GOOD {
            PartState::Good
        } else {
            PartState::Bad
        };
        for path in entries(&class)? {
            if path.is_dir() || is_picture(&path) {
                parts.push(with_pictures(
                    folder,
                    part(&relative(folder, &path), state),
                )?);
            }
        }
    }
    if parts.iter().all(|part| part.state == PartState::Bad) {
        bail!(
            "{}: has no picture of a good part, must have pictures in the subfolder {GOOD}, and those of bad parts in others",
            folder.display()
        );
    }
    Ok(parts)
}

/// The picture at `path`, or those of the folder at `path`, by name.
fn pictures_of(folder: &Path, path: &Path) -> Result<Vec<Picture>> {
    let files = if path.is_dir() {
        let files: Vec<PathBuf> = entries(path)?
            .into_iter()
            .filter(|path| is_picture(path))
            .collect();
        if files.is_empty() {
            bail!(
                "{}: has no picture, must have one ending in {}",
                path.display(),
                ENDINGS.join(", ")
            );
        }
        files
    } else {
        vec![path.to_owned()]
    };
    let picture = |file: PathBuf| {
        let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
        Ok(Picture {
            path: relative(folder, &file),
            sha256: sha256(&bytes),
        })
    };
    files.into_iter().map(picture).collect()
}

fn relative(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    path.is_file() && ENDINGS.iter().any(|known| ending == *known)
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || folder.display().to_string();
    let read = fs::read_dir(folder).with_context(cannot)?;
    let paths: std::io::Result<Vec<PathBuf>> = read.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.with_context(cannot)?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("created");
            fs::write(file, name).expect("written");
        }
        folder
    }

    #[test]
    fn subfolders_are_states_and_folders_in_them_are_parts_with_several_pictures() {
        let folder = folder(&[
            "good/a.png",
            "good/b/1.JPG",
            "good/b/2.jpg",
            "good/readme.txt",
            "scratch/c.png",
            "reference/1.png",
            "reference/2.png",
            "reference-moved/1.png",
            "notes.txt",
        ]);
        let plan = of_folder(folder.path(), None, 3, 50, 1).expect("a plan");
        let parts: Vec<_> = plan
            .parts
            .iter()
            .map(|part| (part.id.as_str(), part.state, part.pictures.len()))
            .collect();
        assert_eq!(
            parts,
            [
                ("good/a.png", PartState::Good, 1),
                ("good/b", PartState::Good, 2),
                ("scratch/c.png", PartState::Bad, 1)
            ]
        );
        assert_eq!((plan.reference_count, plan.moved_count), (2, 1));
        let reference = plan.reference.expect("pictures");
        assert_eq!(reference.pictures[1].path, "reference/2.png");
        assert_eq!(reference.pictures[1].sha256, sha256(b"reference/2.png"));
    }

    #[test]
    fn first_good_picture_is_repeated_without_pictures_of_a_reference_part() {
        let folder = folder(&["good/b/1.png", "good/b/2.png", "bad/c.png"]);
        let plan = of_folder(folder.path(), None, 3, 25, 1).expect("a plan");
        let reference = plan.reference.expect("a picture");
        assert_eq!(
            (reference.id.as_str(), reference.pictures.len()),
            ("good/b", 1)
        );
        assert_eq!(plan.reference_count, 25);
        let plan = of_folder(folder.path(), None, 3, 0, 1).expect("a plan");
        assert_eq!((plan.reference, plan.reference_count), (None, 0));
    }

    #[test]
    fn table_states_parts_that_may_be_anywhere_in_the_folder() {
        let folder = folder(&["x/a.png", "b/1.png", "b/2.png"]);
        let table = folder.path().join("parts.csv");
        fs::write(&table, "part,state\n# known\nx/a.png,Good\n\nb , bad\n").expect("written");
        let plan = of_folder(folder.path(), Some(&table), 3, 0, 1).expect("a plan");
        let parts: Vec<_> = plan
            .parts
            .iter()
            .map(|part| (part.id.as_str(), part.state, part.pictures.len()))
            .collect();
        assert_eq!(
            parts,
            [("x/a.png", PartState::Good, 1), ("b", PartState::Bad, 2)]
        );
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_place() {
        let check = |files: &[&str], table: &str, expected: &str| {
            let folder = folder(files);
            let file = folder.path().join("t.csv");
            fs::write(&file, table).expect("written");
            let table = (!table.is_empty()).then_some(file.as_path());
            let error = of_folder(folder.path(), table, 3, 0, 1).expect_err("refused");
            let error = format!("{error:#}").replace(&folder.path().display().to_string(), "F");
            assert!(error.starts_with(expected), "{error}");
        };
        check(&["bad/a.png"], "", "F: has no picture of a good part");
        check(&["good/a/x.txt"], "", "F/good/a: has no picture");
        check(
            &["a.png"],
            "a.png;good\n",
            "F/t.csv:1: \"a.png;good\", must be PART,good or PART,bad",
        );
        check(&["a.png"], "a.png,fine\n", "F/t.csv:1: ");
        check(
            &["a.png"],
            ",good\n",
            "F/t.csv:1: \",good\", must have a part",
        );
        check(&["a.png"], "# nothing\n", "F/t.csv: has no part");
        check(&["a.png"], "b.png,good\n", "F/b.png: No such file");
    }
}
