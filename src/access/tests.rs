//! Identification of clients, with certificates and clients in real files.

use std::fs;
use std::net::SocketAddr;

use rcgen::{CertificateParams, DnType, Issuer, KeyPair, SanType};
use tempfile::TempDir;

use super::*;
use crate::clock::tests::ManualClock;
use crate::config::parse;

const CLIENTS: &str = "[[client]]\nname = \"hmi\"\nrole = \"viewer\"\ncertificate = \"hmi.line3\"\n\
                       [[client]]\nname = \"plc\"\nrole = \"operator\"\ntoken_sha256 = \"HASH\"\n";
const TOKEN: &str = "inspectd_secret";

const LOOPBACK: &str = "127.0.0.1:4000";
const MAPPED: &str = "[::ffff:127.0.0.1]:4000";
const REMOTE: &str = "192.168.20.7:4000";

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let hash = token::TokenHash::of(TOKEN.as_bytes()).hex();
    let clients = CLIENTS.replace("HASH", &hash);
    fs::write(folder.path().join("clients.toml"), clients).expect("written");
    folder
}

/// Access control of a configuration that contains `text`.
fn open(folder: &TempDir, text: &str) -> Result<Access, AccessError> {
    open_with_clock(folder, text, ManualClock::new())
}

fn open_with_clock(
    folder: &TempDir,
    text: &str,
    clock: SharedClock,
) -> Result<Access, AccessError> {
    let file = folder.path().join("inspectd.toml");
    let text = format!("model.bundle = \"b\"\n[cameras.left]\nsource = \"simulator\"\n{text}\n");
    let loaded = parse(&file, &text, &[]).expect("a configuration");
    let alarms = Alarms::new(clock.clone());
    Access::open(&loaded.settings, clock, alarms)
}

fn peer(address: &str, names: &[&str]) -> Peer {
    let address: SocketAddr = address.parse().expect("an address");
    let certificate = (!names.is_empty()).then(|| Certificate {
        names: names.iter().map(ToString::to_string).collect(),
        not_after: SystemTime::UNIX_EPOCH + Duration::from_secs(1000),
        valid_until: String::new(),
    });
    Peer::tcp(address, certificate)
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn identify(
    access: &Access,
    peer: &Peer,
    headers: &[&str],
) -> Result<(String, Role, AuthMethod), Unknown> {
    let headers: Vec<_> = headers.iter().map(|header| header.as_bytes()).collect();
    let identity = access.identify(peer, &headers, at(1000))?;
    assert_eq!(identity.local, peer.local());
    Ok((identity.name.to_string(), identity.role, identity.method))
}

#[test]
fn without_clients_local_peers_are_engineers_and_remote_peers_are_refused() {
    let access = open(&folder(), "").expect("nothing to read");
    let local = || Ok((LOCAL.to_owned(), Role::Engineer, AuthMethod::Local));
    let check =
        |peer: &Peer, expected| assert_eq!(identify(&access, peer, &[]), expected, "{peer:?}");
    check(&Peer::unix(None), local());
    check(&peer(LOOPBACK, &[]), local());
    check(&peer("[::1]:4000", &[]), local());
    check(&peer(MAPPED, &[]), local());
    // Such a configuration does not listen on other addresses; access is refused in any case.
    check(&peer(REMOTE, &[]), Err(Unknown::NoCredentials));
    check(&peer(REMOTE, &["hmi.line3"]), Err(Unknown::NoCredentials));
}

#[test]
fn with_clients_every_tcp_peer_needs_a_certificate_or_token() {
    let access = open(&folder(), "[access]\nclients = \"clients.toml\"").expect("clients");
    let check =
        |peer: &Peer, headers: &[&str], expected: Result<(&str, Role, AuthMethod), Unknown>| {
            let expected = expected.map(|(name, role, method)| (name.to_owned(), role, method));
            let known = expected.is_ok();
            assert_eq!(
                identify(&access, peer, headers),
                expected,
                "{peer:?} {headers:?}"
            );
            assert_eq!(peer.known(), known, "{peer:?} {headers:?}");
        };
    let hmi = Ok(("hmi", Role::Viewer, AuthMethod::Certificate));
    let plc = Ok(("plc", Role::Operator, AuthMethod::Token));
    let bearer = &*format!("Bearer {TOKEN}");
    let local = Ok((LOCAL, Role::Engineer, AuthMethod::Local));
    check(&Peer::unix(None), &[], local);
    for address in [LOOPBACK, REMOTE] {
        let bare = || peer(address, &[]);
        check(&bare(), &[], Err(Unknown::NoCredentials));
        check(&bare(), &[bearer], plc.clone());
        check(&bare(), &[&bearer.to_lowercase()], plc.clone());
        check(&bare(), &["Bearer other"], Err(Unknown::Token));
        check(&bare(), &["Bearer "], Err(Unknown::Header));
        check(&bare(), &["Basic YTpi"], Err(Unknown::Header));
        check(&bare(), &[TOKEN], Err(Unknown::Header));
        check(&bare(), &[""], Err(Unknown::Header));
        check(&bare(), &[bearer, bearer], Err(Unknown::Header));
        let hmi_peer = || peer(address, &["x", "hmi.line3"]);
        check(&hmi_peer(), &[], hmi.clone());
        // The token of the call has priority, also if it is wrong.
        check(&hmi_peer(), &[bearer], plc.clone());
        check(&hmi_peer(), &["Bearer other"], Err(Unknown::Token));
        let stranger = Unknown::Certificate(vec!["x".to_owned()]);
        check(&peer(address, &["x"]), &[], Err(stranger));
        check(&peer(address, &["x"]), &[bearer], plc.clone());
    }
}

#[test]
fn certificate_that_expires_during_a_connection_is_refused() {
    let access = open(&folder(), "[access]\nclients = \"clients.toml\"").expect("clients");
    let peer = peer(REMOTE, &["hmi.line3"]);
    let check = |second, known: bool| {
        let identity = access.identify(&peer, &[], at(second));
        assert_eq!(identity.is_ok(), known, "second {second}");
    };
    check(1000, true);
    check(1001, false);
}

#[test]
fn clients_have_separate_rate_limits_and_local_clients_have_none() {
    let text = "[access]\nclients = \"clients.toml\"\nrequests_per_second = 2\nburst = 1";
    let clock = ManualClock::new();
    let access = open_with_clock(&folder(), text, clock.clone()).expect("clients");
    let of = |peer: &Peer, header: &str| {
        let headers: &[&[u8]] = if header.is_empty() {
            &[]
        } else {
            &[header.as_bytes()]
        };
        let identity = access.identify(peer, headers, at(0)).expect("known");
        access.admit(&identity)
    };
    let (remote, bearer) = (peer(REMOTE, &["hmi.line3"]), format!("Bearer {TOKEN}"));
    assert_eq!(of(&remote, ""), Ok(()));
    assert_eq!(of(&remote, ""), Err(Duration::from_millis(500)));
    assert_eq!(of(&remote, &bearer), Ok(()));
    assert_eq!(of(&Peer::unix(None), ""), Ok(()));
    assert_eq!(of(&Peer::unix(None), ""), Ok(()));
    clock.advance(Duration::from_millis(500));
    assert_eq!(of(&remote, ""), Ok(()));
}

fn params(common: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, common);
    params
}

