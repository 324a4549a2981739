//! Limits on what a client can use: connections, time, memory.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd::access::Role;
use inspectd_client::proto::inspect_image_request::Image;
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::{InspectImageRequest, PixelFormat, RawImage};
use inspectd_test_support::{onnx_runtime, require};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};
use tonic::Code;
use tonic_types::StatusExt;

use super::{ACCESS, Client, Outcome, SecuredSite, TLS, pause};
use crate::harness::{Daemon, PATIENCE, wait};

fn connect(daemon: &Daemon) -> TcpStream {
    let stream = TcpStream::connect(daemon.address("server.listen")).expect("a connection");
    let limit = Some(Duration::from_millis(50));
    stream.set_read_timeout(limit).expect("a limit");
    stream
}

/// Whether the peer has closed the connection; data sent before is discarded.
pub(super) fn closed(stream: &mut impl Read) -> bool {
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                let open = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
                return !open.contains(&error.kind());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rate_limited_client_gets_a_retry_delay() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{ACCESS}requests_per_second = 1\nburst = 3\n"));
    let daemon = secured.site.start();
    let of = |role| Client::plain(&daemon).with_token(secured.token(role));
    let viewer = of(Role::Viewer);
    let begin = Instant::now();
    let mut passed = 0;
    let refused = loop {
        match viewer.status().await {
            Ok(()) => passed += 1,
            Err(refused) => break refused,
        }
    };
    let earned = begin.elapsed().as_secs() as i32;
    assert!((3..=3 + earned).contains(&passed), "{passed} calls");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let retry = refused.get_details_retry_info().expect("details");
    let wait = retry.retry_delay.expect("a time");
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
    of(Role::Operator).status().await.expect("another client");
    tokio::time::sleep(wait).await;
    viewer.status().await.expect("it has waited");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn connections_beyond_the_limit_are_closed_until_one_disconnects() {
    require!(onnx_runtime());
    let secured = SecuredSite::new("");
    let daemon = secured
        .site
        .start_with(&[("INSPECTD__SERVER__CONNECTION_LIMIT", "2")]);
    let (first, mut second) = (connect(&daemon), connect(&daemon));
    let mut third = connect(&daemon);
    wait("the third to be closed", || closed(&mut third));
    assert!(!closed(&mut second));
    let refused = daemon.wait_for_log("a connection is refused");
    assert!(
        refused.contains("the limit of connections is reached"),
        "{refused}"
    );
    let outcome = Outcome::of(Client::plain(&daemon).status().await);
    assert_eq!(outcome, Outcome::Unconnected);
    drop(first);
    let begin = Instant::now();
    while Client::plain(&daemon).status().await.is_err() {
        assert!(begin.elapsed() < PATIENCE, "no place becomes free");
        pause(20).await;
    }
    drop(second);
    daemon.stop();
}

/// A connection whose TLS handshake is complete and that sends nothing more.
fn shaken(daemon: &Daemon, secured: &SecuredSite) -> (TcpStream, ClientConnection) {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(secured.ca.pem().as_bytes()).expect("a certificate");
    roots.add(ca).expect("a certificate");
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let mut tls = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = connect(daemon);
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).expect("a handshake");
    }
    let limit = Some(Duration::from_millis(50));
    stream.set_read_timeout(limit).expect("a limit");
    (stream, tls)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn silent_connections_are_closed_and_delay_no_other_client() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
    let daemon = secured.site.start();
    let known = secured.certified(&daemon, Role::Viewer);
    known.status().await.expect("a viewer");
    let mut silent: Vec<TcpStream> = (0..50).map(|_| connect(&daemon)).collect();
    let (mut stranger, _tls) = shaken(&daemon, &secured);
    let begin = Instant::now();
    let client = secured.certified(&daemon, Role::Viewer);
    client.status().await.expect("a viewer");
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "{:?}",
        begin.elapsed()
    );
    assert!(!silent.iter_mut().any(closed), "their time is not over");
    wait("the silent to be closed", || silent.iter_mut().all(closed));
    assert!(begin.elapsed() > Duration::from_secs(9));
    daemon.wait_for_log("not done within 10 s");
    assert!(!closed(&mut stranger), "its time is not over");
    wait("the stranger to be closed", || closed(&mut stranger));
    assert!(begin.elapsed() > Duration::from_secs(25));
    // An authenticated client may be silent for longer.
    known.status().await.expect("a viewer");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn client_without_tls_is_closed_and_logged() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("{TLS}{ACCESS}"));
    let daemon = secured.site.start();
    let mut plain = connect(&daemon);
    plain
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .expect("sent");
    wait("it to be closed", || closed(&mut plain));
    daemon.wait_for_log("a TLS handshake failed");
    daemon.stop();
}

