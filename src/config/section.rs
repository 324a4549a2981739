//! Sections of the configuration.

use super::key::Key;

/// Section whose tables are named by the user.
pub(super) const CAMERAS: &str = "cameras";

/// A section of the file.
#[derive(Debug)]
pub(super) struct Section {
    /// Name.
    pub name: &'static str,
    /// Documentation.
    pub doc: &'static str,
    /// Keys; those of one camera for `cameras`.
    pub keys: Vec<Key>,
}
