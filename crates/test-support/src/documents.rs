//! The documents of the project: blocks of code, and the commands that they show.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell;

/// A block of code.
#[derive(Clone, Debug)]
pub struct CodeBlock {
    /// Its document, relative to the root of the project: `docs/fit.md`.
    pub document: String,
    /// The line of its fence, from 1.
    pub line: usize,
    /// The language after the fence; empty if there is none.
    pub language: String,
    /// Its content.
    pub text: String,
    /// The HTML comment on the lines directly before the fence, without its marks; empty if there is none.
    pub comment: String,
}

/// A command that a document shows.
#[derive(Clone, Debug)]
pub(crate) struct DocumentedCommand {
    /// Document and line: `docs/fit.md:7`.
    pub place: String,
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Whether it stands in a sentence, where it may lack arguments: `mhkd fit`.
    pub in_prose: bool,
}

/// The root of the project.
pub fn project_root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The documents: those of the root, of `docs` and of the examples, by path.
///
/// # Panics
/// When a folder cannot be read.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(project_root(), false, &mut found);
    for folder in ["docs", "examples", "clients", "packaging"] {
        let folder = project_root().join(folder);
        if folder.is_dir() {
            collect(&folder, true, &mut found);
        }
    }
    // Old commands of the history stay as they were.
    found.retain(|file| !file.ends_with("CHANGELOG.md"));
    found.sort();
    found
}

