//! Changes single values and tables of a TOML text. Everything else keeps its comments, order and layout.

use toml_edit::{DocumentMut, Item, RawString, Table, TableLike, Value};

/// A TOML text that is being changed.
#[derive(Clone, Debug)]
pub(crate) struct TomlText(DocumentMut);

impl TomlText {
    /// Parses a text.
    ///
    /// # Errors
    /// The reason, if it is not TOML.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document = text.parse::<DocumentMut>();
        document
            .map(Self)
            .map_err(|error| error.message().replace('\n', ", "))
    }

    /// The top-level table.
    pub fn root(&mut self) -> &mut Table {
        self.0.as_table_mut()
    }

    /// Whether a value has this path.
    pub fn has(&self, path: &[&str]) -> bool {
        let mut item = self.0.as_item();
        for name in path {
            match item.as_table_like().and_then(|table| table.get(name)) {
                Some(inner) => item = inner,
                None => return false,
            }
        }
        true
    }

    /// The text with this path; none if there is another value, or none.
    pub fn text_at(&self, path: &[&str]) -> Option<String> {
        let mut item = self.0.as_item();
        for name in path {
            item = item.as_table_like()?.get(name)?;
        }
        item.as_str().map(str::to_owned)
    }

    /// Sets the value `key` of the table at `path`, and creates a missing table. Without a value, removes the key.
    ///
    /// # Errors
    /// The path of what is not a table.
    pub fn set(&mut self, path: &[&str], key: &str, value: Option<Value>) -> Result<(), String> {
        let mut table: &mut dyn TableLike = self.root();
        for (depth, name) in path.iter().enumerate() {
            if !table.contains_key(name) {
                if value.is_none() {
                    return Ok(());
                }
                let mut new = Table::new();
                new.set_implicit(depth + 1 < path.len());
                table.insert(name, Item::Table(new));
            }
            let inner = table.get_mut(name).and_then(Item::as_table_like_mut);
            table = inner.ok_or_else(|| path[..=depth].join("."))?;
        }
        set(table, key, value);
        Ok(())
    }

    /// Removes the table at `path`, in any notation. Returns its keys as a text, or `None` if the table does not exist. Comments
    /// before its header stay if an empty line separates them from it.
    pub fn remove_table(&mut self, path: &[&str]) -> Option<String> {
        let (name, parents) = path.split_last()?;
        let mut parent: &mut dyn TableLike = self.root();
        for outer in parents {
            parent = parent.get_mut(outer)?.as_table_like_mut()?;
        }
        parent.get(name)?.as_table_like()?;
        let mut table = parent.remove(name)?.into_table().ok()?;
        let comments = table.decor().prefix().and_then(RawString::as_str);
        if let Some(comments) = comments.and_then(separated)
            && let Some(position) = table.position()
        {
            self.keep(comments, position);
        }
        table.decor_mut().clear();
        table.set_dotted(false);
        Some(DocumentMut::from(table).to_string())
    }

    /// Puts comments before the first table after `position`, or at the end.
    fn keep(&mut self, comments: &str, position: isize) {
        let comments = comments.trim_end();
        let mut positions = Vec::new();
        list_positions(self.root(), &mut positions);
        let next = positions.into_iter().filter(|other| *other > position);
        if let Some(next) = next.min()
            && let Some(next) = at_position(self.root(), next)
        {
            let own = next.decor().prefix().and_then(RawString::as_str);
            let own = own.unwrap_or_default().trim_start_matches(['\r', '\n']);
            let prefix = format!("{comments}\n\n{own}");
            next.decor_mut().set_prefix(prefix);
        } else {
            let trailing = self.0.trailing().as_str().unwrap_or_default();
            let trailing = format!("{comments}\n{trailing}");
            self.0.set_trailing(trailing);
        }
    }
}

/// The part of the text before a header that an empty line separates from it, if it has a comment.
fn separated(before_header: &str) -> Option<&str> {
    let mut end = 0;
    let mut start = 0;
    for line in before_header.split_inclusive('\n') {
        start += line.len();
        if line.ends_with('\n') && line.trim().is_empty() {
            end = start;
        }
    }
    let separated = &before_header[..end];
    separated.contains('#').then_some(separated)
}

/// Lists the positions of a table and of those within it.
fn list_positions(table: &Table, positions: &mut Vec<isize>) {
    positions.extend(table.position());
    for (_, item) in table {
        match item {
            Item::Table(inner) => list_positions(inner, positions),
            Item::ArrayOfTables(tables) => {
                for inner in tables {
                    list_positions(inner, positions);
                }
            }
            Item::None | Item::Value(_) => {}
        }
    }
}

/// The table at a position: `table`, or one within it.
fn at_position(table: &mut Table, position: isize) -> Option<&mut Table> {
    if table.position() == Some(position) {
        return Some(table);
    }
    table.iter_mut().find_map(|(_, item)| match item {
        Item::Table(inner) => at_position(inner, position),
        Item::ArrayOfTables(tables) => {
            let mut tables = tables.iter_mut();
            tables.find_map(|inner| at_position(inner, position))
        }
        Item::None | Item::Value(_) => None,
    })
}

