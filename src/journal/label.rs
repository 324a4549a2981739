//! Labels: what a person says of a verdict after looking at the part or its picture.

use std::time::SystemTime;

use inspectd_core::polygon::Polygon;
use rusqlite::{Connection, Row, params};

use super::JournalError;
use super::order::Order;
use super::row::{nanoseconds, time};

/// What a person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelKind {
    /// The part is good.
    Good,
    /// The part is defective.
    Defective,
    /// The person cannot tell.
    Unsure,
}

/// The label of a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// What the person says.
    pub kind: LabelKind,
    /// The class of the defect, such as `scratch`; empty if none was stated.
    pub defect_class: String,
    /// Where the defect is; empty if that was not stated.
    pub outlines: Vec<Polygon>,
    /// The client that set it.
    pub author: String,
    /// When it was set.
    pub time: SystemTime,
}

impl LabelKind {
    /// The number in the journal, which never changes.
    fn number(self) -> i64 {
        match self {
            Self::Good => 1,
            Self::Defective => 2,
            Self::Unsure => 3,
        }
    }

    /// The kind with a number; a later version may know others.
    fn of_number(number: i64) -> Option<Self> {
        let all = [Self::Good, Self::Defective, Self::Unsure];
        all.into_iter().find(|kind| kind.number() == number)
    }
}

/// Writes the label of a verdict; `None` removes it.
pub(super) fn put(
    connection: &Connection,
    sequence: u64,
    label: Option<&Label>,
) -> rusqlite::Result<()> {
    let changed = match label {
        Some(label) => connection.execute(
            "INSERT OR REPLACE INTO labels VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                sequence as i64,
                label.kind.number(),
                label.defect_class,
                label.author,
                nanoseconds(label.time),
                outlines_to_json(&label.outlines)
            ],
        ),
        None => connection.execute("DELETE FROM labels WHERE sequence = ?1", [sequence as i64]),
    };
    changed.map(drop)
}

/// The label of one verdict.
pub(super) fn get(
    connection: &Connection,
    sequence: u64,
) -> Result<Option<(u64, Label)>, JournalError> {
    Ok(page(connection, sequence, sequence, Order::Ascending, 1)?.pop())
}

/// Labels of the verdicts `from` to `to`, in this order of sequences, at most `limit`. Labels of a kind that this version
/// does not know are left out.
pub(super) fn page(
    connection: &Connection,
    from: u64,
    to: u64,
    order: Order,
    limit: usize,
) -> Result<Vec<(u64, Label)>, JournalError> {
    let select = match order {
        Order::Ascending => {
            "SELECT * FROM labels WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence LIMIT ?3"
        }
        Order::Descending => {
            "SELECT * FROM labels WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence DESC LIMIT ?3"
        }
    };
    let mut statement = connection.prepare_cached(select)?;
    let to = to.min(i64::MAX as u64) as i64;
    let mut rows = statement.query(params![from as i64, to, limit as i64])?;
    let mut labels = Vec::new();
    while let Some(row) = rows.next()? {
        labels.extend(read(row)?);
    }
    Ok(labels)
}

fn outlines_to_json(outlines: &[Polygon]) -> String {
    let corners: Vec<_> = outlines.iter().map(Polygon::corners).collect();
    serde_json::to_string(&corners).expect("finite numbers serialise")
}

/// The outlines; those that are not valid are left out.
fn outlines_of_json(json: &str) -> Vec<Polygon> {
    let corners: Vec<Vec<[f64; 2]>> = serde_json::from_str(json).unwrap_or_default();
    let outlines = corners.into_iter();
    outlines
        .filter_map(|corners| Polygon::try_new(corners).ok())
        .collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<(u64, Label)>> {
    let Some(kind) = LabelKind::of_number(row.get("kind")?) else {
        return Ok(None);
    };
    let label = Label {
        kind,
        defect_class: row.get("defect_class")?,
        outlines: outlines_of_json(&row.get::<_, String>("outlines")?),
        author: row.get("author")?,
        time: time(row.get("labelled")?),
    };
    Ok(Some((row.get::<_, i64>("sequence")? as u64, label)))
}
