//! Exit codes, those of sysexits.h where it has one.

/// `check` found a fault.
pub const CHECK: u8 = 1;
/// Wrong arguments: `EX_USAGE`.
pub const USAGE: u8 = 64;
/// An address is in use, or a daemon or server does not answer: `EX_UNAVAILABLE`.
pub const UNAVAILABLE: u8 = 69;
/// An internal error: `EX_SOFTWARE`.
pub const SOFTWARE: u8 = 70;
/// A folder of the program is not usable: `EX_IOERR`.
pub const IO: u8 = 74;
/// Wrong configuration: `EX_CONFIG`.
pub const CONFIG: u8 = 78;
/// Second termination signal.
pub const INTERRUPTED: u8 = 130;