/// Returns `text` with a new table `[parent.name]` at its end, which has the keys of the TOML text `keys`. Where `parent` is
/// an inline table, the new table becomes one of its values.
///
/// # Errors
/// The reason, if `text` is not TOML, or has no room for the table.
pub(crate) fn with_table(
    text: &str,
    parent: &str,
    name: &str,
    keys: &Keys,
) -> Result<String, String> {
    let mut whole = TomlText::parse(text)?;
    let Keys(keys) = keys;
    let table = keys.as_table().clone();
    let inline = whole.root().get_mut(parent);
    if let Some(inline) = inline.and_then(Item::as_inline_table_mut) {
        inline.insert(name, Value::InlineTable(table.into_inline_table()));
        return Ok(whole.to_string());
    }
    let mut parents = Table::new();
    parents.set_implicit(true);
    parents.insert(name, Item::Table(table));
    let mut added = DocumentMut::new();
    added.insert(parent, Item::Table(parents));
    added.set_trailing(keys.trailing().clone());
    let added = added.to_string();
    let gap = if text.is_empty() || text.ends_with("\n\n") {
        ""
    } else if text.ends_with('\n') {
        "\n"
    } else {
        "\n\n"
    };
    Ok(format!("{text}{gap}{}\n", added.trim_end()))
}

/// The keys of a table, with comments.
#[derive(Clone, Debug)]
pub(crate) struct Keys(DocumentMut);

impl Keys {
    /// Parses a text.
    ///
    /// # Errors
    /// The line and the reason, if it is not TOML.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = text.parse::<DocumentMut>().map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            format!("line {line}: {}", error.message().replace('\n', ", "))
        });
        // Without the empty lines around it.
        parsed.map(|document| Self(text.trim().parse().unwrap_or(document)))
    }
}

impl std::fmt::Display for TomlText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Sets a value of a table, or removes it. A value that is the same keeps its notation.
pub(crate) fn set(table: &mut dyn TableLike, key: &str, value: Option<Value>) {
    let Some(mut value) = value else {
        table.remove(key);
        return;
    };
    match table.get_mut(key) {
        Some(Item::Value(old)) if is_same(old, &value) => {}
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        Some(_) | None => {
            table.insert(key, Item::Value(value));
        }
    }
}

