//! A client that writes messages byte by byte, including invalid ones.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// Types of requests, by the numeric id of their binary encoding.
pub mod request {
    /// FindServers.
    pub const FIND_SERVERS: u16 = 422;
    /// GetEndpoints.
    pub const GET_ENDPOINTS: u16 = 428;
    /// CreateSession.
    pub const CREATE_SESSION: u16 = 461;
    /// Read.
    pub const READ: u16 = 631;
    /// Write.
    pub const WRITE: u16 = 673;
}

/// The type of a response that reports an error, ServiceFault.
pub const SERVICE_FAULT: u16 = 397;
/// The types of the responses to GetEndpoints and CreateSession.
pub const GET_ENDPOINTS_RESPONSE: u16 = 431;
pub const CREATE_SESSION_RESPONSE: u16 = 464;

/// Builds the content of messages.
#[derive(Clone, Debug, Default)]
pub struct Body(pub Vec<u8>);

impl Body {
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn number(self, number: u32) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    pub fn text(self, text: &str) -> Self {
        self.number(text.len() as u32).bytes(text.as_bytes())
    }

    pub fn null(self) -> Self {
        self.number(u32::MAX)
    }

    /// The header of a request without a session.
    pub fn request(kind: u16) -> Self {
        let [low, high] = kind.to_le_bytes();
        Self::default()
            .bytes(&[1, 0, low, high])
            // No authentication token, no time.
            .bytes(&[0, 0])
            .bytes(&[0; 8])
            .number(7)
            .number(0)
            .null()
            .number(0)
            .bytes(&[0, 0, 0])
    }
}

/// How a connection answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A response of this type with this service result.
    Response(u16, u32),
    /// The message `ERR` with its code.
    Error(u32),
    /// The connection was closed.
    Closed,
}

/// A connection.
pub struct Raw {
    stream: TcpStream,
    channel: u32,
    token: u32,
    sequence: u32,
}

impl Raw {
    /// Connects, and sends nothing.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .expect("a time-out");
        stream
            .set_write_timeout(Some(ANSWER_TIMEOUT))
            .expect("a time-out");
        stream.set_nodelay(true).expect("an option");
        Self {
            stream,
            channel: 0,
            token: 0,
            sequence: 0,
        }
    }

    /// Connects, and opens a secure channel without security.
    pub fn open(address: SocketAddr) -> Self {
        let mut raw = Self::connect(address);
        raw.hello(address);
        raw.open_channel("http://opcfoundation.org/UA/SecurityPolicy#None");
        let answer = raw.receive().expect("an answer");
        assert_eq!(&answer[..4], b"OPNF", "{answer:?}");
        // Behind the security header: sequence, type, header of the response, version of the protocol.
        let mut at = 12;
        for _ in 0..3 {
            let length = i32::from_le_bytes(answer[at..at + 4].try_into().expect("four bytes"));
            at += 4 + usize::try_from(length).unwrap_or(0);
        }
        // Sequence header, type, header of the response without diagnostics, texts and additions, version of the protocol.
        at += 8 + 4 + 16 + 1 + 4 + 3 + 4;
        let word =
            |at: usize| u32::from_le_bytes(answer[at..at + 4].try_into().expect("four bytes"));
        (raw.channel, raw.token) = (word(at), word(at + 4));
        raw
    }

    /// Sends `HEL`, and takes the acknowledgement.
    pub fn hello(&mut self, address: SocketAddr) {
        let body = Body::default()
            .number(0)
            .number(65_535)
            .number(65_535)
            .number(0)
            .number(0)
            .text(&format!("opc.tcp://{address}/"));
        self.send(b"HELF", &body.0);
        let answer = self.receive().expect("an answer");
        assert_eq!(&answer[..4], b"ACKF", "{answer:?}");
    }

    /// Sends `OPN`.
    pub fn open_channel(&mut self, policy: &str) {
        self.sequence += 1;
        let body = Body::default()
            .number(self.channel)
            .text(policy)
            .null()
            .null()
            .number(self.sequence)
            .number(self.sequence);
        let request = Body::request(446)
            .number(0)
            .number(0)
            .number(1)
            .null()
            .number(600_000);
        self.send(b"OPNF", &body.bytes(&request.0).0);
    }

    /// Sends a message with a header of this type, and the right length.
    pub fn send(&mut self, start: &[u8], body: &[u8]) {
        let mut message = start.to_vec();
        message.extend((8 + body.len() as u32).to_le_bytes());
        message.extend(body);
        self.write(&message);
    }

    /// Sends bytes. The server may have closed the connection.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a part of a request.
    pub fn send_part(&mut self, start: &[u8], part: &[u8]) {
        self.sequence += 1;
        let body = Body::default()
            .number(self.channel)
            .number(self.token)
            .number(self.sequence)
            .number(self.sequence);
        self.send(start, &body.bytes(part).0);
    }

    /// Sends a request in one chunk, and returns the answer.
    pub fn call(&mut self, request: &Body) -> Answer {
        self.send_part(b"MSGF", &request.0);
        self.answer()
    }

    /// Takes an answer.
    pub fn answer(&mut self) -> Answer {
        let Some(message) = self.receive() else {
            return Answer::Closed;
        };
        let word =
            |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().expect("four bytes"));
        match &message[..3] {
            b"ERR" => Answer::Error(word(8)),
            b"MSG" => {
                // Channel, token, sequence, request; then the type, time, handle and result.
                let kind = u16::from_le_bytes([message[26], message[27]]);
                Answer::Response(kind, word(28 + 8 + 4))
            }
            other => panic!("{other:?}"),
        }
    }

    /// Takes a message, without waiting for further chunks. `None` if the connection is closed.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut header = [0; 8];
        match self.stream.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no answer in time"),
            Err(_) => return None,
        }
        let size = u32::from_le_bytes(header[4..].try_into().expect("four bytes")) as usize;
        assert!((8..1 << 24).contains(&size), "{header:?}");
        let mut message = header.to_vec();
        message.resize(size, 0);
        self.stream.read_exact(&mut message[8..]).ok()?;
        Some(message)
    }

    /// Waits until the server closes the connection. Returns the code that it sent before.
    pub fn closed_with(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(message) = self.receive() {
            if &message[..3] == b"ERR" {
                code = Some(u32::from_le_bytes(
                    message[8..12].try_into().expect("four bytes"),
                ));
            }
        }
        code
    }
}

/// Requests the endpoints.
pub fn get_endpoints(address: SocketAddr) -> Body {
    Body::request(request::GET_ENDPOINTS)
        .text(&format!("opc.tcp://{address}/"))
        .null()
        .null()
}

/// Requests a session, with a long time-out.
pub fn create_session(address: SocketAddr) -> Body {
    Body::request(request::CREATE_SESSION)
        // The description of the client.
        .text("urn:hostile")
        .text("urn:hostile")
        .bytes(&[0])
        .number(1)
        .null()
        .null()
        .null()
        // URI of the server, URL of the endpoint, name, nonce, certificate.
        .null()
        .text(&format!("opc.tcp://{address}/"))
        .text("hostile")
        .null()
        .null()
        .bytes(&3_600_000_f64.to_le_bytes())
        .number(0)
}
