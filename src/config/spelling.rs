//! Which known name was meant.

/// More edits than this are no slip of the fingers.
const MOST_EDITS: usize = 2;

/// The candidate that differs from `name` by at most two edits, or that `name` is the beginning of
/// (`open_timeout` for `open_timeout_s`).
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    // Longer than any key by far: not worth the time.
    if name.len() > 64 {
        return None;
    }
    let rank = |candidate: &'a str| {
        let begun = name.len() >= 3 && candidate.starts_with(name);
        let edits = if begun { 1 } else { distance(name, candidate) };
        // A short name is near to everything.
        (edits <= MOST_EDITS && edits < name.chars().count()).then_some((edits, candidate))
    };
    candidates
        .filter_map(rank)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: the fewest letters to add, remove or replace.
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
    fn distances_are_levenshteins() {
        let check = |a, b, expected| assert_eq!(distance(a, b), expected, "{a} {b}");
        check("", "", 0);
        check("", "abc", 3);
        check("kitten", "sitting", 3);
        check("crop", "crop", 0);
        check("flaw", "lawn", 2);
    }

    #[test]
    fn a_name_like_nothing_has_no_suggestion() {
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
