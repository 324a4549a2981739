//! The present time.

use std::time::SystemTime;

use inspectd_client::Timestamp;

/// Returns the present time.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}
