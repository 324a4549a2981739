//! A folder with a small dataset and a teacher, created once by the program and shared by the tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

/// Temporary folder of the workflow tests.
pub(super) struct Workspace {
    folder: TempDir,
}

/// Workspace that all tests share. Each test creates its own subfolders and does not modify others.
pub(super) fn shared_workspace() -> &'static Workspace {
    static SHARED: OnceLock<Workspace> = OnceLock::new();
    SHARED.get_or_init(Workspace::open)
}

impl Workspace {
    fn open() -> Self {
        let workspace = Self {
            folder: TempDir::with_prefix("mhkd-workflow-").expect("a temporary folder"),
        };
        let size = ["--width", "128", "--height", "128"];
        let counts = [
            "--train",
            "12",
            "--validation",
            "6",
            "--good-test",
            "6",
            "--per-defect",
            "1",
        ];
        succeed(
            mhkd(&["synth", &workspace.path("data")])
                .args(size)
                .args(counts),
        );
        let pretraining = [
            "--preset",
            "tiny",
            "--pictures",
            "8",
            "--input-size",
            "128",
            "--crop",
            "64",
            "--steps",
            "3",
            "--batch",
            "2",
        ];
        succeed(
            mhkd(&["teacher", "pretrain", "--out", &workspace.path("teacher")]).args(pretraining),
        );
        workspace
    }

    /// Path of `name` in the workspace.
    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Command `mhkd train` in f32 on the shared dataset, with the run in folder `name`.
    pub(super) fn train(&self, name: &str, more: &[&str]) -> Command {
        let mut command = mhkd(&["train", "--out", &self.path(name)]);
        command.args([
            "--dataset",
            &self.path("data/line"),
            "--teacher",
            &self.path("teacher/teacher.safetensors"),
        ]);
        command
            .args([
                "--input-size",
                "128",
                "--precision",
                "f32",
                "--log-every",
                "1",
            ])
            .args(more);
        command
    }
}

/// Runs `command`, which must succeed, and returns its standard output.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = run(command);
    assert!(
        output.status.success(),
        "{command:?}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Runs `command`, which must fail with exit code 1 and without a panic, and returns its error message.
pub(crate) fn fail(command: &mut Command) -> String {
    let output = run(command);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{command:?}:\n{text}");
    let message = text.rfind("mhkd: ").map(|at| text[at..].trim_end());
    message
        .unwrap_or_else(|| panic!("error message not found in:\n{text}"))
        .to_owned()
}

/// Command `mhkd` with `args`, on one thread: several tests run in parallel, and threads that wait for each other take the
/// cores from those that compute.
pub(crate) fn mhkd(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mhkd"));
    command.args(args).env("OMP_NUM_THREADS", "1");
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("the program starts")
}

/// Reads the file at `path`.
pub(super) fn bytes(path: &str) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Rows of `losses.csv` of a run, without the two columns of the speed.
pub(super) fn losses(run: &str) -> Vec<String> {
    let text = std::fs::read_to_string(PathBuf::from(run).join("losses.csv"))
        .expect("the run has losses.csv");
    let without_speed = |row: &str| row.rsplitn(3, ',').last().unwrap_or_default().to_owned();
    text.lines().skip(1).map(without_speed).collect()
}

/// Copies the folder `from` to `to`.
pub(crate) fn copy(from: &str, to: &str) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.expect("a readable folder");
        let target = Path::new(to).join(entry.path().strip_prefix(from).expect("below the folder"));
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(target).expect("a folder");
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
