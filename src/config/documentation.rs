//! `docs/configuration.md`: its tables are made from the table of keys, its prose is the page's own.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::table::{CAMERAS, Fallback, Key, SECTIONS, Section};

/// What is between these lines of the page is made.
const BEGIN: &str = "<!-- keys: made from the code; UPDATE_DOCS=1 cargo test writes it -->\n";
const END: &str = "<!-- end of keys -->\n";

/// The page's file.
pub(super) fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")
}

/// All keys, a table for each section.
fn keys() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        write(&mut text, section).expect("a text takes everything");
    }
    text
}

fn write(text: &mut String, section: &Section) -> std::fmt::Result {
    let id = if section.name == CAMERAS { ".ID" } else { "" };
    writeln!(text, "\n### `[{}{id}]`\n\n{}\n", section.name, section.doc)?;
    writeln!(
        text,
        "| key | value | default | live | what it does |\n|---|---|---|---|---|"
    )?;
    for key in section.keys {
        let live = if key.live { "yes" } else { "" };
        let Key { name, doc, .. } = key;
        let (value, default) = (value(key), default(key));
        writeln!(
            text,
            "| `{name}` | {value} | {default} | {live} | {}{doc} |",
            sources(key)
        )?;
    }
    Ok(())
}

fn value(key: &Key) -> String {
    let unit = if key.unit.is_empty() {
        String::new()
    } else {
        format!(", {}", key.unit)
    };
    format!("{}{unit}", key.kind.allowed())
}

fn default(key: &Key) -> String {
    match key.fallback {
        Fallback::Value(text) => format!("`{text}`"),
        Fallback::Unset => "unset".to_owned(),
        Fallback::Required => "required".to_owned(),
    }
}

fn sources(key: &Key) -> String {
    if key.sources.is_empty() {
        return String::new();
    }
    format!("*{}*: ", key.sources.join(", "))
}

#[test]
fn the_page_has_every_key_as_it_is() {
    let page = page();
    let text = std::fs::read_to_string(&page).expect("the page is there");
    let (before, rest) = text.split_once(BEGIN).expect("the keys begin");
    let (_, after) = rest.split_once(END).expect("the keys end");
    let expected = format!("{before}{BEGIN}{}\n{END}{after}", keys());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, expected).expect("the page can be written");
    } else {
        assert!(
            text == expected,
            "docs/configuration.md is out of date: UPDATE_DOCS=1 cargo test writes it"
        );
    }
}
