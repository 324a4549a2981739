//! The keys of who may call: TLS, and the clients.

use super::{Key, Kind, Section};

pub(super) const TLS: Section = Section {
    name: "tls",
    doc: "TLS of gRPC over TCP. The files are looked at every second and taken into use when they change; \
          `docs/access.md` tells how to make them.",
    keys: &[
        Key::unset(
            "certificate",
            Kind::Path,
            "The daemon's certificate, then those between it and its CA, PEM. Unset: no TLS, on loopback \
             alone.",
        ),
        Key::unset("key", Kind::Path, "The certificate's private key, PEM."),
        Key::unset(
            "client_ca",
            Kind::Path,
            "The certificates of the CAs that clients' certificates are signed by, PEM. Unset: clients \
             have tokens alone.",
        ),
        Key::preset(
            "require_client_certificate",
            Kind::Flag,
            "false",
            "Whether a client without a certificate of `client_ca` is not even heard.",
        ),
    ],
};

pub(super) const ACCESS: Section = Section {
    name: "access",
    doc: "Who may call what, over TCP. Over `server.unix_socket` everybody is an engineer: the file's \
          permissions say who that is.",
    keys: &[
        Key::unset(
            "clients",
            Kind::Path,
            "The file of the clients, their roles, and what they are known by (`docs/access.md`); looked \
             at every second and taken into use when it changes. Unset: everybody is an engineer, on \
             loopback alone.",
        ),
        Key::preset(
            "requests_per_second",
            Kind::Number(0.1, 1_000_000.0),
            "200",
            "How many calls a second each client may begin in the long run.",
        )
        .unit("calls a second"),
        Key::preset(
            "burst",
            Kind::Whole(1, 1_000_000),
            "400",
            "How many calls a client that was quiet may begin at once.",
        )
        .unit("calls"),
    ],
};
