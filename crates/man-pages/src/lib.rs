//! Man pages and completion scripts of a program, made of its command line: one page for each command that is
//! not hidden. No command is listed by hand.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
pub use clap_complete::Shell;
use clap_mangen::Man;
use roff::{Inline, Roff, bold, roman};

/// A man page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Name of the file: `inspectctl-status.1`.
    pub file_name: String,
    /// The page, in roff.
    pub text: String,
}

/// What the pages of a program have in common.
#[derive(Clone, Copy, Debug)]
pub struct Manual<'a> {
    /// Section of the manual: `1` for commands, `8` for commands of the administrator.
    pub section: &'a str,
    /// Other pages that the page of the program names: `inspectd.toml(5)`.
    pub see_also: &'a [&'a str],
}

/// Title of the manual in the footer of each page.
pub const TITLE: &str = "inspectd manual";

/// The date in the title of a page: none, so that the same program has the same pages. An empty text would not be
/// quoted, and the arguments after it would take its place.
pub const NO_DATE: &str = " ";

/// Lines are not justified and words are not hyphenated: commands, names of keys and paths stay as they are.
pub const LEFT_ALIGNED: &str = ".nh\n.ad l\n";

/// The pages of the program and of all its commands, also of nested ones, in the order of their file names.
///
/// # Panics
/// Never: writing to memory cannot fail.
pub fn pages(command: Command, manual: Manual<'_>) -> Vec<Page> {
    let mut command = named_commands(command.disable_help_subcommand(true));
    command.build();
    let source = version(&command);
    let mut pages = Vec::new();
    collect(&command, None, manual, &source, &mut pages);
    pages.sort_by(|one, other| one.file_name.cmp(&other.file_name));
    pages
}

/// The command with `COMMAND` in its synopsis for a command below it, at all levels.
fn named_commands(command: Command) -> Command {
    let command = command.subcommand_value_name("COMMAND");
    command.mut_subcommands(named_commands)
}

/// Name and version: `inspectd 0.2.0`.
fn version(command: &Command) -> String {
    let version = command.get_version().unwrap_or_default();
    format!("{} {version}", command.get_name())
}

/// The commands of `command` that are not hidden.
fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set())
}

/// Name of the page of a command: `inspectctl-camera-set`.
fn page_name(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

fn collect(
    command: &Command,
    parent: Option<&str>,
    manual: Manual<'_>,
    source: &str,
    pages: &mut Vec<Page>,
) {
    let text = page(command, parent, manual, source).expect("writing to memory cannot fail");
    let name = page_name(command);
    pages.push(Page {
        file_name: format!("{name}.{}", manual.section),
        text: String::from_utf8(text).expect("all parts are texts"),
    });
    for sub in visible(command) {
        collect(sub, Some(name), manual, source, pages);
    }
}

fn page(
    command: &Command,
    parent: Option<&str>,
    manual: Manual<'_>,
    source: &str,
) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone())
        .title(page_name(command).to_uppercase())
        .section(manual.section)
        .date(NO_DATE)
        .source(source)
        .manual(TITLE);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    text.write_all(LEFT_ALIGNED.as_bytes())?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if command
        .get_arguments()
        .any(|argument| !argument.is_hide_set())
    {
        man.render_options_section(&mut text)?;
    }
    if visible(command).next().is_some() {
        man.render_subcommands_section(&mut text)?;
    }
    if let Some(notes) = command.get_after_long_help().or(command.get_after_help()) {
        text.write_all(after_help(&notes.to_string()).as_bytes())?;
    }
    let parent = parent.map(|name| format!("{name}({})", manual.section));
    let others: Vec<&str> = match &parent {
        Some(parent) => vec![parent],
        None => manual.see_also.to_vec(),
    };
    text.write_all(see_also(&others).as_bytes())?;
    Ok(text)
}

/// The blocks of the text at the end of the help, which empty lines separate: the exit codes have a section of their
/// own.
fn after_help(text: &str) -> String {
    let (codes, notes): (Vec<&str>, Vec<&str>) = text
        .split("\n\n")
        .partition(|block| block.starts_with("Exit codes"));
    let mut roff = Roff::new();
    for (title, blocks) in [("NOTES", notes), ("EXIT STATUS", codes)] {
        for (place, block) in blocks.into_iter().enumerate() {
            if place == 0 {
                roff.control("SH", [title]);
            } else {
                roff.control("PP", []);
            }
            let text = block.strip_prefix("Exit codes:").unwrap_or(block);
            write_block(&mut roff, text.trim_start_matches('\n'));
        }
    }
    roff.to_roff()
}

/// Writes a block: a table of indented lines as it is, other text as a paragraph.
fn write_block(roff: &mut Roff, block: &str) {
    if block.lines().any(|line| line.starts_with("  ")) {
        roff.control("nf", []);
        for line in block.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    } else {
        for line in block.lines() {
            roff.text([roman(line.trim())]);
        }
    }
}

/// The section that names other pages; empty if there are none.
pub fn see_also(pages: &[&str]) -> String {
    if pages.is_empty() {
        return String::new();
    }
    let mut line: Vec<Inline> = Vec::new();
    for page in pages {
        let (name, section) = page.split_once('(').unwrap_or((page, ""));
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.push(bold(name));
        if !section.is_empty() {
            line.push(roman(format!("({section}")));
        }
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]).text(line);
    roff.to_roff()
}

/// What `pages` lack of the program: a page of a command, or an option on it. It reads the pages as text, so that
/// it does not depend on how they were made.
pub fn missing(command: Command, pages: &[Page]) -> Vec<String> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut faults = Vec::new();
    look_for(&command, pages, &mut faults);
    faults
}

fn look_for(command: &Command, pages: &[Page], faults: &mut Vec<String>) {
    let name = page_name(command);
    let is_page = |page: &&Page| {
        let stem = page.file_name.rsplit_once('.').map(|(stem, _)| stem);
        stem == Some(name)
    };
    match pages.iter().find(is_page) {
        None => faults.push(format!("no page {name}")),
        Some(page) => {
            let text = page.text.replace("\\-", "-");
            let options = command
                .get_arguments()
                .filter(|option| !option.is_hide_set());
            for long in options.filter_map(|option| option.get_long()) {
                if !text.contains(&format!("\\fB--{long}\\fR")) {
                    faults.push(format!("--{long} is not on the page {}", page.file_name));
                }
            }
        }
    }
    for sub in visible(command) {
        look_for(sub, pages, faults);
    }
}

/// Writes the pages into `folder`, which is made if it does not exist.
///
/// # Errors
/// When the folder cannot be made, or a file cannot be written. The error names it.
pub fn write(pages: &[Page], folder: &Path) -> io::Result<()> {
    let named = |path: &Path, error: &io::Error| {
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| named(folder, &error))?;
    for page in pages {
        let file = folder.join(&page.file_name);
        fs::write(&file, &page.text).map_err(|error| named(&file, &error))?;
    }
    Ok(())
}

/// Prints the completion script of `shell`, from memory: the generator panics if standard output is closed.
///
/// # Errors
/// When standard output is closed.
pub fn print_completion(mut command: Command, shell: Shell) -> io::Result<()> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    io::stdout().write_all(&script)
}

#[cfg(test)]
mod tests;
