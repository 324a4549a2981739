//! Hostile clients: the server keeps running, answers other clients, and its memory stays bounded.
//!
//! Each attack of the public audits of the library is tried by a client without a certificate, and, with a server that
//! allows the policy None, by a client that has been admitted.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::harness::{Process, Site, free_port};
use crate::raw::{
    Answer, Body, CREATE_SESSION_RESPONSE, GET_ENDPOINTS_RESPONSE, Raw, SERVICE_FAULT,
    create_session, get_endpoints, request,
};

/// More than the program needs with all its limits used: each of two threads may touch the stack of one message.
const MEMORY_MIB: u64 = 400;

/// `BadTcpMessageTooLarge`, `BadSecurityPolicyRejected`, `BadTcpNotEnoughResources`, `BadTimeout`, `BadTooManySessions`.
const TOO_LARGE: u32 = 0x8080_0000;
const POLICY_REJECTED: u32 = 0x8055_0000;
const NOT_ENOUGH_RESOURCES: u32 = 0x8081_0000;
const TIMEOUT: u32 = 0x800A_0000;
const TOO_MANY_SESSIONS: u32 = 0x8056_0000;

/// A server whose daemon does not exist. `server` are further keys of `[server]`.
fn server(server: &str, limits: &str) -> (Site, Process) {
    let site = Site::new();
    site.configure(free_port(), server, &format!("[limits]\n{limits}"));
    let process = site.start_server();
    (site, process)
}

/// A server that admits clients without security.
fn open_server(limits: &str) -> (Site, Process) {
    server("security = [\"None\"]", limits)
}

/// Checks that the server runs, that others are answered, and that its memory is bounded.
fn is_well(process: &mut Process, address: SocketAddr) {
    assert!(process.runs(), "the server ended: {:#?}", process.log());
    let answer = Raw::open(address).call(&get_endpoints(address));
    assert_eq!(answer, Answer::Response(GET_ENDPOINTS_RESPONSE, 0));
    let memory = process.memory_mib();
    assert!(memory < MEMORY_MIB, "{memory} MiB");
}

/// A request to write one value, which begins with `value`.
fn write(value: &[u8]) -> Body {
    Body::request(request::WRITE)
        .number(1)
        // Node, attribute, range, the flag of a value.
        .bytes(&[0, 1])
        .number(13)
        .null()
        .bytes(&[1])
        .bytes(value)
}

#[test]
fn nested_values_neither_overflow_the_stack_nor_end_the_server() {
    let (_site, mut process) = open_server("");
    let address = process.address();
    // One byte for each level: a DiagnosticInfo in another one, which the library decodes without a limit.
    let depth = 65_000;
    let diagnostics = [&[25][..], &vec![0x40; depth], &[0]].concat();
    // A variant in a variant; an extension object in a variant in an extension object; a value in a variant in a value.
    let variants = [vec![24; depth], vec![0]].concat();
    let objects = [22, 0, 0, 1, 0xff, 0xff, 0, 0].repeat(depth / 8);
    let values = [23, 1].repeat(depth / 2);
    for (name, value) in [
        ("DiagnosticInfo", diagnostics),
        ("Variant", variants),
        ("ExtensionObject", objects),
        ("DataValue", values),
    ] {
        for _ in 0..3 {
            let mut raw = Raw::open(address);
            raw.send_part(b"MSGC", &write(&value[..value.len() / 2]).0);
            raw.send_part(b"MSGF", &value[value.len() / 2..]);
            // A fault, an error or an end of this connection.
            let answer = raw.answer();
            assert!(
                !matches!(answer, Answer::Response(kind, _) if kind != SERVICE_FAULT),
                "{name}: {answer:?}"
            );
        }
        eprintln!("{name}: {} MiB", process.memory_mib());
        is_well(&mut process, address);
    }
}

#[test]
fn lengths_that_are_not_true_cost_no_memory() {
    let (_site, mut process) = open_server("");
    let address = process.address();
    let long = i32::MAX.to_le_bytes();
    let array = |kind: u8| [&[kind | 0x80][..], &long].concat();
    let nodes = Body::request(request::READ).bytes(&[0; 12]).bytes(&long);
    // An XML body, for which the library reserves the length that it states.
    let xml = [&[22, 0, 0, 2][..], &long].concat();
    let requests = [
        ("array of bytes", write(&array(3))),
        ("array of variants", write(&array(24))),
        ("array of objects", write(&array(22))),
        ("text", write(&[&[12][..], &long].concat())),
        ("bytes", write(&[&[15][..], &long].concat())),
        ("XML body", write(&xml)),
        ("nodes to read", nodes),
    ];
    for (name, request) in requests {
        for _ in 0..5 {
            let answer = Raw::open(address).call(&request);
            assert!(
                !matches!(answer, Answer::Response(kind, _) if kind != SERVICE_FAULT),
                "{name}: {answer:?}"
            );
        }
        eprintln!("{name}: {} MiB", process.memory_mib());
        is_well(&mut process, address);
    }
}

