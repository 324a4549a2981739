//! What can go wrong with a server.

use std::error::Error as _;

use thiserror::Error;

/// Longest text of a server in a message, characters.
const LONGEST_TEXT: usize = 300;

/// Why a server cannot be used, or did not give maps.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// The address or the certificates of the CA cannot be used.
    #[error("{0}")]
    Address(String),
    /// The server cannot be reached.
    #[error("no connection to the server: {0}")]
    Connect(String),
    /// The server or the model is not ready.
    #[error("{0} is not ready")]
    NotReady(String),
    /// The model does not have the inputs and outputs of the bundle.
    #[error("the model on the server has {found}, must be {expected}")]
    Ports {
        /// What the server names.
        found: String,
        /// What the bundle has.
        expected: String,
    },
    /// The server answered with an error, or the connection was lost.
    #[error("the server answered {code}: {message}")]
    Call {
        /// Name of gRPC's code.
        code: String,
        /// The server's message.
        message: String,
    },
    /// There was no whole answer in time.
    #[error("no answer within {0} ms")]
    TimedOut(u128),
    /// The answer is not what the model must give.
    #[error("the answer is not valid: {0}")]
    Answer(String),
    /// A map contains a non-finite value.
    #[error("the {map} map of frame {index} contains a non-finite value")]
    NotFinite {
        /// The map: `structural` or `logical`.
        map: &'static str,
        /// Index of the frame in the batch, from 0.
        index: usize,
    },
}

impl Error {
    /// Whether the server did not answer in time.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut(_))
    }
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        let message = match status.source() {
            Some(source) if status.message().is_empty() => causes(source),
            Some(source) => format!("{}: {}", status.message(), causes(source)),
            None => status.message().to_owned(),
        };
        Self::Call {
            code: format!("{:?}", status.code()),
            message: shortened(&message),
        }
    }
}

/// The texts of an error and its causes, each once.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        source = cause.source();
    }
    texts.join(": ")
}

/// A text of a server for messages: bounded, on one line.
pub(crate) fn shortened(text: &str) -> String {
    let printable = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    let mut short: String = text.chars().take(LONGEST_TEXT).map(printable).collect();
    if text.chars().nth(LONGEST_TEXT).is_some() {
        short.push_str(" ...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_server_is_on_one_line_and_bounded() {
        assert_eq!(shortened("a\nb"), "a b");
        assert_eq!(
            shortened(&"é".repeat(LONGEST_TEXT)).chars().count(),
            LONGEST_TEXT
        );
        let long = shortened(&"é".repeat(LONGEST_TEXT + 1));
        assert!(long.ends_with("é ..."), "{long}");
    }
}
