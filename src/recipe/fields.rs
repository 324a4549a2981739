//! Fields that the recipe and its regions have in common.

use crate::config::document::{DocumentReader, Table};
use crate::config::settings::Overrides;

/// Reads a name or version.
pub(super) fn name(reader: &mut DocumentReader, table: Table<'_>, key: &str) -> Option<String> {
    let allowed = "1 to 64 letters, digits, '.', '_' or '-'";
    reader.required(table, key, allowed, |item| {
        let text = item.text()?;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let holds = (1..=64).contains(&text.len()) && text.bytes().all(legal);
        holds.then(|| text.to_owned())
    })
}

/// Reads `threshold` and `review_from`.
pub(super) fn thresholds(reader: &mut DocumentReader, table: Table<'_>) -> Overrides {
    let set = Overrides {
        threshold: reader.finite(table, "threshold"),
        review_from: reader.finite(table, "review_from"),
    };
    if let (Some(threshold), Some(from)) = (set.threshold, set.review_from)
        && from > threshold
    {
        let offset = table.get("review_from").map_or(0, |item| item.offset);
        let key = table.path("review_from");
        let allowed = format!("at most {}, {threshold}", table.path("threshold"));
        reader.refuse(offset, key, from.to_string(), allowed);
    }
    set
}
