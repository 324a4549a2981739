//! Decides which chunks of a connection are passed on. No IO.

use std::time::{Duration, Instant};

use super::frame::{HEADER_BYTES, Header, Kind, OpenHeader, Part, request_type};

/// The largest message of a client that is not trusted yet, except `OPN`: an endpoint URL and a list of profiles fit.
const DISCOVERY_BYTES: usize = 4096;
/// The largest `OPN`: a chain of certificates fits.
const OPEN_BYTES: usize = 32 << 10;
/// The policy without security.
pub const NONE_URI: &str = "http://opcfoundation.org/UA/SecurityPolicy#None";
/// The types of the requests that need no session and reveal no secret: GetEndpoints, FindServers,
/// FindServersOnNetwork.
const DISCOVERY_REQUESTS: [u16; 3] = [428, 422, 12208];

/// `BadTcpMessageTooLarge`.
const TOO_LARGE: u32 = 0x8080_0000;
/// `BadTcpMessageTypeInvalid`.
const TYPE_INVALID: u32 = 0x807E_0000;
/// `BadSecurityChecksFailed`.
const SECURITY_CHECKS_FAILED: u32 = 0x8013_0000;
/// `BadSecurityPolicyRejected`.
const POLICY_REJECTED: u32 = 0x8055_0000;
/// `BadTcpNotEnoughResources`.
pub const NOT_ENOUGH_RESOURCES: u32 = 0x8081_0000;
/// `BadTimeout`.
pub const TIMEOUT: u32 = 0x800A_0000;

/// What is allowed on each connection.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The most bytes of a request.
    pub request_bytes: usize,
    /// The most bytes of a chunk.
    pub chunk_bytes: usize,
    /// The most chunks of a request.
    pub chunks: usize,
    /// The most secure channels that are opened or renewed within a minute.
    pub channels_per_minute: u32,
    /// The URIs of the allowed security policies.
    pub policy_uris: Vec<String>,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code that the client receives.
    pub code: u32,
    /// The reason.
    pub reason: &'static str,
}

/// How far a connection has identified itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing.
    Start,
    /// `HEL`.
    Greeted,
    /// A channel without security, for discovery only.
    Discovery,
    /// A channel of a trusted client, or one without security where that is allowed.
    Admitted,
}

/// The state of a connection.
#[derive(Debug)]
pub struct Screen<'a> {
    rules: &'a Rules,
    phase: Phase,
    /// The policy of the first channel, which the later ones keep.
    policy_uri: String,
    /// Chunks and bytes of the message so far.
    chunks: usize,
    bytes: usize,
    /// When the channels of the last minute were opened.
    opened: Vec<Instant>,
}

impl<'a> Screen<'a> {
    /// Returns the state of a new connection.
    pub fn new(rules: &'a Rules) -> Self {
        Self {
            rules,
            phase: Phase::Start,
            policy_uri: String::new(),
            chunks: 0,
            bytes: 0,
            opened: Vec::new(),
        }
    }

    /// Returns how far the connection has identified itself.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Checks the header of a chunk, before the rest of it is read.
    ///
    /// # Errors
    /// If the connection is to be closed.
    pub fn header(&mut self, header: Option<Header>) -> Result<Header, Refusal> {
        let refuse = |code, reason| Err(Refusal { code, reason });
        let Some(header) = header else {
            return refuse(TYPE_INVALID, "not a message of OPC UA");
        };
        let limit = match (self.phase, header.kind) {
            (Phase::Start, Kind::Hello) | (Phase::Discovery, Kind::Message | Kind::Close) => {
                DISCOVERY_BYTES
            }
            (Phase::Start, _) => return refuse(TYPE_INVALID, "the first message must be HEL"),
            (Phase::Greeted | Phase::Discovery | Phase::Admitted, Kind::Open) => OPEN_BYTES,
            (Phase::Admitted, Kind::Message | Kind::Close) => self.rules.chunk_bytes,
            _ => return refuse(TYPE_INVALID, "a message of this type is not expected"),
        };
        if header.size > limit.min(self.rules.chunk_bytes) {
            return refuse(TOO_LARGE, "the chunk is too large");
        }
        if header.part != Part::Final
            && (header.kind != Kind::Message || self.phase != Phase::Admitted)
        {
            return refuse(TYPE_INVALID, "a message of this type has one chunk");
        }
        self.count(header)?;
        Ok(header)
    }

    /// Counts the chunks and bytes of a message.
    fn count(&mut self, header: Header) -> Result<(), Refusal> {
        let refuse = |reason| {
            Err(Refusal {
                code: TOO_LARGE,
                reason,
            })
        };
        self.chunks += 1;
        self.bytes += header.size - HEADER_BYTES;
        if self.chunks > self.rules.chunks {
            return refuse("the request has too many chunks");
        }
        let limit = match header.kind {
            Kind::Open => OPEN_BYTES,
            _ => self.rules.request_bytes,
        };
        if self.bytes > limit {
            return refuse("the request is too large");
        }
        if header.part != Part::Intermediate {
            self.chunks = 0;
            self.bytes = 0;
        }
        Ok(())
    }

    /// Checks a chunk. `is_trusted` says whether a certificate is one of a trusted client.
    ///
    /// # Errors
    /// If the connection is to be closed.
    pub fn chunk(
        &mut self,
        header: Header,
        chunk: &[u8],
        now: Instant,
        is_trusted: impl FnOnce(&[u8]) -> bool,
    ) -> Result<(), Refusal> {
        match header.kind {
            Kind::Hello => self.phase = Phase::Greeted,
            Kind::Open => self.open(chunk, now, is_trusted)?,
            Kind::Message if self.phase == Phase::Discovery => {
                let known = request_type(chunk).is_some_and(|it| DISCOVERY_REQUESTS.contains(&it));
                if !known {
                    return Err(Refusal {
                        code: POLICY_REJECTED,
                        reason: "without security the server only returns its endpoints",
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn open(
        &mut self,
        chunk: &[u8],
        now: Instant,
        is_trusted: impl FnOnce(&[u8]) -> bool,
    ) -> Result<(), Refusal> {
        let refuse = |code, reason| Err(Refusal { code, reason });
        let minute = Duration::from_mins(1);
        self.opened
            .retain(|&time| now.saturating_duration_since(time) < minute);
        if self.opened.len() >= self.rules.channels_per_minute as usize {
            return refuse(
                NOT_ENOUGH_RESOURCES,
                "too many secure channels within a minute",
            );
        }
        self.opened.push(now);
        let Some(header) = OpenHeader::parse(chunk) else {
            return refuse(SECURITY_CHECKS_FAILED, "the security header cannot be read");
        };
        if !self.policy_uri.is_empty() && self.policy_uri != header.policy_uri {
            return refuse(
                POLICY_REJECTED,
                "the security policy of a connection cannot change",
            );
        }
        let is_allowed = self
            .rules
            .policy_uris
            .iter()
            .any(|it| it == header.policy_uri);
        self.phase = match (header.policy_uri == NONE_URI, is_allowed) {
            (true, true) => Phase::Admitted,
            (true, false) => Phase::Discovery,
            (false, false) => {
                return refuse(POLICY_REJECTED, "the security policy is not allowed");
            }
            (false, true) if is_trusted(header.certificate) => Phase::Admitted,
            (false, true) => {
                return refuse(
                    SECURITY_CHECKS_FAILED,
                    "the certificate of the client is not trusted",
                );
            }
        };
        header.policy_uri.clone_into(&mut self.policy_uri);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
