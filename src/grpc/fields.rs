//! Parses fields of requests. The errors name the field.

use std::str::FromStr;
use std::time::SystemTime;

use inspectd_core::decision::Decision;
use inspectd_core::id::{CameraId, RecipeId};
use tonic::Status;

use super::{convert, status};

/// Maximum number of cameras in one request: each needs a search of its own.
const CAMERA_LIMIT: usize = 64;

/// The decisions of a request, without duplicates.
pub(super) fn decisions(values: Vec<i32>) -> Result<Vec<Decision>, Status> {
    let decision = |value: i32| {
        convert::decision_of(value).ok_or_else(|| {
            status::invalid(
                "decisions",
                format!("{value} is not a decision; must be 1 to 4"),
            )
        })
    };
    let mut decisions: Vec<Decision> =
        values.into_iter().map(decision).collect::<Result<_, _>>()?;
    decisions.sort_unstable_by_key(|decision| decision.name());
    decisions.dedup();
    Ok(decisions)
}

/// A camera id.
pub(super) fn camera_id(field: &str, id: &str) -> Result<CameraId, Status> {
    CameraId::from_str(id).map_err(|error| status::invalid(field, error.to_string()))
}

/// The field `camera_ids`.
pub(super) fn camera_ids(ids: &[String]) -> Result<Vec<CameraId>, Status> {
    if ids.len() > CAMERA_LIMIT {
        let message = format!("{} ids, at most {CAMERA_LIMIT} are allowed", ids.len());
        return Err(status::invalid("camera_ids", message));
    }
    ids.iter().map(|id| camera_id("camera_ids", id)).collect()
}

/// A recipe id.
pub(super) fn recipe_id(field: &str, id: &str) -> Result<RecipeId, Status> {
    RecipeId::from_str(id).map_err(|error| status::invalid(field, error.to_string()))
}

/// A SHA-256 of 64 lower-case hexadecimal digits; none if empty.
pub(super) fn sha256(field: &str, text: String) -> Result<Option<String>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 64 || !text.bytes().all(digit) {
        return Err(status::invalid(
            field,
            "must be 64 lower-case hexadecimal digits",
        ));
    }
    Ok(Some(text))
}

/// A time; none if unset.
pub(super) fn time(
    field: &str,
    time: Option<prost_types::Timestamp>,
) -> Result<Option<SystemTime>, Status> {
    let Some(time) = time else { return Ok(None) };
    SystemTime::try_from(time)
        .map(Some)
        .map_err(|error| status::invalid(field, error.to_string()))
}

/// A consumer's name. The rules are those of a camera id.
pub(super) fn consumer(name: &str) -> Result<&str, Status> {
    match CameraId::from_str(name) {
        Ok(_) => Ok(name),
        Err(_) => Err(status::invalid(
            "consumer",
            format!("{name:?} must be 1 to 64 of a-z, 0-9, '-' and '_'"),
        )),
    }
}

/// A text of at most `limit` bytes.
pub(super) fn bounded(field: &str, length: usize, limit: usize) -> Result<(), Status> {
    if length <= limit {
        return Ok(());
    }
    let message = format!("{length} bytes, at most {limit} are allowed");
    Err(status::invalid(field, message))
}

/// A number of results: `default` for 0, at most `limit`.
pub(super) fn page_size(
    field: &str,
    size: u32,
    default: usize,
    limit: usize,
) -> Result<usize, Status> {
    match size as usize {
        0 => Ok(default),
        size if size <= limit => Ok(size),
        size => Err(status::invalid(
            field,
            format!("{size} must be at most {limit}"),
        )),
    }
}
