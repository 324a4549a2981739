//! Messages between the daemon and the processes that it starts: one line of JSON each.

use std::io::{BufRead, Error as IoError, ErrorKind, Result as IoResult, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes a message.
///
/// # Errors
/// When it cannot be written.
pub fn send(writer: &mut impl Write, message: &impl Serialize) -> IoResult<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    writer.write_all(&line)
}

/// Reads a message; none at the end.
///
/// # Errors
/// When it cannot be read, or is not one.
pub fn receive<T: DeserializeOwned>(reader: &mut impl BufRead) -> IoResult<Option<T>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let message = serde_json::from_str(&line);
    message
        .map(Some)
        .map_err(|error| IoError::new(ErrorKind::InvalidData, error))
}
