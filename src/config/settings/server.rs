//! The sections of the network: gRPC and metrics, TLS, clients.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::group::{Group, Output, Section, section};
use crate::config::key::{Key, Unit};
use crate::config::kind::Kind;
use crate::config::values::Part;

section! {
    /// gRPC and metrics.
    pub struct Server = "server" {
        /// Address that gRPC listens on. Other addresses than loopback require `tls.certificate`, `tls.key`
        /// and `access.clients`.
        listen: SocketAddr = Key::preset("listen", Kind::Address, "127.0.0.1:50051"),

        /// Unix socket that gRPC listens on as well, open to the daemon's own user and group (mode 0660). A
        /// socket that an earlier run abandoned is replaced.
        unix_socket: Option<PathBuf> = Key::unset("unix_socket", Kind::Path),

        /// Unix socket on which clients of the edge agent of Amazon Lookout for Vision are served
        /// (`docs/lookout.md`), open to the daemon's own user and group (mode 0660). Unset: not served.
        #[serde(skip_serializing_if = "Option::is_none")]
        lookout_socket: Option<PathBuf> = Key::unset("lookout_socket", Kind::Path),

        /// Whether these clients get a mask and the kinds of anomalies, as from a segmentation model. `false`: neither,
        /// as from a classification model.
        #[serde(skip_serializing_if = "is_set")]
        lookout_masks: bool = Key::preset("lookout_masks", Kind::Flag, "true"),

        /// Address that serves `/metrics` for Prometheus. `off`: not served.
        metrics_listen: Option<SocketAddr> =
            Key::preset("metrics_listen", Kind::AddressOrOff, "127.0.0.1:9464"),

        /// Address that serves the page for browsers (`docs/page.md`). Other addresses than loopback require
        /// `tls.certificate`, `tls.key` and `access.clients`. `off`: not served.
        #[serde(skip_serializing_if = "Option::is_none")]
        page_listen: Option<SocketAddr> = Key::preset("page_listen", Kind::AddressOrOff, "off"),

        /// Time after which a person has to sign in to the page again.
        #[serde(skip_serializing_if = "is_usual_session")]
        page_session: Duration =
            Key::preset("page_session_s", Kind::Number(1.0, 31_536_000.0), "43200").unit(Unit::Seconds),

        /// Maximum size of a request and of a response.
        message_limit: usize =
            Key::preset("message_limit_mib", Kind::Whole(1, 512), "64").unit(Unit::Mib),

        /// A client that is silent for this long gets an HTTP/2 PING.
        keepalive_interval: Duration =
            Key::preset("keepalive_interval_s", Kind::Number(1.0, 3600.0), "20").unit(Unit::Seconds),

        /// Maximum time for the answer to a PING; then the connection is closed.
        keepalive_timeout: Duration =
            Key::preset("keepalive_timeout_s", Kind::Number(1.0, 600.0), "10").unit(Unit::Seconds),

        /// Interval of the heartbeats of a silent stream.
        heartbeat_interval: Duration =
            Key::preset("heartbeat_interval_s", Kind::Number(0.1, 3600.0), "5").unit(Unit::Seconds),

        /// Maximum number of verdicts that wait for a slow client; then it misses the oldest of them.
        stream_backlog: usize = Key::preset("stream_backlog", Kind::Whole(16, 65_536), "1024")
            .unit(Unit::Plain("verdicts")),

        /// Maximum number of open verdict streams.
        stream_limit: usize = Key::preset("stream_limit", Kind::Whole(1, 4096), "64"),

        /// Maximum number of open connections, over TCP and over each Unix socket; further ones are closed.
        connection_limit: usize = Key::preset("connection_limit", Kind::Whole(1, 65_536), "256"),

        /// Maximum side of an image that a client sends. A larger image is refused before it is decoded.
        image_side_limit: u32 = Key::preset("image_side_limit", Kind::Whole(32, 65_535), "8192")
            .unit(Unit::Plain("pixels")),
    }
}

/// Whether a session lasts as long as without the key: the hash of the settings is that of earlier versions then.
fn is_usual_session(session: &Duration) -> bool {
    *session == Duration::from_hours(12)
}

/// Whether a flag has its usual value, as [`is_usual_session`].
#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_set(flag: &bool) -> bool {
    *flag
}

section! {
    /// TLS of gRPC over TCP. The files are checked every second, and loaded when they change;
    /// `docs/access.md` describes how to create them.
    pub struct Tls = "tls" {
        /// Certificate of the daemon, followed by those between it and its CA, PEM. Unset: no TLS, on
        /// loopback only.
        certificate: PathBuf = CERTIFICATE,

        /// Private key of the certificate, PEM.
        key: PathBuf = Key::unset("key", Kind::Path),

        /// Certificates of the CAs that sign clients' certificates, PEM. Unset: clients authenticate by
        /// tokens only.
        client_ca: Option<PathBuf> = Key::unset("client_ca", Kind::Path),

        /// Whether connections without a certificate signed by `client_ca` are refused during the TLS
        /// handshake.
        require_client_certificate: bool =
            Key::preset("require_client_certificate", Kind::Flag, "false"),
    }
}

const CERTIFICATE: Key = Key::unset("certificate", Kind::Path);

/// None without a certificate: relations ensure that nothing else is set then.
impl Group for Option<Tls> {
    type Value = Self;

    fn keys() -> Vec<Key> {
        Tls::keys()
    }

    fn read(values: &Part<'_>) -> Self {
        values.get(CERTIFICATE.name)?;
        Some(Tls::read(values))
    }

    fn write(value: &Self, output: &mut Output<'_>) {
        if let Some(tls) = value {
            Tls::write(tls, output);
        }
    }
}

impl Section for Option<Tls> {
    const NAME: &'static str = Tls::NAME;
    const DOC: &'static str = Tls::DOC;
}

section! {
    /// Clients and their permissions, over TCP. Over `server.unix_socket` and `server.lookout_socket` every client is an
    /// engineer: the permissions of the socket's file decide who can connect.
    pub struct Access = "access" {
        /// File of the clients, with their roles, tokens and certificates (`docs/access.md`); checked every
        /// second, and loaded when it changes. Unset: every client is an engineer, on loopback only.
        clients: Option<PathBuf> = Key::unset("clients", Kind::Path),

        /// Sustained rate of calls of each client.
        requests_per_second: f64 =
            Key::preset("requests_per_second", Kind::Number(0.1, 1_000_000.0), "200")
                .unit(Unit::Plain("calls a second")),

        /// Maximum number of calls that an idle client can start at once.
        burst: u32 =
            Key::preset("burst", Kind::Whole(1, 1_000_000), "400").unit(Unit::Plain("calls")),
    }
}