#[test]
fn chunks_without_end_and_huge_chunks_end_the_connection() {
    let (_site, mut process) = open_server("");
    let address = process.address();
    // More chunks than a request may have.
    let mut raw = Raw::open(address);
    for _ in 0..100 {
        raw.send_part(b"MSGC", &[0; 100]);
    }
    assert_eq!(raw.closed_with(), Some(TOO_LARGE));
    // More bytes than a request may have.
    let mut raw = Raw::open(address);
    for _ in 0..3 {
        raw.send_part(b"MSGC", &vec![0; 40_000]);
    }
    assert_eq!(raw.closed_with(), Some(TOO_LARGE));
    // A chunk of 4 GiB, of which a part is sent.
    let mut raw = Raw::open(address);
    raw.write(b"MSGF\xff\xff\xff\xff");
    assert_eq!(raw.closed_with(), Some(TOO_LARGE));
    // The same as the first message.
    let mut raw = Raw::connect(address);
    raw.write(b"HELF\xff\xff\xff\xff");
    assert_eq!(raw.closed_with(), Some(TOO_LARGE));
    let mut raw = Raw::connect(address);
    raw.write(b"GET / HTTP/1.1\r\n\r\n");
    assert!(raw.closed_with().is_some());
    is_well(&mut process, address);
}

#[test]
fn client_without_a_certificate_reaches_only_the_endpoints() {
    let (_site, mut process) = server("", "");
    let address = process.address();
    is_well(&mut process, address);
    let mut raw = Raw::open(address);
    let servers = Body::request(request::FIND_SERVERS).null().null().null();
    let answer = raw.call(&servers);
    assert!(matches!(answer, Answer::Response(425, 0)), "{answer:?}");
    for (name, request) in [
        ("CreateSession", create_session(address)),
        (
            "Read",
            Body::request(request::READ).bytes(&[0; 12]).number(0),
        ),
        ("Write", write(&[0])),
    ] {
        let answer = Raw::open(address).call(&request);
        assert_eq!(answer, Answer::Error(POLICY_REJECTED), "{name}");
    }
    // A request for the endpoints that is as large as another one.
    let padded = get_endpoints(address).bytes(&[0; 8000]);
    assert_eq!(Raw::open(address).call(&padded), Answer::Error(TOO_LARGE));
    // A policy that the server does not have.
    let mut raw = Raw::connect(address);
    raw.hello(address);
    raw.open_channel("http://opcfoundation.org/UA/SecurityPolicy#Basic128Rsa15");
    assert_eq!(raw.closed_with(), Some(POLICY_REJECTED));
    is_well(&mut process, address);
}

#[test]
fn slow_handshakes_are_ended() {
    let (_site, mut process) = server("", "handshake_timeout_s = 2\n");
    let address = process.address();
    let begin = Instant::now();
    let mut silent: Vec<_> = (0..8).map(|_| Raw::connect(address)).collect();
    let mut slow = Raw::connect(address);
    // A byte from time to time does not extend the time.
    for byte in b"HELF\x38\0\0\0\0\0" {
        slow.write(&[*byte]);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(slow.closed_with(), Some(TIMEOUT));
    for raw in &mut silent {
        assert_eq!(raw.closed_with(), Some(TIMEOUT));
    }
    assert!(begin.elapsed() >= Duration::from_secs(2));
    is_well(&mut process, address);
}

#[test]
fn connections_and_secure_channels_are_limited() {
    let (_site, mut process) = server("", "connections = 12\nconnections_per_address = 10\n");
    let address = process.address();
    let mut open: Vec<_> = (0..10).map(|_| Raw::open(address)).collect();
    let mut refused = 0;
    for _ in 0..20 {
        let mut raw = Raw::connect(address);
        refused += usize::from(raw.closed_with() == Some(NOT_ENOUGH_RESOURCES));
    }
    assert!(refused >= 1, "no refusal was reported to a client");
    // Connected clients are served, and a slot that becomes free is used.
    let answer = open[3].call(&get_endpoints(address));
    assert_eq!(answer, Answer::Response(GET_ENDPOINTS_RESPONSE, 0));
    drop(open);
    crate::harness::wait("a free place", || {
        let mut raw = Raw::connect(address);
        raw.write(b"GET / HTTP/1.1\r\n\r\n");
        raw.closed_with() != Some(NOT_ENOUGH_RESOURCES)
    });
    is_well(&mut process, address);
    // Channels of one connection.
    let mut raw = Raw::open(address);
    for _ in 0..40 {
        raw.open_channel("http://opcfoundation.org/UA/SecurityPolicy#None");
    }
    assert_eq!(raw.closed_with(), Some(NOT_ENOUGH_RESOURCES));
    is_well(&mut process, address);
}

#[test]
fn sessions_are_limited_and_expire() {
    let (_site, mut process) = open_server("sessions = 4\nsession_timeout_s = 5\n");
    let address = process.address();
    let mut raw = Raw::open(address);
    let mut created = 0;
    for _ in 0..20 {
        match raw.call(&create_session(address)) {
            Answer::Response(CREATE_SESSION_RESPONSE, 0) => created += 1,
            Answer::Response(SERVICE_FAULT, TOO_MANY_SESSIONS) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(created, 4);
    is_well(&mut process, address);
    // A session that is not used is closed, whatever time-out the client requested.
    crate::harness::wait("a free session", || {
        Raw::open(address).call(&create_session(address))
            == Answer::Response(CREATE_SESSION_RESPONSE, 0)
    });
}

#[test]
fn requests_without_a_session_do_not_fill_the_memory() {
    let (_site, mut process) = open_server("");
    let address = process.address();
    is_well(&mut process, address);
    let before = process.memory_mib();
    // Faults are not read by this client: the server stops to read, and ends the connection later.
    let mut raw = Raw::open(address);
    let read = Body::request(request::READ).bytes(&[0; 12]).number(0);
    for _ in 0..5000 {
        raw.send_part(b"MSGF", &read.0);
    }
    is_well(&mut process, address);
    let after = process.memory_mib();
    assert!(
        after < before + 64,
        "{before} MiB before, {after} MiB after"
    );
}
