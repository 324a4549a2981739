//! The folders of the configuration: their disks, and the files in them.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Context, Parts, rfc3339};

pub(super) fn collect(context: &Context<'_>, parts: &mut Parts) {
    parts.add(
        "folders.txt",
        "files of the folders of configuration, journal and recipes: size, owner and mode",
        Ok(listing(context)),
    );
}

/// The folders of the configuration.
pub(super) fn folders(context: &Context<'_>) -> Vec<(&'static str, PathBuf)> {
    let mut folders = Vec::new();
    let file = std::path::absolute(&context.options.sources.file);
    let configuration = file.ok().and_then(|file| Some(file.parent()?.to_owned()));
    folders.extend(configuration.map(|path| ("configuration", path)));
    if let Ok(journal) = context.journal() {
        folders.push(("journal.folder", journal.clone()));
        folders.push(("evidence", journal.join("evidence")));
    }
    for key in [
        "model.bundle",
        "model.folder",
        "recipes.folder",
        "challenge.folder",
        "shadow.bundle",
    ] {
        folders.extend(context.path(key).map(|path| (key, path)));
    }
    folders.push(("temporary files", std::env::temp_dir()));
    folders
}

/// The free space of the file system of a folder.
pub(super) fn disk(path: &Path) -> String {
    let shown = path.display();
    let (metadata, space) = match (fs::metadata(path), rustix::fs::statvfs(path)) {
        (Ok(metadata), Ok(space)) => (metadata, space),
        (Err(error), _) => return format!("{shown}: {error}"),
        (_, Err(error)) => return format!("{shown}: {error}"),
    };
    let mib = |blocks: u64| blocks.saturating_mul(space.f_frsize) >> 20;
    format!(
        "{shown}: owner {}:{}, mode {:o}, {} of {} MiB free, {} of {} files free",
        metadata.uid(),
        metadata.gid(),
        metadata.mode() & 0o7777,
        mib(space.f_bavail),
        mib(space.f_blocks),
        space.f_favail,
        space.f_files
    )
}

/// Files of the folders of the configuration and the journal, not of their subfolders.
fn listing(context: &Context<'_>) -> String {
    let mut out = String::new();
    for (what, folder) in folders(context) {
        if !matches!(what, "configuration" | "journal.folder" | "recipes.folder") {
            continue;
        }
        let _ = writeln!(out, "{what}: {}", folder.display());
        let mut entries: Vec<PathBuf> = match fs::read_dir(&folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) => {
                let _ = writeln!(out, "  {error}");
                continue;
            }
        };
        entries.sort();
        for path in entries {
            let _ = writeln!(out, "  {}", file_line(&path));
        }
    }
    for key in [
        "tls.certificate",
        "tls.key",
        "tls.client_ca",
        "access.clients",
    ] {
        if let Some(path) = context.path(key) {
            let _ = writeln!(out, "{key}: {}", file_line(&path));
        }
    }
    out
}

fn file_line(path: &Path) -> String {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(file) => {
            let changed = file.modified().map_or_else(|_| String::new(), rfc3339);
            let (bytes, mode) = (file.len(), file.mode() & 0o7777);
            format!(
                "{shown}: {bytes} bytes, owner {}:{}, mode {mode:o}, changed {changed}",
                file.uid(),
                file.gid()
            )
        }
        Err(error) => format!("{shown}: {error}"),
    }
}
