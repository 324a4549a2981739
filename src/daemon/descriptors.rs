//! The limit of open files: raised as far as the system allows, and shared out so that connections cannot take those of
//! the line.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::config::settings::Settings;

/// Files of the process itself: libraries, the model, logs, evidence, signals.
const OWN: usize = 64;

/// Files of a camera: its source, and those of an abandoned one.
const PER_CAMERA: usize = 16;

/// Files of the journal, its readers and the audit log.
const JOURNAL: usize = 32;

/// Connections to the metrics port.
const HTTP: usize = 64;

/// Connections to the page.
pub(super) const PAGE_CONNECTIONS: usize = 128;

/// Fewest connections over gRPC.
const FEWEST_CONNECTIONS: usize = 8;

/// Raises the limit of open files to the largest allowed, and returns the number of gRPC connections, over TCP and over
/// each Unix socket, that it allows: at most `server.connection_limit`.
pub(super) fn connection_limit(settings: &Settings) -> usize {
    let wanted = settings.server.connection_limit;
    let mut limits = getrlimit(Resource::Nofile);
    if limits.current < limits.maximum || limits.maximum.is_none() && limits.current.is_some() {
        let raised = Rlimit {
            current: limits.maximum.or(limits.current),
            maximum: limits.maximum,
        };
        // Without success, the present limit applies.
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limits = raised;
        }
    }
    let Some(files) = limits.current else {
        return wanted;
    };
    let server = &settings.server;
    let sockets = [&server.unix_socket, &server.lookout_socket];
    let listeners = 1 + sockets.iter().filter(|socket| socket.is_some()).count();
    let page = if settings.server.page_listen.is_some() {
        PAGE_CONNECTIONS
    } else {
        0
    };
    let files = (files as usize).saturating_sub(page);
    let allowed = allowed(files, settings.cameras.len(), listeners).min(wanted);
    if allowed < wanted {
        warn!(
            files,
            allowed,
            wanted,
            "the limit of open files allows fewer connections than server.connection_limit; raise LimitNOFILE of the unit"
        );
    }
    allowed
}

/// Connections of each of the listeners that leave enough files for everything else.
fn allowed(files: usize, cameras: usize, listeners: usize) -> usize {
    let others = OWN + JOURNAL + HTTP + cameras * PER_CAMERA;
    (files.saturating_sub(others) / listeners).max(FEWEST_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_line() {
        for (files, cameras, listeners, expected) in [
            (1024, 2, 1, 832),
            (1024, 2, 2, 416),
            (256, 1, 1, 80),
            (64, 4, 2, FEWEST_CONNECTIONS),
        ] {
            assert_eq!(allowed(files, cameras, listeners), expected, "{files}");
        }
    }
}
