//! `inspectd.toml(5)`: the man page of the configuration. Its keys are those of the declarations, as in
//! `docs/configuration.md`.

use inspectd_man_pages::{LEFT_ALIGNED, NO_DATE, TITLE, see_also};
use roff::{Inline, Roff, bold, italic, roman};

use super::key::{Fallback, Key};
use super::table::{CAMERAS, Section, sections};

/// The layers. Each overrides those before it.
const LAYERS: [&str; 4] = [
    "The defaults below.",
    "The main file, `/etc/inspectd/inspectd.toml` unless the option `--config` names another.",
    "The files `conf.d/*.toml` next to it, in the order of their names. Hidden files are ignored; the folder is optional.",
    "Environment variables: `INSPECTD__SERVER__LISTEN=0.0.0.0:50051` sets `listen` of `[server]`. Names after `INSPECTD__` are converted to lower case. Values are written without quotes.",
];

/// The paragraphs after the layers.
const PARAGRAPHS: [&str; 4] = [
    "All faults are reported together, each with file and line, key, value and allowed values. Unknown keys are faults. `inspectd check` validates the configuration and exits.",
    "A relative path in a file is relative to the folder of that file. A whole number is allowed where a number is. A file has at most 1 MiB.",
    "Values that may contain a password (`url`, `pipeline`) are never shown. Keep them in a file of `conf.d` that only the daemon's user can read.",
    "A reload reads the configuration again: when a file changes (`life.watch_files`), on SIGHUP, or by `inspectctl reload`. Keys that are marked as live are applied while frames are inspected; all other keys wait for a restart. An invalid configuration changes nothing.",
];

const EXAMPLE: &str = r#"[model]
bundle = "/var/lib/inspectd/bundles/juice"

[cameras.left]
source = "device"
device = "/dev/v4l/by-id/usb-left"
mode = "triggered"

[cameras.right]
source = "url"
url = "rtsp://camera-right.local/stream"
threshold = 0.7"#;

/// Files, and what they contain.
const FILES: [(&str, &str); 4] = [
    ("/etc/inspectd/inspectd.toml", "The main file."),
    ("/etc/inspectd/conf.d/*.toml", "Files that override it."),
    (
        "/usr/share/doc/inspectd/inspectd.toml",
        "An example with comments.",
    ),
    (
        "/usr/share/doc/inspectd/configuration.md",
        "The configuration in more detail.",
    ),
];

/// The man page `inspectd.toml(5)`, in roff.
pub fn man_page() -> String {
    let mut title = Roff::new();
    let source = concat!("inspectd ", env!("CARGO_PKG_VERSION"));
    title.control("TH", ["INSPECTD.TOML", "5", NO_DATE, source, TITLE]);
    let mut roff = Roff::new();
    roff.control("SH", ["NAME"])
        .text([roman("inspectd.toml - configuration of inspectd")]);
    roff.control("SH", ["SYNOPSIS"])
        .text([bold("/etc/inspectd/inspectd.toml")])
        .control("br", [])
        .text([bold("/etc/inspectd/conf.d/*.toml")]);
    description(&mut roff);
    roff.control("SH", ["KEYS"]);
    for section in sections() {
        keys(&mut roff, section);
    }
    roff.control("SH", ["EXAMPLE"]).control("nf", []);
    for line in EXAMPLE.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []).control("SH", ["FILES"]);
    for (file, content) in FILES {
        roff.control("TP", [])
            .text([bold(file)])
            .text([roman(content)]);
    }
    [
        title.to_roff(),
        LEFT_ALIGNED.to_owned(),
        roff.render(),
        see_also(&["inspectd(8)", "inspectctl(1)"]),
    ]
    .concat()
}

