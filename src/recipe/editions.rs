//! Writing the files of recipes. The text before each change is kept as an edition, in `.editions/ID` of the folder.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use inspectd_core::atomic_file;
use inspectd_core::bundle::sha256;
use inspectd_core::id::RecipeId;

use super::folder::{Folder, text};

/// Maximum number of editions of a recipe; the oldest are removed.
pub const MOST_EDITIONS: usize = 50;

/// The folder of all editions. It is hidden, so that it is not searched for recipes.
const EDITIONS: &str = ".editions";

/// An earlier text of a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// Its id: digits.
    pub id: String,
    /// When it was replaced.
    pub replaced: SystemTime,
    /// SHA-256 of the text.
    pub text_sha256: String,
}

impl Folder {
    /// Returns the text of the recipe `id`; none if it does not exist.
    ///
    /// # Errors
    /// When the file cannot be read, is not UTF-8, or is larger than a recipe.
    pub fn read_text(&self, id: &RecipeId) -> io::Result<Option<String>> {
        present(text(&self.file(id)))
    }

    /// Replaces the text of the recipe `id`, or removes its file, and keeps the text before.
    ///
    /// # Errors
    /// When a file cannot be written. The text before is then still in place.
    pub fn replace(&self, id: &RecipeId, text: Option<&str>, now: SystemTime) -> io::Result<()> {
        if let Some(before) = self.read_text(id)? {
            self.keep_edition(id, &before, now)?;
        }
        match text {
            Some(text) => atomic_file::rewrite(&self.file(id), text),
            None => fs::remove_file(self.file(id)),
        }
    }

    /// Returns the editions of the recipe `id`, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn editions(&self, id: &RecipeId) -> io::Result<Vec<Edition>> {
        let mut editions = Vec::new();
        for number in self.edition_numbers(id)?.into_iter().rev() {
            let edition = number.to_string();
            if let Some(text) = self.edition_text(id, &edition)? {
                editions.push(Edition {
                    id: edition,
                    replaced: SystemTime::UNIX_EPOCH + Duration::from_micros(number),
                    text_sha256: sha256(text.as_bytes()),
                });
            }
        }
        Ok(editions)
    }

    /// Returns the text of an edition; none if it does not exist.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn edition_text(&self, id: &RecipeId, edition: &str) -> io::Result<Option<String>> {
        match edition.parse::<u64>() {
            Ok(number) => present(text(&self.edition_file(id, number))),
            Err(_) => Ok(None),
        }
    }

    fn keep_edition(&self, id: &RecipeId, text: &str, now: SystemTime) -> io::Result<()> {
        fs::create_dir_all(self.edition_folder(id))?;
        let numbers = self.edition_numbers(id)?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_micros() as u64;
        // The clock may have been set back.
        let number = numbers.last().map_or(now, |last| now.max(last + 1));
        atomic_file::write(&self.edition_file(id, number), text)?;
        let surplus = (numbers.len() + 1).saturating_sub(MOST_EDITIONS);
        for number in numbers.iter().take(surplus) {
            fs::remove_file(self.edition_file(id, *number))?;
        }
        Ok(())
    }

    /// The numbers of the editions, ascending: the time of their replacement in microseconds.
    fn edition_numbers(&self, id: &RecipeId) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(self.edition_folder(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".toml"));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn edition_folder(&self, id: &RecipeId) -> PathBuf {
        self.path().join(EDITIONS).join(id.as_str())
    }

    fn edition_file(&self, id: &RecipeId, number: u64) -> PathBuf {
        self.edition_folder(id).join(format!("{number}.toml"))
    }
}

/// None for a file that does not exist.
fn present(text: io::Result<String>) -> io::Result<Option<String>> {
    match text {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => text.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_before_are_kept_newest_first_and_at_most_fifty() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(place.path());
        let id: RecipeId = "juice".parse().expect("an id");
        assert_eq!(folder.read_text(&id).expect("read"), None);
        let time = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        for count in 0..60 {
            // The clock stands still, and is set back once.
            let now = time(if count == 30 { 5 } else { 1000 });
            let text = format!("text {count}");
            folder.replace(&id, Some(&text), now).expect("written");
        }
        let editions = folder.editions(&id).expect("read");
        assert_eq!(editions.len(), MOST_EDITIONS);
        let texts = editions.iter().map(|edition| {
            let text = folder.edition_text(&id, &edition.id).expect("read");
            text.expect("it exists")
        });
        let expected = (9..59).rev().map(|count| format!("text {count}"));
        assert!(texts.eq(expected));
        assert_eq!(editions[0].text_sha256, sha256(b"text 58"));
        assert!(
            editions
                .windows(2)
                .all(|pair| pair[0].replaced > pair[1].replaced)
        );

        folder.replace(&id, None, time(2000)).expect("removed");
        assert_eq!(folder.read_text(&id).expect("read"), None);
        assert_eq!(folder.list().expect("listed").len(), 0);
        let newest = folder.editions(&id).expect("read").remove(0);
        assert_eq!(newest.replaced, time(2000));
        let missing = folder.edition_text(&id, "../juice").expect("read");
        assert_eq!(missing, None);
    }
}
