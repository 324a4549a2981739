//! Every command line of `mhkd` in the documents is one that the program accepts.

use inspectd_test_support::assert_documented_commands_are_accepted;
use mhkd::cli::Cli;

#[test]
fn every_documented_command_line_is_accepted() {
    assert_documented_commands_are_accepted::<Cli>("mhkd", 50);
}
