//! Every command line of `inspectctl` in the documents is one that the program accepts.

use inspectd_test_support::assert_documented_commands_are_accepted;

use super::Cli;

#[test]
fn every_documented_command_line_is_accepted() {
    assert_documented_commands_are_accepted::<Cli>("inspectctl", 50);
}
