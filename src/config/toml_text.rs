//! Changes single values of a TOML text. Everything else keeps its comments, order and layout.

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

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
    }
}
