use clap::Arg;

use super::*;

const MANUAL: Manual<'static> = Manual {
    section: "1",
    see_also: &["other(5)", "third(8)"],
};

/// A program with nested, hidden and global parts.
fn program() -> Command {
    let server = Arg::new("server").long("server").global(true);
    let hidden = Arg::new("secret").long("secret").hide(true);
    Command::new("tool")
        .version("1.2.3")
        .about("Does things")
        .after_help("Exit codes:\n   0  success\n  64  'wrong' arguments")
        .arg(server)
        .arg(hidden)
        .subcommand(
            Command::new("camera")
                .about("Sets cameras")
                .subcommand(Command::new("set").arg(Arg::new("gain").long("gain"))),
        )
        .subcommand(Command::new("inner").hide(true))
}

#[test]
fn every_visible_command_has_a_page_and_hidden_ones_have_none() {
    let pages = pages(program(), MANUAL);
    let names: Vec<&str> = pages.iter().map(|page| page.file_name.as_str()).collect();
    assert_eq!(
        names,
        ["tool-camera-set.1", "tool-camera.1", "tool.1"],
        "{pages:?}"
    );
    assert_eq!(missing(program(), &pages), Vec::<String>::new());
    assert!(pages.iter().all(|page| !page.text.contains("secret")));
}

#[test]
fn page_has_title_exit_status_and_other_pages() {
    let pages = pages(program(), MANUAL);
    let main = &pages[2].text;
    assert!(
        main.contains(".TH TOOL 1 \" \" \"tool 1.2.3\" \"inspectd manual\"\n"),
        "{main}"
    );
    let status = ".SH \"EXIT STATUS\"\n.nf\n   0  success\n  64  'wrong' arguments\n.fi\n";
    assert!(main.contains(status), "{main}");
    assert!(main.contains("\n.nh\n.ad l\n"), "{main}");
    assert!(main.contains("[\\fIcommand\\fR]\n"), "{main}");
    let others = ".SH \"SEE ALSO\"\n\\fBother\\fR(5), \\fBthird\\fR(8)\n";
    assert!(main.ends_with(others), "{main}");
    let nested = &pages[0].text;
    assert!(nested.ends_with("\\fBtool\\-camera\\fR(1)\n"), "{nested}");
    assert!(nested.contains("\\fB\\-\\-server\\fR"), "{nested}");
}

#[test]
fn text_after_the_help_is_a_table_or_a_paragraph() {
    let check = |text: &str, expected: &str| assert_eq!(after_help(text), expected, "{text}");
    check(
        "Exit codes, the first that applies:\n  1  not read\n",
        ".SH \"EXIT STATUS\"\n.nf\nExit codes, the first that applies:\n  1  not read\n.fi\n",
    );
    check(
        "Exit codes: 0 stopped;\n64 wrong usage.",
        ".SH \"EXIT STATUS\"\n0 stopped;\n64 wrong usage.\n",
    );
    check(
        "See the manual.\n\nOr call.\n\nExit codes:\n  0  yes",
        ".SH NOTES\nSee the manual.\n.PP\nOr call.\n.SH \"EXIT STATUS\"\n.nf\n  0  yes\n.fi\n",
    );
}

#[test]
fn missing_page_and_missing_option_are_reported() {
    let mut pages = pages(program(), MANUAL);
    pages[0].text = pages[0].text.replace("gain", "again");
    pages.remove(1);
    assert_eq!(
        missing(program(), &pages),
        [
            "no page tool-camera",
            "--gain is not on the page tool-camera-set.1"
        ]
    );
}

#[test]
fn pages_are_written_into_a_new_folder_and_an_error_names_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("share/man");
    let pages = pages(program(), MANUAL);
    write(&pages, &inner).expect("a writable folder");
    let read = fs::read_to_string(inner.join("tool.1")).expect("the page");
    assert_eq!(read, pages[2].text);

    let file = folder.path().join("file");
    fs::write(&file, "").expect("a writable folder");
    let error = write(&pages, &file).expect_err("a file is no folder");
    assert!(error.to_string().starts_with(&file.display().to_string()));
}
