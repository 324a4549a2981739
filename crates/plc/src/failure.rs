//! Why the program failed, and its exit code.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use inspectd_client::Error;
use thiserror::Error as ThisError;

use crate::state_file::StateFileError;
use inspectd_gateway::config::ConfigError;
use inspectd_gateway::exit_code;

/// The exit codes, for the help.
pub const EXIT_CODES: &str = "\
Exit codes:
    0  success, or stopped as requested
    1  `check` found a fault
   64  wrong arguments
   69  the address is in use, or the daemon or the server of `registers` does not answer
   70  an internal error
   74  the folder of the state files is not usable
   78  wrong configuration
  130  second termination signal";

/// Why a command failed.
#[derive(Debug, ThisError)]
pub enum Failure {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A state file cannot be used.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    /// The credentials cannot be used, the daemon does not answer or refuses.
    #[error(transparent)]
    Client(#[from] Error),
    /// The server cannot listen.
    #[error("modbus.listen: {address}: {error}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// The reason.
        error: io::Error,
    },
    /// The server of `registers` does not answer.
    #[error("no Modbus server answers at {address}: {reason}")]
    NoServer {
        /// The address.
        address: SocketAddr,
        /// The reason.
        reason: String,
    },
    /// `check` found faults, which it has printed.
    #[error("{0} of the checks failed")]
    Check(usize),
    /// The arguments do not fit the configuration.
    #[error("{0}")]
    Usage(String),
    /// A second signal.
    #[error("second termination signal: exiting immediately")]
    Interrupted,
    /// The program cannot continue.
    #[error("{0:#}")]
    Internal(#[from] anyhow::Error),
}

impl Failure {
    /// Returns the exit code of the process.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Check(_) => exit_code::CHECK,
            Self::Usage(_) => exit_code::USAGE,
            Self::Config(_) | Self::Client(Error::Credentials(_)) => exit_code::CONFIG,
            Self::StateFile(_) => exit_code::IO,
            Self::Address { .. } | Self::Client(_) | Self::NoServer { .. } => {
                exit_code::UNAVAILABLE
            }
            Self::Interrupted => exit_code::INTERRUPTED,
            Self::Internal(_) => exit_code::SOFTWARE,
        })
    }
}
