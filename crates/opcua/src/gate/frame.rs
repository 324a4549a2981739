//! The headers of OPC UA connection protocol and secure conversation (OPC 10000-6, clause 7.1.2 and 6.7.2). Pure.

/// The size of the header of a chunk.
pub const HEADER_BYTES: usize = 8;

/// The type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `HEL`: the start of a connection.
    Hello,
    /// `OPN`: opens or renews a secure channel.
    Open,
    /// `MSG`: a request or response.
    Message,
    /// `CLO`: closes the secure channel.
    Close,
    /// `ACK` or `ERR`, which only servers send.
    OfServer,
}

/// Where a chunk is in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// More chunks follow.
    Intermediate,
    /// The last chunk.
    Final,
    /// The message is aborted.
    Abort,
}

/// The header of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type of the message.
    pub kind: Kind,
    /// Where the chunk is in its message.
    pub part: Part,
    /// The size of the chunk with this header, in bytes.
    pub size: usize,
}

impl Header {
    /// Reads a header. `None` if it is not one.
    pub fn parse(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let [a, b, c, part, size @ ..] = bytes;
        let kind = match &[a, b, c] {
            b"HEL" => Kind::Hello,
            b"OPN" => Kind::Open,
            b"MSG" => Kind::Message,
            b"CLO" => Kind::Close,
            b"ACK" | b"ERR" => Kind::OfServer,
            _ => return None,
        };
        let part = match part {
            b'C' => Part::Intermediate,
            b'F' => Part::Final,
            b'A' => Part::Abort,
            _ => return None,
        };
        let size = u32::from_le_bytes(size) as usize;
        (size > HEADER_BYTES).then_some(Self { kind, part, size })
    }
}

/// The security header of `OPN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenHeader<'a> {
    /// The URI of the security policy.
    pub policy_uri: &'a str,
    /// The certificate of the client, DER. Empty: none.
    pub certificate: &'a [u8],
}

impl<'a> OpenHeader<'a> {
    /// Reads the security header of a chunk, which begins with its header. `None` if it is cut short or not valid.
    pub fn parse(chunk: &'a [u8]) -> Option<Self> {
        // The id of the channel.
        let rest = chunk.get(HEADER_BYTES + 4..)?;
        let (policy, rest) = byte_string(rest)?;
        let (chain, _) = byte_string(rest)?;
        Some(Self {
            policy_uri: std::str::from_utf8(policy).ok()?,
            certificate: first_certificate(chain)?,
        })
    }
}

/// Splits a byte string with its length in front from what follows. A null string is empty.
fn byte_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = i32::from_le_bytes(length.try_into().ok()?);
    if length == -1 {
        return Some((&[], rest));
    }
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// The first certificate of a chain: a DER sequence with a length of two bytes, as every certificate has.
fn first_certificate(chain: &[u8]) -> Option<&[u8]> {
    if chain.is_empty() {
        return Some(chain);
    }
    let [0x30, 0x82, high, low, ..] = chain else {
        return None;
    };
    chain.get(..4 + usize::from(u16::from_be_bytes([*high, *low])))
}

/// Returns the numeric id of the type of a request that is neither signed nor encrypted. `None` if it has another form.
pub fn request_type(chunk: &[u8]) -> Option<u16> {
    // Ids of channel and token, sequence, id of the request.
    let body = chunk.get(HEADER_BYTES + 16..)?;
    match body {
        [0, number, ..] => Some(u16::from(*number)),
        // Four bytes: the namespace 0 and the number.
        [1, 0, low, high, ..] => Some(u16::from_le_bytes([*low, *high])),
        _ => None,
    }
}

/// Returns the message `ERR` with which a connection is closed.
pub fn error_message(code: u32, reason: &str) -> Vec<u8> {
    let size = HEADER_BYTES + 8 + reason.len();
    let mut message = b"ERRF".to_vec();
    message.extend((size as u32).to_le_bytes());
    message.extend(code.to_le_bytes());
    message.extend((reason.len() as u32).to_le_bytes());
    message.extend(reason.as_bytes());
    message
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn open(policy: &str, certificate: &[u8]) -> Vec<u8> {
        let mut chunk = b"OPNF\0\0\0\0\0\0\0\0".to_vec();
        chunk.extend((policy.len() as u32).to_le_bytes());
        chunk.extend(policy.as_bytes());
        chunk.extend((certificate.len() as u32).to_le_bytes());
        chunk.extend(certificate);
        chunk
    }

    #[test]
    fn headers_are_read_and_others_refused() {
        let check = |bytes: &[u8; 8], expected: Option<(Kind, Part, usize)>| {
            let found = Header::parse(*bytes).map(|it| (it.kind, it.part, it.size));
            assert_eq!(found, expected, "{bytes:?}");
        };
        check(b"HELF\x20\0\0\0", Some((Kind::Hello, Part::Final, 32)));
        check(
            b"MSGC\0\x01\0\0",
            Some((Kind::Message, Part::Intermediate, 256)),
        );
        check(b"CLOA\x09\0\0\0", Some((Kind::Close, Part::Abort, 9)));
        check(b"ERRF\x20\0\0\0", Some((Kind::OfServer, Part::Final, 32)));
        check(b"MSGF\x08\0\0\0", None);
        check(b"MSGF\0\0\0\0", None);
        check(b"MSGX\x20\0\0\0", None);
        check(b"GET /\r\n\r", None);
    }

    #[test]
    fn policy_and_first_certificate_of_a_chain_are_found() {
        let certificate = [0x30, 0x82, 0, 2, 7, 8];
        let chain = [&certificate[..], &[0x30, 0x82, 0, 1, 9]].concat();
        for sent in [&certificate[..], &chain] {
            let chunk = open("urn:policy", sent);
            let header = OpenHeader::parse(&chunk).expect("a header");
            assert_eq!(header.policy_uri, "urn:policy");
            assert_eq!(header.certificate, certificate);
        }
        let check = |chunk: &[u8]| assert_eq!(OpenHeader::parse(chunk), None, "{chunk:?}");
        check(&open("urn:policy", &[0x30, 0x82, 1, 0, 7]));
        check(&open("urn:policy", &[1, 2, 3]));
        check(&open("urn:policy", &certificate)[..20]);
        check(b"OPNF\0\0\0\0\0\0\0\0\xfe\xff\xff\xff");
        check(b"OPNF");
    }

    #[test]
    fn types_of_requests_are_read_in_both_forms() {
        let chunk = |body: &[u8]| [&[0; 24][..], body].concat();
        assert_eq!(request_type(&chunk(&[1, 0, 0xac, 1])), Some(428));
        assert_eq!(request_type(&chunk(&[0, 7])), Some(7));
        assert_eq!(request_type(&chunk(&[1, 1, 0xac, 1])), None);
        assert_eq!(request_type(&chunk(&[2, 0, 0, 0])), None);
        assert_eq!(request_type(&[0; 24]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = OpenHeader::parse(&bytes);
            let _ = request_type(&bytes);
            if let Some(header) = bytes.first_chunk() {
                let _ = Header::parse(*header);
            }
        }
    }
}
