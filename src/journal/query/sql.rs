//! The SQL of a page of verdicts.

use inspectd_core::decision::Decision;
use inspectd_core::id::CameraId;
use rusqlite::types::Value;

use super::Page;
use crate::journal::order::Order;
use crate::journal::row;

/// The SQL of a page: one subquery for each pair of camera and decision, each along an index, and the
/// first rows of their union. A single query over all pairs would sort all matching rows.
pub(super) fn select(page: &Page) -> (String, Vec<Value>) {
    let order = match page.order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    };
    let range = |values: &mut Vec<Value>| {
        let end = |sequence: u64| Value::from(i64::try_from(sequence).unwrap_or(i64::MAX));
        values.extend([end(page.from), end(page.to), Value::from(page.limit as i64)]);
        format!("sequence >= ? AND sequence <= ? ORDER BY sequence {order} LIMIT ?")
    };
    let mut values = Vec::new();
    let filter = &page.filter;
    // Tested row by row.
    let tested = |values: &mut Vec<Value>| {
        let mut terms = String::new();
        if let Some(recipe) = &filter.recipe {
            values.push(Value::from(recipe.to_string()));
            terms.push_str("stamp IN (SELECT id FROM stamps WHERE recipe = ?) AND ");
        }
        if let Some(least) = filter.least_score {
            values.push(Value::from(f64::from(least)));
            terms.push_str("score >= ? AND ");
        }
        terms
    };
    if let Some(part) = &filter.part_id {
        // A part has few verdicts: the other terms are tested row by row.
        let mut terms = vec!["part_id = ? AND part_id <> ''".to_owned()];
        values.push(Value::from(part.clone()));
        let cameras = filter.cameras.iter().map(|id| Value::from(id.to_string()));
        terms.extend(one_of("camera", cameras, &mut values));
        let decisions = filter
            .decisions
            .iter()
            .map(|&decision| Value::from(row::number(decision)));
        terms.extend(one_of("decision", decisions, &mut values));
        let select = format!(
            "SELECT * FROM verdicts INDEXED BY verdicts_by_part WHERE {} AND {}{}",
            terms.join(" AND "),
            tested(&mut values),
            range(&mut values)
        );
        return (select, values);
    }
    if filter.cameras.is_empty() && filter.decisions.is_empty() {
        let terms = tested(&mut values);
        let select = format!("SELECT * FROM verdicts WHERE {terms}{}", range(&mut values));
        return (select, values);
    }
    let decisions: &[Decision] = match filter.decisions.as_slice() {
        [] => &Decision::ALL,
        some => some,
    };
    let mut searches = Vec::new();
    let mut search = |camera: Option<&CameraId>, decision: Decision| {
        let mut terms = String::new();
        if let Some(camera) = camera {
            values.push(Value::from(camera.to_string()));
            terms.push_str("camera = ? AND ");
        }
        values.push(Value::from(row::number(decision)));
        let tested = tested(&mut values);
        searches.push(format!(
            "SELECT * FROM (SELECT sequence FROM verdicts WHERE {terms}decision = ? AND {tested}{})",
            range(&mut values)
        ));
    };
    for &decision in decisions {
        if filter.cameras.is_empty() {
            search(None, decision);
        }
        for camera in &filter.cameras {
            search(Some(camera), decision);
        }
    }
    let select = format!(
        "SELECT * FROM verdicts WHERE sequence IN (SELECT sequence FROM ({}) ORDER BY sequence {order} LIMIT ?)
         ORDER BY sequence {order}",
        searches.join(" UNION ALL ")
    );
    values.push(Value::from(page.limit as i64));
    (select, values)
}

fn one_of(
    column: &str,
    options: impl ExactSizeIterator<Item = Value>,
    values: &mut Vec<Value>,
) -> Option<String> {
    let count = options.len();
    values.extend(options);
    (count > 0).then(|| format!("{column} IN ({})", vec!["?"; count].join(", ")))
}
