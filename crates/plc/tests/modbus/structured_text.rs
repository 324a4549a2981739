//! The example in Structured Text: its syntax by an independent parser, and its names.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use inspectd_test_support::{project_root, python_package, require};

fn example() -> PathBuf {
    project_root().join("examples/plc/inspectd_station.st")
}

/// The folder of Python packages with blark: `BLARK_FOLDER`, or the one of the set-up.
fn blark() -> Option<PathBuf> {
    match std::env::var_os("BLARK_FOLDER") {
        Some(folder) => Some(folder.into()),
        None => python_package("blark"),
    }
}

#[test]
fn example_is_valid_structured_text() {
    let packages = require!(blark());
    let check = "import sys\nfrom blark.parse import parse_source_code\n\
                 result = parse_source_code(open(sys.argv[1]).read())\n\
                 assert result.exception is None, result.exception\n\
                 print([type(item).__name__ for item in result.transform().items])";
    let parse = |file: &PathBuf| {
        let mut command = Command::new("python3");
        command
            .args(["-B", "-c", check])
            .arg(file)
            .env("PYTHONPATH", &packages);
        command.output().expect("a started program")
    };
    let output = parse(&example());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let items = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        items.trim(),
        "['GlobalVariableDeclarations', 'FunctionBlock']"
    );
    // The parser finds an error.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let broken = folder.path().join("broken.st");
    let text =
        "FUNCTION_BLOCK FB\nVAR a : BOOL; END_VAR\nIF a THEN a := FALSE;\nEND_FUNCTION_BLOCK\n";
    fs::write(&broken, text).expect("a written file");
    assert!(!parse(&broken).status.success());
}

#[test]
fn every_name_of_the_example_is_declared() {
    let text = fs::read_to_string(example()).expect("a readable file");
    let mut code = String::new();
    let mut rest = text.as_str();
    while let Some((before, comment)) = rest.split_once("(*") {
        code += before;
        rest = comment.split_once("*)").expect("the end of a comment").1;
    }
    code += rest;
    let (declarations, body) = code.rsplit_once("END_VAR").expect("a body");
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let declared: BTreeSet<&str> = declarations
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim())
        .collect();
    let known = [
        "IF",
        "THEN",
        "ELSE",
        "ELSIF",
        "END_IF",
        "CASE",
        "OF",
        "END_CASE",
        "FOR",
        "TO",
        "DO",
        "END_FOR",
        "AND",
        "OR",
        "NOT",
        "TRUE",
        "FALSE",
        "SHR",
        "IN",
        "PT",
        "Q",
        "T",
        "MS",
        "S",
        "END_FUNCTION_BLOCK",
        "WORD_TO_UINT",
        "UINT_TO_WORD",
        "INT_TO_UINT",
        "DWORD_TO_WORD",
        "UDINT_TO_DWORD",
    ];
    let mut unknown = BTreeSet::new();
    for word in body
        .split(|letter| !is_name(letter))
        .filter(|word| !word.is_empty())
    {
        let name = word.trim_start_matches(|letter: char| letter.is_ascii_digit());
        if !name.is_empty() && !known.contains(&name) && !declared.contains(name) {
            unknown.insert(name);
        }
    }
    assert!(unknown.is_empty(), "{unknown:?}");
    // The gate opens only by `Ok`. Every assignment that sets `Ok` requires the bit `OK` and a server that is alive.
    assert_eq!(body.matches("RejectGate :=").count(), 1);
    assert!(body.contains("RejectGate := NOT Ok;"));
    let ways: Vec<&str> = body
        .lines()
        .filter(|line| line.trim().starts_with("Ok :="))
        .collect();
    let opening: Vec<&&str> = ways.iter().filter(|line| !line.contains("FALSE")).collect();
    assert_eq!(opening.len(), 1, "{ways:?}");
    assert!(
        opening[0].contains("ServerAlive AND (Status AND S_OK) <> 0"),
        "{opening:?}"
    );
}