/// A PNG of only a header, which claims this size.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut png = Vec::new();
    let small = image::GrayImage::new(32, 32);
    let format = image::ImageFormat::Png;
    small
        .write_to(&mut std::io::Cursor::new(&mut png), format)
        .expect("a PNG");
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |sum: u32, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
    let byte = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), bit);
    !bytes.iter().fold(u32::MAX, byte)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn oversized_image_header_is_rejected_before_decoding() {
    require!(onnx_runtime());
    let secured = SecuredSite::new("");
    let daemon = secured
        .site
        .start_with(&[("INSPECTD__SERVER__IMAGE_SIDE_LIMIT", "64")]);
    let check = async |image: Image, words: &str| {
        let mut inspection = InspectionServiceClient::new(daemon.channel().await);
        let request = InspectImageRequest {
            image: Some(image),
            camera_id: String::new(),
        };
        let refused = inspection
            .inspect_image(request)
            .await
            .expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(words), "{refused}");
    };
    let encoded = |width, height| Image::Encoded(bomb(width, height));
    check(
        encoded(60_000, 60_000),
        "60000x60000 pixels; must be at least 32 a side",
    )
    .await;
    check(encoded(65, 32), "65x32 pixels; must be at most 64 a side").await;
    check(
        encoded(32, 32_000),
        "32x32000 pixels; must be at most 64 a side",
    )
    .await;
    let raw = |width, height, stride| {
        let format = PixelFormat::Rgb8.into();
        let data = vec![0; 64];
        Image::Raw(RawImage {
            width,
            height,
            format,
            data,
            stride,
        })
    };
    check(raw(u32::MAX, u32::MAX, 0), "raw.width").await;
    check(raw(65, 32, 0), "must be 32 to 64 a side").await;
    check(raw(64, 64, u32::MAX), "raw.data").await;
    daemon.stop();
}

/// Starts the daemon with as few files as an interactive shell has.
fn start_with_few_files(secured: &SecuredSite) -> Daemon {
    let command = secured.site.command();
    let mut limited = std::process::Command::new("prlimit");
    limited
        .arg("--nofile=256")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    let daemon = Daemon::spawn(&mut limited);
    daemon.wait_for_log("ready");
    daemon.wait_for_log("raise LimitNOFILE of the unit");
    daemon
}

/// Opens connections from other addresses than that of the tests' clients, each more than it may have.
async fn flood(daemon: &Daemon, key: &str) -> Vec<TcpStream> {
    let address = daemon.address(key).parse().expect("an address");
    let mut connections = Vec::new();
    for last in 2..=6 {
        for _ in 0..30 {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            let own = Ipv4Addr::new(127, 0, 0, last);
            socket
                .bind((own, 0).into())
                .expect("an address of this machine");
            let stream = socket.connect(address).await.expect("a connection");
            let stream = stream.into_std().expect("a socket");
            stream.set_nonblocking(false).expect("a socket that blocks");
            let limit = Some(Duration::from_millis(2));
            stream.set_read_timeout(limit).expect("a limit");
            connections.push(stream);
        }
    }
    connections
}

/// The number of connections that the daemon has not closed.
fn open(connections: &mut [TcpStream]) -> usize {
    let open = connections.iter_mut().map(|one| usize::from(!closed(one)));
    open.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn addresses_without_calls_do_not_keep_clients_out() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(ACCESS);
    let daemon = start_with_few_files(&secured);
    let of = |role| Client::plain(&daemon).with_token(secured.token(role));
    let viewer = of(Role::Viewer);
    viewer.status().await.expect("a place");
    let mut metrics = flood(&daemon, "server.metrics_listen").await;
    let mut silent = flood(&daemon, "server.listen").await;
    // A client that connects now gets a place.
    let connected = of(Role::Operator);
    connected.status().await.expect("a reserved place");
    // Limits of 256 files leave 80 connections over gRPC, a quarter of them for addresses with calls.
    let held = open(&mut silent);
    assert!((40..=60).contains(&held), "{held} connections");
    let held = open(&mut metrics);
    assert!((40..=64).contains(&held), "{held} connections");
    viewer.status().await.expect("its connection is kept");
    drop((metrics, silent));
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn connections_to_the_metrics_port_take_no_files_of_other_clients() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(ACCESS);
    let daemon = start_with_few_files(&secured);
    let mut metrics = flood(&daemon, "server.metrics_listen").await;
    let viewer = Client::plain(&daemon).with_token(secured.token(Role::Viewer));
    viewer.status().await.expect("a place");
    let held = open(&mut metrics);
    assert!((40..=64).contains(&held), "{held} connections");
    drop(metrics);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn trusted_connection_without_a_request_is_closed_after_ten_seconds() {
    require!(onnx_runtime());
    let secured = SecuredSite::new("");
    let path = secured.site.path("socket");
    let text = path.display().to_string();
    let daemon = secured
        .site
        .start_with(&[("INSPECTD__SERVER__UNIX_SOCKET", &*text)]);
    let known = Client::plain(&daemon);
    known.status().await.expect("an engineer");
    let begin = Instant::now();
    let mut silent = connect(&daemon);
    let mut partial = connect(&daemon);
    partial.write_all(b"PRI * HTTP/2.0").expect("sent");
    let mut unix = std::os::unix::net::UnixStream::connect(&path).expect("a connection");
    let limit = Some(Duration::from_millis(50));
    unix.set_read_timeout(limit).expect("a limit");
    let open = !closed(&mut silent) && !closed(&mut unix);
    assert!(open, "their time is not over");
    wait("the silent to be closed", || {
        closed(&mut silent) && closed(&mut partial) && closed(&mut unix)
    });
    let seconds = begin.elapsed().as_secs();
    assert!((8..25).contains(&seconds), "{seconds} s");
    // A client that has made a call may be silent for longer.
    known.status().await.expect("its connection is kept");
    daemon.stop();
}
