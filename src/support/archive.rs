//! The archive: an index, then the parts.

use std::fmt::Write as _;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use inspectd_core::atomic_file;

use super::{Part, rfc3339};

/// Only its owner reads it.
const MODE: u32 = 0o600;

/// The folder of all files.
const FOLDER: &str = "inspectd-support";

/// Writes the archive `path` as a whole.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, parts: &[Part], has_pictures: bool, now: SystemTime) -> io::Result<()> {
    let index = index(parts, has_pictures, now);
    atomic_file::replace(path, |part| {
        let file = File::create(part)?;
        // Before it has any content.
        file.set_permissions(Permissions::from_mode(MODE))?;
        let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        append(&mut archive, "index.txt", index.as_bytes(), now)?;
        for part in parts {
            if let Ok(content) = &part.content {
                append(&mut archive, &part.name, content, now)?;
            }
        }
        archive.into_inner()?.finish()?.flush()
    })
}

fn append(
    archive: &mut tar::Builder<impl Write>,
    name: &str,
    content: &[u8],
    now: SystemTime,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(MODE);
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    header.set_mtime(seconds);
    // Also writes long names.
    archive.append_data(&mut header, format!("{FOLDER}/{name}"), content)
}

/// What each file is, and what is missing.
fn index(parts: &[Part], has_pictures: bool, now: SystemTime) -> String {
    let mut out = format!(
        "Archive for support of inspectd {}, {}\n\n\
         Secrets are replaced by ***: passwords, tokens, hashes of tokens, private keys. {}\n\n",
        env!("CARGO_PKG_VERSION"),
        rfc3339(now),
        if has_pictures {
            "Pictures of parts are included, because --evidence asked for them."
        } else {
            "Pictures of parts are not included; --evidence N includes those of the last N verdicts that have some."
        }
    );
    let width = parts.iter().map(|part| part.name.len()).max().unwrap_or(0);
    for part in parts {
        if let Ok(content) = &part.content {
            let _ = writeln!(
                out,
                "{:width$} {:>10}  {}",
                part.name,
                content.len(),
                part.about
            );
        }
    }
    out.push_str("\nnot collected\n");
    let mut complete = true;
    for part in parts {
        if let Err(reason) = &part.content {
            complete = false;
            let reason = reason.trim_end().replace('\n', "\n    ");
            let _ = writeln!(out, "{} ({})\n    {reason}", part.name, part.about);
        }
    }
    if complete {
        out.push_str("nothing\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn archive_has_its_index_first_and_lists_what_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("support.tar.gz");
        let part = |name: &str, content: Result<&str, &str>| Part {
            name: name.to_owned(),
            about: format!("about {name}"),
            content: content
                .map(|text| text.as_bytes().to_vec())
                .map_err(str::to_owned),
        };
        let parts = [part("b.txt", Ok("two")), part("a.txt", Err("locked\nby 7"))];
        write(&path, &parts, false, UNIX_EPOCH).expect("written");
        let mode = path.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let bytes = std::fs::read(&path).expect("read");
        write(&path, &parts, false, UNIX_EPOCH).expect("written");
        assert_eq!(std::fs::read(&path).expect("read"), bytes);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let mut found = Vec::new();
        for entry in archive.entries().expect("an archive") {
            let mut entry = entry.expect("an entry");
            let name = entry.path().expect("a path").display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("a text");
            found.push((name, text));
        }
        assert_eq!(found.len(), 2);
        let (name, index) = &found[0];
        assert_eq!(name, "inspectd-support/index.txt");
        assert!(index.contains("b.txt          3  about b.txt\n"), "{index}");
        assert!(
            index.ends_with("not collected\na.txt (about a.txt)\n    locked\n    by 7\n"),
            "{index}"
        );
        assert_eq!(
            found[1],
            ("inspectd-support/b.txt".to_owned(), "two".to_owned())
        );
    }
}