fn description(roff: &mut Roff) {
    roff.control("SH", ["DESCRIPTION"]).text([roman(
        "inspectd reads TOML files and environment variables, and validates them as a whole. Later layers override \
         earlier ones, key by key:",
    )]);
    for (number, layer) in (1..).zip(LAYERS) {
        roff.control("IP", [format!("{number}.").as_str(), "4"])
            .text(inlines(layer));
    }
    for paragraph in PARAGRAPHS {
        roff.control("PP", []).text(inlines(paragraph));
    }
}

fn keys(roff: &mut Roff, section: &Section) {
    let id = if section.name == CAMERAS { ".ID" } else { "" };
    roff.control("SS", [format!("[{}{id}]", section.name).as_str()]);
    roff.text(inlines(section.doc));
    for key in &section.keys {
        roff.control("TP", [])
            .text([bold(key.name), roman(format!(" = {}", key.allowed()))]);
        let mut text = Vec::new();
        if !key.sources.is_empty() {
            text.push(italic(key.sources.join(", ")));
            text.push(roman(": "));
        }
        text.extend(inlines(key.doc));
        text.extend(default(key));
        if key.live {
            text.push(roman(" Live."));
        }
        roff.text(text);
    }
}

fn default(key: &Key) -> Vec<Inline> {
    match key.fallback {
        Fallback::Value(text) => vec![roman(" Default: "), bold(text), roman(".")],
        // Its documentation already says what that means.
        Fallback::Unset if key.doc.contains("Unset:") => vec![],
        Fallback::Unset => vec![roman(" Default: unset.")],
        Fallback::Required => vec![roman(" Required.")],
    }
}

/// The text, with what stands between backticks in bold.
fn inlines(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    let parts = parts.filter(|(_, part)| !part.is_empty());
    parts
        .map(|(place, part)| {
            if place % 2 == 0 {
                roman(part)
            } else {
                bold(part)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of the page, by the heading of the section that they document.
    fn part<'a>(page: &'a str, heading: &str) -> &'a str {
        let begin = format!(".SS {heading}\n");
        let (_, rest) = page.split_once(&begin).expect("the section");
        rest.split(".S").next().expect("a part")
    }

    #[test]
    fn every_key_is_on_the_page_with_its_text() {
        let page = man_page();
        for section in sections() {
            let id = if section.name == "cameras" { ".ID" } else { "" };
            let part = part(&page, &format!("[{}{id}]", section.name));
            // As it is printed: no escapes, no changes of the font.
            let mut plain = part.replace("\\-", "-").replace("\\*(Aq", "'");
            for font in ["\\fB", "\\fI", "\\fR", "\\&"] {
                plain = plain.replace(font, "");
            }
            for key in &section.keys {
                let head = format!(".TP\n{} = {}\n", key.name, key.allowed());
                assert!(plain.contains(&head), "{head} is not in {part}");
                let doc = key.doc.replace('`', "");
                assert!(plain.contains(&doc), "{doc} is not in {part}");
            }
            assert_eq!(plain.matches(".TP\n").count(), section.keys.len());
        }
    }

    #[test]
    fn key_has_its_default_its_sources_and_whether_it_is_live() {
        let page = man_page();
        assert!(page.starts_with(".TH INSPECTD.TOML 5 \" \" \"inspectd "));
        let listen = "Default: \\fB127.0.0.1:50051\\fR.\n";
        assert!(part(&page, "[server]").contains(listen));
        let bundle = " Required. Live.\n";
        assert!(part(&page, "[model]").contains(bundle));
        let socket = " is replaced. Default: unset.\n";
        assert!(part(&page, "[server]").contains(socket));
        let model_folder = "in \\fBjournal.folder\\fR.\n";
        assert!(part(&page, "[model]").contains(model_folder));
        let device = "\\fIdevice\\fR: The device";
        assert!(part(&page, "[cameras.ID]").contains(device));
    }

    #[test]
    fn backticks_become_bold() {
        let inlines = inlines("`a` is b, not `c`.");
        let expected = [bold("a"), roman(" is b, not "), bold("c"), roman(".")];
        assert_eq!(inlines, expected);
    }
}
