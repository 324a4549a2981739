//! The scripts that make packages: a library that is not the published one is refused, and installed pages have no link that
//! leads nowhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use inspectd_test_support::{missing, project_root, require};

/// Runs a script of the project. Returns its exit code and all its output.
fn script(name: &str, arguments: &[&Path]) -> (i32, String) {
    let mut command = Command::new(project_root().join("scripts").join(name));
    let output = command.args(arguments).output().expect("a started script");
    let text = [output.stdout, output.stderr].concat();
    let code = output.status.code().expect("no signal");
    (code, String::from_utf8_lossy(&text).into_owned())
}

/// The folder of the library that `scripts/setup.sh` fetches.
#[track_caller]
fn published() -> Option<PathBuf> {
    let folder = project_root().join(".tools/onnxruntime");
    if folder.is_dir() {
        return Some(folder);
    }
    missing(
        "the folder .tools/onnxruntime",
        "run `scripts/setup.sh runtime`",
    )
}

#[test]
fn library_that_differs_from_the_published_one_is_refused() {
    let published = require!(published());
    let check = |folder: &Path| script("check_libraries.sh", &[Path::new("onnxruntime"), folder]);
    assert_eq!(check(&published), (0, String::new()));

    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let entries = fs::read_dir(&published).expect(".tools/onnxruntime");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let is_library = |path: &PathBuf| path.is_file() && !path.is_symlink();
    let library = files.filter(is_library).max().expect("a library");
    let copy = folder.join(library.file_name().expect("a name"));
    fs::copy(&library, &copy).expect("copied");
    assert_eq!(check(folder), (0, String::new()));

    // One more, a link to another one, one byte changed, none.
    let other = folder.join("libother.so");
    fs::write(&other, "other").expect("written");
    let (code, text) = check(folder);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("not libraries of onnxruntime: libother.so"),
        "{text}"
    );
    fs::remove_file(&other).expect("removed");
    std::os::unix::fs::symlink("/usr/lib/libother.so", folder.join("libonnxruntime.so"))
        .expect("a link");
    let (code, text) = check(folder);
    assert_eq!(code, 1, "{text}");
    fs::remove_file(folder.join("libonnxruntime.so")).expect("removed");
    let mut bytes = fs::read(&copy).expect("the library");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&copy, bytes).expect("written");
    let (code, text) = check(folder);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("not the libraries of onnxruntime that were published"),
        "{text}"
    );
    fs::remove_file(&copy).expect("removed");
    assert_eq!(check(folder).0, 1);

    let unknown = script("check_libraries.sh", &[Path::new("opencv"), folder]);
    assert_eq!(unknown.0, 64, "{}", unknown.1);
}

#[test]
fn every_wheel_of_a_shipped_library_has_a_hash_for_each_architecture() {
    for (list, wheels) in [("onnxruntime", 1), ("libtorch", 3)] {
        let folder = project_root().join("scripts/libraries");
        let text = fs::read_to_string(folder.join(list).with_extension("txt")).expect("a list");
        let count = |part: &str| text.matches(part).count();
        assert_eq!(count("=="), wheels, "{text}");
        assert_eq!(count("--hash=sha256:"), 2 * wheels, "{text}");
        for architecture in ["x86_64", "aarch64"] {
            let name = format!("{list}.{architecture}.sha256");
            let text = fs::read_to_string(folder.join(&name)).expect("a list");
            let mut hashes = text.lines().map(|line| line.split("  ").next());
            let is_hash =
                |hash: &str| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(
                hashes.all(|hash| hash.is_some_and(is_hash)),
                "{name}: {text}"
            );
        }
    }
}

/// The targets of the links and pictures of a page, without headings.
fn targets(text: &str) -> BTreeSet<String> {
    let rests = text.split("](").skip(1);
    let targets = rests.filter_map(|rest| rest.split([')', '#', ' ']).next());
    let targets = targets.filter(|target| !target.is_empty());
    targets.map(str::to_owned).collect()
}

#[test]
fn links_of_installed_pages_lead_to_installed_files_or_to_the_repository() {
    const REPOSITORY: &str = "https://github.com/inspectd/inspectd/blob/main/";
    let root = project_root();
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["operations.md", "page.md", "plc.md"];
    let pages = names.map(|name| root.join("docs").join(name));
    let arguments: Vec<&Path> = [folder.path()]
        .into_iter()
        .chain(pages.iter().map(PathBuf::as_path))
        .collect();
    let (code, text) = script("install_pages.sh", &arguments);
    assert_eq!((code, text.as_str()), (0, ""));
    let mut pictures = 0;
    for name in names {
        let text = fs::read_to_string(folder.path().join(name)).expect("an installed page");
        for target in targets(&text) {
            if let Some(path) = target.strip_prefix(REPOSITORY) {
                assert!(root.join(path).exists(), "{name}: {target}");
            } else if !target.contains("://") {
                assert!(folder.path().join(&target).exists(), "{name}: {target}");
                let is_page = Path::new(&target)
                    .extension()
                    .is_some_and(|end| end == "md");
                pictures += usize::from(!is_page);
            }
        }
    }
    assert!(pictures > 10, "{pictures} pictures");
    // A page that is installed is linked as a file.
    let page = fs::read_to_string(folder.path().join("operations.md")).expect("a page");
    assert!(page.contains("](page.md"), "{page}");
}