/// Whether two values mean the same.
pub(crate) fn is_same(one: &Value, other: &Value) -> bool {
    let number = |value: &Value| {
        let whole = value.as_integer().map(|whole| whole as f64);
        whole.or_else(|| value.as_float())
    };
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Value::InlineTable(one), Value::InlineTable(other)) => {
            let has = |(key, value)| other.get(key).is_some_and(|other| is_same(value, other));
            one.len() == other.len() && one.iter().all(has)
        }
        _ => match (number(one), number(other)) {
            (Some(one), Some(other)) => one.total_cmp(&other).is_eq(),
            _ => one.as_str().is_some() && one.as_str() == other.as_str(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a line\nmodel.bundle = \"b\" # the model\n\n[cameras.top] # the upper one\nthreshold  =  0.50 # measured\n";

    fn changed(text: &str, path: &[&str], key: &str, value: Option<f64>) -> String {
        let mut text = TomlText::parse(text).expect("TOML");
        text.set(path, key, value.map(Value::from)).expect("tables");
        text.to_string()
    }

    #[test]
    fn change_keeps_everything_else() {
        let check = |path: &[&str], value, expected: &str| {
            assert_eq!(changed(TEXT, path, "threshold", value), expected);
        };
        check(
            &["cameras", "top"],
            Some(0.62),
            &TEXT.replace("0.50", "0.62"),
        );
        check(&["cameras", "top"], Some(0.5), TEXT);
        check(
            &["cameras", "top"],
            None,
            &TEXT.replace("threshold  =  0.50 # measured\n", ""),
        );
        check(
            &["verdict"],
            Some(3.0),
            &format!("{TEXT}\n[verdict]\nthreshold = 3.0\n"),
        );
        check(
            &["cameras", "left"],
            Some(0.1),
            &format!("{TEXT}\n[cameras.left]\nthreshold = 0.1\n"),
        );
        check(&["cameras", "left"], None, TEXT);
    }

    #[test]
    fn dotted_keys_and_inline_tables_stay_what_they_are() {
        let check = |text: &str, expected: &str| {
            assert_eq!(
                changed(text, &["verdict"], "threshold", Some(2.5)),
                expected
            );
        };
        check("verdict.threshold = 1\n", "verdict.threshold = 2.5\n");
        check(
            "verdict.review_from = 1\n",
            "verdict.review_from = 1\nverdict.threshold = 2.5\n",
        );
        check(
            "verdict = { threshold = 1 }\n",
            "verdict = { threshold = 2.5 }\n",
        );
        let mut text = TomlText::parse("verdict = 3\n").expect("TOML");
        let refused = text.set(&["verdict"], "threshold", Some(Value::from(1.0)));
        assert_eq!(refused, Err("verdict".to_owned()));
    }

    #[test]
    fn text_that_is_not_toml_is_refused_with_the_reason() {
        let error = TomlText::parse("a = = 1\n").expect_err("not TOML");
        assert!(!error.is_empty());
        let text = TomlText::parse(TEXT).expect("TOML");
        assert!(text.has(&["cameras", "top", "threshold"]));
        assert!(!text.has(&["cameras", "left"]));
        assert!(!text.has(&["model", "bundle", "deeper"]));
        assert_eq!(text.text_at(&["model", "bundle"]).as_deref(), Some("b"));
        assert_eq!(text.text_at(&["cameras", "top", "threshold"]), None);
    }

    /// The text without the table `cameras.right`, and the keys of that table.
    fn without_right(text: &str) -> (String, String) {
        let mut text = TomlText::parse(text).expect("TOML");
        let keys = text.remove_table(&["cameras", "right"]);
        (text.to_string(), keys.expect("a table"))
    }

    #[test]
    fn removed_table_takes_its_keys_and_comments_along_and_leaves_all_others() {
        let text = "# The line.\n\n[cameras.left]\nfps = 3\n# fps = 5\n\n# The right one.\n[cameras.right] # new\n\
                    # Every part.\nfps  =  4 # measured\n\n[cameras.right.check]\ndark_below = 3\n# The end of right.\n\n\
                    # The log.\n[log]\nfilter = \"info\"\n\n# The end.\n";
        let (rest, keys) = without_right(text);
        assert_eq!(
            rest,
            "# The line.\n\n[cameras.left]\nfps = 3\n# fps = 5\n\n# The end of right.\n\n# The log.\n[log]\n\
             filter = \"info\"\n\n# The end.\n"
        );
        assert_eq!(
            keys,
            "# Every part.\nfps  =  4 # measured\n\n[check]\ndark_below = 3\n"
        );
        let last = "[cameras.left]\nfps = 3\n# fps = 5\n\n[cameras.right]\nfps = 4\n# The end.\n";
        assert_eq!(
            without_right(last),
            (
                "[cameras.left]\nfps = 3\n# fps = 5\n# The end.\n".to_owned(),
                "fps = 4\n".to_owned()
            )
        );
    }

    #[test]
    fn table_is_removed_in_every_notation() {
        let check = |text: &str, rest: &str, keys: &str| {
            assert_eq!(without_right(text), (rest.to_owned(), keys.to_owned()));
        };
        check(
            "cameras.left.fps = 3\n# The right one.\ncameras.right.fps = 4 # measured\ncameras.right.check.dark_below = 3\n",
            "cameras.left.fps = 3\n",
            "# The right one.\nfps = 4 # measured\ncheck.dark_below = 3\n",
        );
        check(
            "[cameras]\nleft.fps = 3\nright = { fps = 4, crop = { left = 1 } }\n",
            "[cameras]\nleft.fps = 3\n",
            "fps = 4\ncrop = { left = 1 }\n",
        );
        check(
            "cameras = { right = { fps = 4 }, left = { fps = 3 } }\n",
            "cameras = { left = { fps = 3 } }\n",
            "fps = 4\n",
        );
        check(
            "[cameras.right.check]\ndark_below = 3\n[log]\nfilter = \"info\"\n",
            "[log]\nfilter = \"info\"\n",
            "[check]\ndark_below = 3\n",
        );
        let mut text = TomlText::parse(TEXT).expect("TOML");
        assert_eq!(text.remove_table(&["cameras", "right"]), None);
        assert_eq!(text.remove_table(&["model", "bundle"]), None);
        assert_eq!(text.to_string(), TEXT);
    }

    #[test]
    fn added_table_is_at_the_end_and_can_be_removed_again() {
        let keys = "# The right one.\nfps = 4 # measured\n\n[check]\ndark_below = 3\n# The end.\n";
        let parsed = Keys::parse(&format!("\n{keys}\n")).expect("TOML");
        for text in [
            "",
            "cameras.left.fps = 3\n",
            TEXT,
            "[log]\nfilter = \"info\"\n\n# The end.\n",
        ] {
            let added = with_table(text, "cameras", "right", &parsed).expect("TOML");
            let table = "[cameras.right]\n# The right one.\nfps = 4 # measured\n\n[cameras.right.check]\ndark_below = 3\n";
            assert!(added.starts_with(text), "{added}");
            assert!(added.ends_with(&format!("{table}# The end.\n")), "{added}");
            let (rest, removed) = without_right(&added);
            assert!(rest.starts_with(text.trim_end()), "{rest}");
            assert_eq!(format!("{removed}# The end.\n"), keys);
        }
        let inline = "cameras = { left = { fps = 3 } }\n";
        let added = with_table(inline, "cameras", "right", &parsed).expect("TOML");
        let (_, removed) = without_right(&added);
        assert_eq!(removed, "fps = 4\ncheck = { dark_below = 3 }\n");
        let refused = Keys::parse("\nfps = 4\nsource = = 4\n").expect_err("not TOML");
        assert!(refused.starts_with("line 3: "), "{refused}");
    }
}
