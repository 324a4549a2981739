//! `docs/configuration.md`: its tables are generated from the declarations of the keys, its prose is written
//! by hand.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::key::{Fallback, Key};
use super::table::{CAMERAS, Section, sections};

/// The lines around the generated part of the page.
const BEGIN: &str =
    "<!-- keys: generated from the code; UPDATE_DOCS=1 cargo test writes them -->\n";
const END: &str = "<!-- end of keys -->\n";

/// Path of the page.
pub(super) fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")
}

/// All keys, one table for each section.
fn keys() -> String {
    let mut text = String::new();
    for section in sections() {
        write(&mut text, section).expect("writing to a text cannot fail");
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
    for key in &section.keys {
        let live = if key.live { "yes" } else { "" };
        let Key { name, doc, .. } = key;
        let (value, default) = (key.allowed(), default(key));
        writeln!(
            text,
            "| `{name}` | {value} | {default} | {live} | {}{doc} |",
            sources(key)
        )?;
    }
    Ok(())
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
fn page_documents_every_key_as_declared() {
    let page = page();
    let text = std::fs::read_to_string(&page).expect("the page exists");
    let (before, rest) = text.split_once(BEGIN).expect("the start of the keys");
    let (_, after) = rest.split_once(END).expect("the end of the keys");
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
