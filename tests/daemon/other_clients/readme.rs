//! The examples in the READMEs of the clients, as they are written.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use inspectd_test_support::{onnx_runtime, require};

use super::programs::{Language, built, root, run};
use super::site;
use crate::harness::bounded;

/// The only block of a language in the README of a client.
fn block(client: &str, language: &str) -> String {
    let readme = read(&format!("clients/{client}/README.md"));
    let fence = format!("```{language}\n");
    let mut blocks = readme.split(fence.as_str()).skip(1);
    let block = blocks.next().expect("a block of the language");
    assert!(
        blocks.next().is_none(),
        "{client}: two blocks of {language}"
    );
    let (block, _) = block.split_once("```").expect("an end of the block");
    block.to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("a file of the project")
}

/// Checks that the program prints the first verdicts of a daemon.
fn prints_verdicts(program: &mut Command) {
    let site = site();
    let daemon = site.start();
    let mut process = program
        .env("INSPECTD_SERVER", daemon.address("server.listen"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("a started program");
    let output = process.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(output).lines();
    for sequence in 1..=3 {
        let line = lines.next().expect("a line").expect("UTF-8");
        let words: Vec<&str> = line.split(' ').collect();
        let [first, "belt", decision, score] = words[..] else {
            panic!("{line}")
        };
        assert_eq!(first, sequence.to_string());
        assert!(decision.starts_with("DECISION_"), "{line}");
        let score: f32 = score.parse().expect("a score");
        assert!((0.0..1.0).contains(&score), "{line}");
    }
    // `timeout` passes the signal on.
    let signal = Command::new("kill")
        .args(["-TERM", &process.id().to_string()])
        .status();
    assert!(signal.expect("kill").success());
    process.wait().expect("a child");
    daemon.stop();
}

#[test]
fn examples_of_the_readmes_are_those_in_the_folders() {
    for (client, language, file) in [
        ("cpp", "cpp", "examples/watch.cpp"),
        ("node", "js", "examples/watch.mjs"),
        ("csharp", "csharp", "examples/Watch/Program.cs"),
    ] {
        assert_eq!(
            block(client, language),
            read(&format!("clients/{client}/{file}"))
        );
    }
}

#[test]
fn example_of_the_node_readme_prints_verdicts() {
    require!(onnx_runtime());
    require!(built(Language::Node));
    prints_verdicts(&mut Language::Node.program("watch"));
}

#[test]
fn example_of_the_cpp_readme_finds_the_installed_library_and_prints_verdicts() {
    require!(onnx_runtime());
    require!(built(Language::Cpp));
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a written file");
    };
    write("main.cpp", &block("cpp", "cpp"));
    write("CMakeLists.txt", &block("cpp", "cmake"));
    let cmake = |arguments: &[&OsStr]| {
        let mut command = Command::new("cmake");
        let (code, text) = run(command.args(arguments).current_dir(folder.path()));
        assert_eq!(code, 0, "{text}");
    };
    let mut prefix = OsString::from("-DCMAKE_PREFIX_PATH=");
    prefix.push(root().join("target/clients/cpp/installed"));
    cmake(&[
        "-S".as_ref(),
        ".".as_ref(),
        "-B".as_ref(),
        "build".as_ref(),
        &prefix,
    ]);
    cmake(&["--build".as_ref(), "build".as_ref()]);
    prints_verdicts(&mut bounded(folder.path().join("build/watch")));
}