fn collect(folder: &Path, deep: bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_fetched = name.starts_with('.') || name == "node_modules" || name == "obj";
        if path.is_dir() && deep && !is_fetched {
            collect(&path, deep, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The blocks of code of a document.
///
/// # Panics
/// When it cannot be read, or a block does not end.
pub fn code_blocks(document: &Path) -> Vec<CodeBlock> {
    parts(document).0
}

/// The blocks of code of a document, and its other lines with their numbers.
fn parts(document: &Path) -> (Vec<CodeBlock>, Vec<(usize, String)>) {
    let text = fs::read_to_string(document).expect("a readable document");
    let name = document.strip_prefix(project_root()).unwrap_or(document);
    let name = name.to_string_lossy().trim_start_matches("./").to_owned();
    let mut blocks: Vec<CodeBlock> = Vec::new();
    let mut prose = Vec::new();
    let mut open: Option<(CodeBlock, usize)> = None;
    for (index, line) in text.lines().enumerate() {
        let content = line.trim_start();
        match &mut open {
            Some((block, _)) if content.starts_with("```") => {
                blocks.push(block.clone());
                open = None;
            }
            Some((block, indent)) => {
                let skipped = (*indent).min(line.len() - content.len());
                block.text.push_str(&line[skipped..]);
                block.text.push('\n');
            }
            None if content.starts_with("```") => {
                let block = CodeBlock {
                    document: name.clone(),
                    line: index + 1,
                    language: content.trim_start_matches('`').trim().to_owned(),
                    text: String::new(),
                    comment: comment_before(&prose, index),
                };
                open = Some((block, line.len() - content.len()));
            }
            None => prose.push((index + 1, line.to_owned())),
        }
    }
    assert!(open.is_none(), "{name}: a block of code does not end");
    (blocks, prose)
}

/// The HTML comment that ends on the line before `line` (from 1), which has the lines before in `prose`.
fn comment_before(prose: &[(usize, String)], line: usize) -> String {
    let Some((_, last)) = prose.last().filter(|(number, _)| *number == line) else {
        return String::new();
    };
    if !last.trim_end().ends_with("-->") {
        return String::new();
    }
    let start = prose
        .iter()
        .rposition(|(_, text)| text.trim_start().starts_with("<!--"));
    let lines = prose[start.unwrap_or(prose.len())..].iter();
    let text: Vec<_> = lines.map(|(_, text)| text.trim()).collect();
    let text = text.join(" ");
    let text = text.trim_start_matches("<!--").trim_end_matches("-->");
    text.trim().to_owned()
}

/// The commands of a program in all documents: in blocks of the shell, after `$ ` in blocks without a language, and in
/// code within sentences.
///
/// # Panics
/// When a document cannot be read.
pub(crate) fn documented_commands(program: &str) -> Vec<DocumentedCommand> {
    let mut found = Vec::new();
    for document in documents() {
        let (blocks, prose) = parts(&document);
        for block in &blocks {
            let script = match block.language.as_str() {
                "sh" => block.text.clone(),
                "" | "console" => prompted(&block.text),
                _ => continue,
            };
            let place = format!("{}:{}", block.document, block.line);
            found.extend(of_program(program, &script, &place, false));
        }
        let name = document.strip_prefix(project_root()).unwrap_or(&document);
        for (span, line) in code_spans(&prose) {
            let place = format!("{}:{line}", name.display());
            found.extend(of_program(program, &span, &place, true));
        }
    }
    found
}

/// The lines after a prompt.
fn prompted(text: &str) -> String {
    let lines = text.lines().filter_map(|line| line.strip_prefix("$ "));
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn of_program(program: &str, script: &str, place: &str, in_prose: bool) -> Vec<DocumentedCommand> {
    let commands = shell::commands(script).into_iter();
    let own = commands.filter(|words| words.first().is_some_and(|word| word == program));
    own.map(|words| DocumentedCommand {
        place: place.to_owned(),
        words,
        in_prose,
    })
    .collect()
}

/// Code within sentences, which may continue on the next line, and its line.
fn code_spans(prose: &[(usize, String)]) -> Vec<(String, usize)> {
    let mut spans = Vec::new();
    let mut open: Option<(String, usize)> = None;
    for (number, line) in prose {
        if line.trim().is_empty() {
            open = None;
        }
        for (index, piece) in line.split('`').enumerate() {
            if index > 0 {
                match open.take() {
                    Some(span) => spans.push(span),
                    None => open = Some((String::new(), *number)),
                }
            }
            if let Some((text, _)) = &mut open {
                text.push_str(piece);
            }
        }
        if let Some((text, _)) = &mut open {
            text.push(' ');
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Page\n\nUse `mhkd fit` or `mhkd\npredict a b`.\n\n<!-- not run:\n  no camera -->\n```sh\nmhkd fit x \
                        \\\n  --out y\n```\n\n```\n$ mhkd bench\noutput mhkd\n```\n\n- item\n\n  ```toml\n  a = 1\n  ```\n";

    fn page() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("page.md");
        fs::write(&path, PAGE).expect("written");
        (folder, path)
    }

    #[test]
    fn blocks_have_their_language_text_and_comment() {
        let (_folder, path) = page();
        let blocks = code_blocks(&path);
        let found: Vec<_> = blocks
            .iter()
            .map(|block| {
                (
                    block.line,
                    block.language.as_str(),
                    block.comment.as_str(),
                    block.text.as_str(),
                )
            })
            .collect();
        let expected = [
            (8, "sh", "not run: no camera", "mhkd fit x \\\n  --out y\n"),
            (13, "", "", "$ mhkd bench\noutput mhkd\n"),
            (20, "toml", "", "a = 1\n"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn commands_are_found_in_blocks_and_in_sentences() {
        let (_folder, path) = page();
        let (blocks, prose) = parts(&path);
        let script = of_program("mhkd", &blocks[0].text, "page", false);
        assert_eq!(script[0].words, ["mhkd", "fit", "x", "--out", "y"]);
        assert_eq!(prompted(&blocks[1].text), "mhkd bench\n");
        let spans = code_spans(&prose);
        let expected = [
            ("mhkd fit".to_owned(), 3),
            ("mhkd predict a b".to_owned(), 3),
        ];
        assert_eq!(spans, expected);
    }

    #[test]
    fn documents_of_the_project_are_found() {
        let names: Vec<_> = documents()
            .iter()
            .map(|file| {
                file.file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        for name in ["README.md", "operations.md", "fit.md"] {
            assert!(names.iter().any(|found| found == name), "{names:?}");
        }
    }
}
