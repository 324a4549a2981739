//! The clients with TLS, a token and a Unix socket.

use std::process::Command;

use inspectd::access::token::{self, TokenHash};
use inspectd_test_support::{onnx_runtime, require};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType,
};

use super::programs::{Consumer, Language, built, run};
use super::{CAMERA, JOURNAL, REVIEW, SILENCE_MS, site};
use crate::harness::Site;

const TLS: &str =
    "[tls]\ncertificate = \"daemon.pem\"\nkey = \"daemon.key\"\nclient_ca = \"ca.pem\"\n";
const ACCESS: &str = "[access]\nclients = \"clients.toml\"\n";

/// Writes a CA, the daemon's certificate that it signed, another CA, and a client with a token.
fn write_credentials(site: &Site) {
    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, "plant");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let self_signed = |key: &KeyPair| authority.self_signed(key).expect("a certificate").pem();
    let (key, other) = (new_key(), new_key());
    site.write("ca.pem", &self_signed(&key));
    site.write("other_ca.pem", &self_signed(&other));

    let mut daemon = CertificateParams::default();
    daemon.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    daemon.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let daemon_key = new_key();
    let issuer = Issuer::new(authority.clone(), key);
    let certificate = daemon.signed_by(&daemon_key, &issuer);
    site.write("daemon.pem", &certificate.expect("a certificate").pem());
    site.write("daemon.key", &daemon_key.serialize_pem());

    let token = token::create().expect("random bytes");
    let hash = TokenHash::of(token.as_bytes()).hex();
    site.write("token", &token);
    let client =
        format!("[[client]]\nname = \"mes\"\nrole = \"operator\"\ntoken_sha256 = \"{hash}\"\n");
    site.write("clients.toml", &client);
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// Checks that a client with the CA and the token is served, and that it refuses another CA and another address than that of the
/// certificate.
fn authenticates(language: Language) {
    let site = site();
    site.configure(&format!("{JOURNAL}{REVIEW}{TLS}{ACCESS}"), CAMERA);
    write_credentials(&site);
    let daemon = site.start_with(&[("INSPECTD__SERVER__LISTEN", "0.0.0.0:0")]);
    let listen = daemon.address("server.listen");
    let (_, port) = listen.rsplit_once(':').expect("a port");
    let program = |host: &str, ca: &str, task: &[&str]| -> Command {
        let mut command = language.program("conformance");
        command.arg(format!("https://{host}:{port}")).args(task);
        command.env("INSPECTD_CA", site.path(ca));
        command
    };
    let token = site.path("token");
    let consume = ["consume", "mes", SILENCE_MS];
    let mut command = program("127.0.0.1", "ca.pem", &consume);
    let mut client = Consumer::start(command.env("INSPECTD_TOKEN_FILE", &token));
    for sequence in 1..=3 {
        assert_eq!(client.verdict().1, sequence);
        client.processed();
    }
    client.end();

    let mut client = Consumer::start(&mut program("127.0.0.1", "ca.pem", &consume));
    assert_eq!(client.line(), "failed UNAUTHENTICATED");
    client.end();

    let trigger = ["trigger", "belt", "P-1", "1000"];
    for (host, ca) in [("127.0.0.1", "other_ca.pem"), ("127.0.0.2", "ca.pem")] {
        let mut command = program(host, ca, &trigger);
        let (_, text) = run(command.env("INSPECTD_TOKEN_FILE", &token));
        let refused = ["failed UNAVAILABLE", "failed DEADLINE_EXCEEDED"];
        let is_refused = refused.iter().any(|line| text.contains(line));
        assert!(is_refused, "{host} {ca}: {text}");
    }
    daemon.stop();
}

/// Checks that a client is served over a Unix socket.
fn reads_over_a_unix_socket(language: Language) {
    let site = site();
    let socket = site.path("socket").display().to_string();
    let daemon = site.start_with(&[("INSPECTD__SERVER__UNIX_SOCKET", &socket)]);
    let mut client = language.consume(&format!("unix:{socket}"), "mes", SILENCE_MS);
    assert_eq!(client.verdict().1, 1);
    client.end();
    daemon.stop();
}

#[test]
fn cpp_client_is_served_with_tls_and_token_only() {
    require!(onnx_runtime());
    require!(built(Language::Cpp));
    authenticates(Language::Cpp);
}

#[test]
fn node_client_is_served_with_tls_and_token_only() {
    require!(onnx_runtime());
    require!(built(Language::Node));
    authenticates(Language::Node);
}

#[test]
fn cpp_client_reads_over_a_unix_socket() {
    require!(onnx_runtime());
    require!(built(Language::Cpp));
    reads_over_a_unix_socket(Language::Cpp);
}

#[test]
fn node_client_reads_over_a_unix_socket() {
    require!(onnx_runtime());
    require!(built(Language::Node));
    reads_over_a_unix_socket(Language::Node);
}
