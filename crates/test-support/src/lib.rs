//! Prerequisites and reference data of the tests.
//!
//! A test that needs something from outside Cargo (ONNX Runtime, a Python package, a mount) asks for it
//! with [`require!`]. A missing prerequisite fails the test with a message that says how to get it. With
//! `INSPECTD_ALLOW_SKIPS=1` the test is skipped instead: it returns early, and the skip is printed and
//! appended to the file that `INSPECTD_SKIP_LOG` names, one line per skip. `make test` counts these lines,
//! because Cargo reports a test that returns early as passed.
//!
//! Reference data made for this project is in `tests/data` ([`reference_data`]). Photographs and weights
//! whose licences do not allow it in the project are in a folder of their own ([`external_data`]).
//!
//! The commands that documents show are checked against the programs: [`assert_documented_commands_are_accepted`].

mod command_lines;
mod documents;
mod mount;
mod prerequisite;
mod shell;
mod skip;

pub use command_lines::assert_documented_commands_are_accepted;
pub use documents::{CodeBlock, code_blocks, project_root};
pub use mount::MemoryDisk;
pub use prerequisite::{
    backbone_checkpoint, external_data, libfaketime, onnx_runtime, python, python_package,
    reference_data, triton,
};
pub use skip::{missing, skip};

/// Value of a prerequisite; returns from the test where it is missing and skips are allowed.
///
/// The prerequisite is an `Option` from a function of this crate, which has failed the test or recorded
/// the skip before it returns `None`.
///
/// ```no_run
/// use inspectd_test_support::{onnx_runtime, python_package, require};
///
/// fn graph_passes_the_checker() {
///     require!(onnx_runtime());
///     let packages = require!(python_package("onnx"));
///     // ...
/// #   drop(packages);
/// }
/// ```
#[macro_export]
macro_rules! require {
    ($prerequisite:expr) => {
        match $prerequisite {
            Some(found) => found,
            None => return,
        }
    };
}
