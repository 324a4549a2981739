//! Numbers of stored verdicts by camera and decision.

use inspectd_core::decision::Decision;
use inspectd_core::id::CameraId;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::Reader;
use crate::journal::{JournalError, STEP_BACK, row};

/// The cameras of all stored verdicts. Each step looks up the next one: a query for different cameras would scan the whole
/// index.
const CAMERAS: &str = "
WITH RECURSIVE names (camera) AS (
    SELECT min(camera) FROM verdicts
    UNION ALL
    SELECT (SELECT min(camera) FROM verdicts WHERE verdicts.camera > names.camera)
    FROM names WHERE names.camera IS NOT NULL
)
SELECT camera FROM names WHERE camera IS NOT NULL";

/// Only the index is read: it ends with the sequence.
const COUNT: &str = "SELECT count(*) FROM verdicts INDEXED BY verdicts_by_camera
    WHERE camera = ? AND decision = ? AND sequence >= ? AND sequence < ?";

/// The number of verdicts of a camera with a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraCount {
    /// The camera. None for parts and images of clients, and if its stored id is not valid.
    pub camera: Option<CameraId>,
    /// The decision.
    pub decision: Decision,
    /// The number of verdicts, at least one.
    pub count: u64,
}

impl Reader {
    /// Counts the verdicts before a sequence that were recorded from `from` on and before `to`.
    pub(super) fn counts(
        &mut self,
        from: i64,
        to: i64,
        before: i64,
    ) -> Result<Vec<CameraCount>, JournalError> {
        let Some(first) = self.first_since(from)? else {
            return Ok(Vec::new());
        };
        let first = first as i64;
        let mut select = COUNT.to_owned();
        let mut range = vec![Value::from(first), Value::from(before)];
        if self.has_other_times(first, to, before)? {
            select.push_str(" AND recorded >= ? AND recorded < ?");
            range.extend([Value::from(from), Value::from(to)]);
        }
        let mut cameras = self.connection.prepare_cached(CAMERAS)?;
        let cameras = cameras.query_map([], |row| row.get::<_, String>(0))?;
        let cameras: Vec<String> = cameras.collect::<Result<_, _>>()?;
        let mut statement = self.connection.prepare_cached(&select)?;
        let mut counts = Vec::new();
        for camera in cameras {
            for decision in Decision::ALL {
                let of = [
                    Value::from(camera.clone()),
                    Value::from(row::number(decision)),
                ];
                let values = params_from_iter(of.iter().chain(&range));
                let count: i64 = statement.query_row(values, |row| row.get(0))?;
                if count > 0 {
                    counts.push(CameraCount {
                        camera: camera.parse().ok(),
                        decision,
                        count: count as u64,
                    });
                }
            }
        }
        Ok(counts)
    }

    /// Whether verdicts of other times may lie between two sequences, because the clock was set while they were stored.
    fn has_other_times(&self, first: i64, to: i64, before: i64) -> Result<bool, JournalError> {
        let steps = "SELECT EXISTS (SELECT 1 FROM counters WHERE name GLOB ?1 AND value > ?2 AND value < ?3)";
        let steps: bool = self.connection.query_row(
            steps,
            params![format!("{STEP_BACK}*"), first, before],
            |row| row.get(0),
        )?;
        let last =
            "SELECT recorded FROM verdicts WHERE sequence < ?1 ORDER BY sequence DESC LIMIT 1";
        let last: Option<i64> = self
            .connection
            .query_row(last, [before], |row| row.get(0))
            .optional()?;
        Ok(steps || last.is_some_and(|recorded| recorded >= to))
    }
}
