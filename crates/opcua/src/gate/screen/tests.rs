//! Sequences of chunks, and where they are refused.

use super::*;

const SECURE: &str = "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256";
const CERTIFICATE: [u8; 5] = [0x30, 0x82, 0, 1, 7];

fn rules() -> Rules {
    Rules {
        request_bytes: 100_000,
        chunk_bytes: 65_535,
        chunks: 3,
        channels_per_minute: 2,
        policy_uris: vec![SECURE.to_owned()],
    }
}

fn chunk(start: &[u8], size: usize, body: &[u8]) -> Vec<u8> {
    let mut chunk = start.to_vec();
    chunk.extend((size as u32).to_le_bytes());
    chunk.extend(body);
    chunk
}

fn hello() -> Vec<u8> {
    chunk(b"HELF", 56, &[0; 48])
}

fn open(policy: &str) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend((policy.len() as u32).to_le_bytes());
    body.extend(policy.as_bytes());
    body.extend((CERTIFICATE.len() as u32).to_le_bytes());
    body.extend(CERTIFICATE);
    chunk(b"OPNF", 8 + body.len(), &body)
}

fn request(number: u16) -> Vec<u8> {
    let [low, high] = number.to_le_bytes();
    let body = [&[0; 16][..], &[1, 0, low, high]].concat();
    chunk(b"MSGF", 8 + body.len(), &body)
}

fn part(start: &[u8], size: usize) -> Vec<u8> {
    chunk(start, size, &[])
}

/// Feeds chunks. Returns how many were passed on, and why the last one was not.
fn feed(rules: &Rules, chunks: &[Vec<u8>]) -> (usize, Option<&'static str>) {
    feed_with(rules, chunks, true)
}

fn feed_with(rules: &Rules, chunks: &[Vec<u8>], trusted: bool) -> (usize, Option<&'static str>) {
    let mut screen = Screen::new(rules);
    let now = Instant::now();
    for (passed, chunk) in chunks.iter().enumerate() {
        let header = *chunk.first_chunk().expect("a header");
        let result = screen.header(Header::parse(header));
        let result = result.and_then(|header| {
            screen.chunk(header, chunk, now, |certificate| {
                assert_eq!(certificate, CERTIFICATE);
                trusted
            })
        });
        if let Err(refusal) = result {
            return (passed, Some(refusal.reason));
        }
    }
    (chunks.len(), None)
}

#[test]
fn trusted_client_is_admitted_and_others_are_not() {
    let chunks = [hello(), open(SECURE), request(527), part(b"CLOF", 57)];
    assert_eq!(feed(&rules(), &chunks), (4, None));
    let refused = (1, Some("the certificate of the client is not trusted"));
    assert_eq!(feed_with(&rules(), &chunks, false), refused);
    let other = [
        hello(),
        open("http://opcfoundation.org/UA/SecurityPolicy#Basic128Rsa15"),
    ];
    assert_eq!(
        feed(&rules(), &other),
        (1, Some("the security policy is not allowed"))
    );
}

#[test]
fn client_without_security_may_only_ask_for_endpoints() {
    let discovery = [
        hello(),
        open(NONE_URI),
        request(428),
        request(422),
        part(b"CLOF", 57),
    ];
    assert_eq!(feed(&rules(), &discovery), (5, None));
    let reason = Some("without security the server only returns its endpoints");
    // CreateSession, Read, Call.
    for number in [461, 631, 712] {
        let chunks = [hello(), open(NONE_URI), request(number)];
        assert_eq!(feed(&rules(), &chunks), (2, reason), "{number}");
    }
    let large = [hello(), open(NONE_URI), part(b"MSGF", 4097)];
    assert_eq!(feed(&rules(), &large), (2, Some("the chunk is too large")));
    let parts = [hello(), open(NONE_URI), part(b"MSGC", 100)];
    assert_eq!(
        feed(&rules(), &parts),
        (2, Some("a message of this type has one chunk"))
    );
    // Where the configuration allows it, everything is passed on.
    let open_rules = Rules {
        policy_uris: vec![NONE_URI.to_owned()],
        ..rules()
    };
    let session = [hello(), open(NONE_URI), request(461)];
    assert_eq!(feed(&open_rules, &session), (3, None));
}

#[test]
fn policy_of_a_connection_cannot_change() {
    let downgrade = [hello(), open(SECURE), open(NONE_URI)];
    let reason = Some("the security policy of a connection cannot change");
    assert_eq!(feed(&rules(), &downgrade), (2, reason));
}

#[test]
fn channels_of_a_minute_are_limited() {
    let chunks = [hello(), open(SECURE), open(SECURE), open(SECURE)];
    assert_eq!(
        feed(&rules(), &chunks),
        (3, Some("too many secure channels within a minute"))
    );
}

#[test]
fn chunks_and_bytes_of_a_request_are_limited() {
    let begin = [hello(), open(SECURE)];
    let check = |sizes: &[(&[u8; 4], usize)], expected: (usize, Option<&'static str>)| {
        let parts = sizes.iter().map(|(start, size)| part(*start, *size));
        let chunks: Vec<_> = begin.iter().cloned().chain(parts).collect();
        assert_eq!(
            feed(&rules(), &chunks),
            (2 + expected.0, expected.1),
            "{sizes:?}"
        );
    };
    check(
        &[(b"MSGC", 50_000), (b"MSGF", 50_016), (b"MSGF", 60_000)],
        (3, None),
    );
    check(
        &[(b"MSGC", 50_000), (b"MSGF", 50_017)],
        (1, Some("the request is too large")),
    );
    let many = [
        (b"MSGC", 100),
        (b"MSGC", 100),
        (b"MSGC", 100),
        (b"MSGC", 100),
    ];
    check(&many, (3, Some("the request has too many chunks")));
    // An aborted message begins again.
    let aborted = [
        (b"MSGC", 100),
        (b"MSGC", 100),
        (b"MSGA", 100),
        (b"MSGC", 100),
    ];
    check(&aborted, (4, None));
    check(&[(b"MSGF", 65_536)], (0, Some("the chunk is too large")));
}

#[test]
fn messages_out_of_order_are_refused() {
    let check = |chunks: &[Vec<u8>], expected: (usize, Option<&'static str>)| {
        assert_eq!(feed(&rules(), chunks), expected);
    };
    let first = Some("the first message must be HEL");
    check(&[open(SECURE)], (0, first));
    check(&[request(428)], (0, first));
    let unexpected = Some("a message of this type is not expected");
    check(&[hello(), hello()], (1, unexpected));
    check(&[hello(), request(428)], (1, unexpected));
    check(&[hello(), open(SECURE), part(b"ACKF", 28)], (2, unexpected));
    check(
        &[b"GET / HTTP/1.1\r\n".to_vec()],
        (0, Some("not a message of OPC UA")),
    );
    check(&[part(b"HELF", 5000)], (0, Some("the chunk is too large")));
}
