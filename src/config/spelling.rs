//! Spelling suggestions.

/// The largest number of edits that counts as a typing error.
const MOST_EDITS: usize = 2;

/// Returns the candidate that differs from `name` by at most two edits, or that starts with `name`
/// (`open_timeout` for `open_timeout_s`).
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    // Much longer than any key; bounds the time.
    if name.len() > 64 {
        return None;
    }
    let rank = |candidate: &'a str| {
        let prefix = name.len() >= 3 && candidate.starts_with(name);
        let edits = if prefix { 1 } else { distance(name, candidate) };
        // A short name is similar to every other short name.
        (edits <= MOST_EDITS && edits < name.chars().count()).then_some((edits, candidate))
    };
    candidates
        .filter_map(rank)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance: the minimum number of letters to add, remove or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_the_levenshtein_distance() {
        let check = |a, b, expected| assert_eq!(distance(a, b), expected, "{a} {b}");
        check("", "", 0);
        check("", "abc", 3);
        check("kitten", "sitting", 3);
        check("crop", "crop", 0);
        check("flaw", "lawn", 2);
    }

    #[test]
    fn dissimilar_name_has_no_suggestion() {
        let check = |name, expected| {
            assert_eq!(
                nearest(name, ["path", "pace", "open_timeout_s"].into_iter()),
                expected,
                "{name}"
            );
        };
        check("pth", Some("path"));
        check("PATH", None);
        check("open_timeout", Some("open_timeout_s"));
        check("p", None);
        check("", None);
        check(&"x".repeat(100), None);
    }
}
