//! Labelled verdicts as a dataset, in an archive.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use inspectd_core::id::CameraId;
use serde::Deserialize;

use super::api::ApiError;
use super::{Browser, PageState};
use crate::grpc::{CallError, DatasetFiles};

/// Size of a block of an archive, bytes.
const BLOCK: usize = 512;

/// Selects the verdicts.
#[derive(Deserialize)]
pub(super) struct Selection {
    camera: String,
    #[serde(default)]
    recipe: String,
}

/// Serves the dataset as a tar archive, file by file.
pub(super) async fn serve(
    State(page): State<PageState>,
    Query(Selection { camera, recipe }): Query<Selection>,
    browser: Browser,
) -> Result<Response, ApiError> {
    let camera: CameraId = camera
        .parse()
        .map_err(|_| ApiError(CallError::not_found("camera: not the id of a camera")))?;
    let calls = &page.0.calls;
    let files = calls
        .dataset(&browser.caller, camera.to_string(), recipe)
        .await
        .map_err(ApiError)?;
    let name = format!("attachment; filename=\"dataset-{camera}.tar\"");
    let headers = [
        (CONTENT_TYPE, "application/x-tar".to_owned()),
        (CONTENT_DISPOSITION, name),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(archive(files))).into_response())
}

/// The archive. An error ends it early, so that the browser reports that the download failed.
fn archive(files: DatasetFiles) -> impl Stream<Item = io::Result<Bytes>> {
    unfold(Some(files), |files| async move {
        let mut files = files?;
        match files.next().await {
            Ok(Some(file)) => Some((entry(&file.path, &file.content), Some(files))),
            // Two empty blocks are the end.
            Ok(None) => Some((Ok(Bytes::from(vec![0; 2 * BLOCK])), None)),
            Err(error) => Some((Err(io::Error::other(error.message)), None)),
        }
    })
}

/// A file of an archive: its header and its content, which fills whole blocks.
fn entry(path: &str, content: &[u8]) -> io::Result<Bytes> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path)?;
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn archive_of_entries_is_read_back() {
        let long = vec![7; 1025];
        let files = [
            ("train/good/1.jpg", b"abc".as_slice()),
            ("test/dent/2.png", &long),
            ("a/b", b""),
        ];
        let mut archive: Vec<u8> = files
            .iter()
            .flat_map(|(path, content)| entry(path, content).expect("an entry"))
            .collect();
        archive.extend([0; 2 * BLOCK]);
        let mut archive = tar::Archive::new(archive.as_slice());
        let entries = archive.entries().expect("an archive");
        let read: Vec<(String, Vec<u8>)> = entries
            .map(|entry| {
                let mut entry = entry.expect("an entry");
                let mut content = Vec::new();
                entry.read_to_end(&mut content).expect("its content");
                (entry.path().expect("a path").display().to_string(), content)
            })
            .collect();
        let expected = files.map(|(path, content)| (path.to_owned(), content.to_owned()));
        assert_eq!(read, expected);
    }
}
