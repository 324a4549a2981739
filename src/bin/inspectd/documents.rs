//! Every command line of `inspectd` in the documents is one that the program accepts.

use inspectd_test_support::assert_documented_commands_are_accepted;

use super::Arguments;

#[test]
fn every_documented_command_line_is_accepted() {
    assert_documented_commands_are_accepted::<Arguments>("inspectd", 15);
}