#[test]
fn certificate_has_common_and_alternative_names_and_its_validity() {
    let mut params = params("hmi");
    params.subject_alt_names = vec![
        SanType::DnsName("hmi.line3".try_into().expect("ASCII")),
        SanType::IpAddress([192, 168, 20, 7].into()),
        SanType::URI("urn:plant:hmi".try_into().expect("ASCII")),
    ];
    params.not_after = rcgen::date_time_ymd(2031, 2, 3);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let read = Certificate::from_der(certificate.der()).expect("it is one");
    assert_eq!(read.names, ["hmi", "hmi.line3", "urn:plant:hmi"]);
    assert_eq!(read.not_after, at(1_927_843_200));
    assert!(read.valid_until.contains("2031"), "{}", read.valid_until);
    assert_eq!(Certificate::from_der(&certificate.der()[1..]), None);
}

/// Writes `daemon.pem` and `daemon.key`, `other.key`, `ca.pem`, and files with other content.
fn pki(folder: &TempDir) {
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("written");
    };
    let key = KeyPair::generate().expect("a key");
    let ca = params("ca").self_signed(&key).expect("a certificate");
    write("ca.pem", &ca.pem());
    let issuer = Issuer::new(params("ca"), key);
    let key = KeyPair::generate().expect("a key");
    let daemon = params("daemon").signed_by(&key, &issuer);
    write("daemon.pem", &daemon.expect("a certificate").pem());
    write("daemon.key", &key.serialize_pem());
    write(
        "other.key",
        &KeyPair::generate().expect("a key").serialize_pem(),
    );
    write("text.pem", "plain text\n");
    write(
        "damaged.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
}

#[test]
fn error_of_an_unusable_tls_file_names_key_and_path() {
    let folder = folder();
    pki(&folder);
    let check = |certificate: &str, key: &str, ca: &str, words: &[&str]| {
        let text = format!(
            "[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\nclient_ca = \"{ca}\""
        );
        let error = open(&folder, &text).expect_err("refused").to_string();
        for word in words {
            assert!(error.contains(word), "{word:?} is not in: {error}");
        }
        assert!(!error.contains("PRIVATE"), "{error}");
    };
    let (pem, key, ca) = ("daemon.pem", "daemon.key", "ca.pem");
    check(
        "absent.pem",
        key,
        ca,
        &["tls.certificate: ", "absent.pem: cannot be read"],
    );
    check(
        "text.pem",
        key,
        ca,
        &[
            "tls.certificate: ",
            "contains none; must be certificates, PEM",
        ],
    );
    check("damaged.pem", key, ca, &["tls.certificate: ", "not X.509"]);
    check(
        pem,
        pem,
        ca,
        &["tls.key: ", "must be a private key without a password, PEM"],
    );
    check(
        pem,
        "other.key",
        ca,
        &["tls.key: ", "does not belong to the certificate"],
    );
    check(
        pem,
        key,
        "text.pem",
        &["tls.client_ca: ", "must be certificates, PEM"],
    );
    check(
        pem,
        key,
        "damaged.pem",
        &["tls.client_ca: ", "must be certificates, PEM"],
    );
    let text = format!("[tls]\ncertificate = \"{pem}\"\nkey = \"{key}\"\nclient_ca = \"{ca}\"");
    assert!(open(&folder, &text).expect("valid files").tls().is_some());
}

#[test]
fn unreadable_clients_file_is_an_error_with_its_key_and_line() {
    let folder = folder();
    let open = || open(&folder, "[access]\nclients = \"clients.toml\"");
    fs::write(folder.path().join("clients.toml"), "[[client]]\nnam = 1\n").expect("written");
    let error = open().expect_err("refused").to_string();
    assert!(error.starts_with("access.clients: "), "{error}");
    assert!(
        error.contains("clients.toml:2: client.nam: unknown key"),
        "{error}"
    );
    fs::remove_file(folder.path().join("clients.toml")).expect("removed");
    let error = open().expect_err("refused").to_string();
    assert!(error.contains("clients.toml: cannot be read"), "{error}");
}
