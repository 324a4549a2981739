//! The tables of brokers, NATS and object stores.

use std::path::PathBuf;

use reqwest::Url;

use crate::config::key::Key;
use crate::config::reader::Table;
use crate::config::settings::{
    Broker, Mqtt, MqttVersion, Nats, NatsLogin, NatsStream, Origin, Payload, S3, Sparkplug,
    TlsFiles,
};
use crate::config::{checked, identity, is_name, keys};

/// The host and the port of an address with one of the schemes, and the number of the scheme.
fn address(text: &str, schemes: &[&str]) -> Option<(usize, String, u16)> {
    let url = Url::parse(text).ok()?;
    let scheme = schemes.iter().position(|scheme| url.scheme() == *scheme)?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none();
    let host = url.host_str().filter(|host| bare && !host.is_empty())?;
    let host = host.trim_matches(['[', ']']).to_owned();
    Some((scheme, host, url.port()?))
}

/// The connection to an MQTT broker.
fn broker(id: &str, table: &Table<'_>, origin: &Origin) -> Option<Broker> {
    let server = table.text(&keys::MQTT_SERVER);
    let server = server.map(|text| address(&text, &["mqtt", "mqtts"]));
    let server = checked(table, &keys::MQTT_SERVER, server, Option::is_some).flatten();
    let client_id = table.text(&keys::MQTT_CLIENT_ID);
    let client_id = client_id.unwrap_or_else(|| format!("inspectd-{}-{id}", origin.box_name));
    let client_id = checked(table, &keys::MQTT_CLIENT_ID, Some(client_id), |text| {
        text.len() <= 128
    });
    let login = login(table, &keys::MQTT_USER, &keys::MQTT_PASSWORD_FILE);
    let tls = TlsFiles {
        ca: table.path(&keys::MQTT_CA),
        identity: identity(table, &keys::MQTT_CERTIFICATE, &keys::MQTT_KEY),
    };
    let (scheme, host, port) = server?;
    if scheme == 0 && (tls.ca.is_some() || tls.identity.is_some()) {
        table.fault(keys::MQTT_SERVER.name, "certificates require mqtts://");
    }
    Some(Broker {
        host,
        port,
        tls: (scheme == 1).then_some(tls),
        client_id: client_id?,
        login,
    })
}

pub(super) fn mqtt(id: &str, table: &Table<'_>, origin: &Origin) -> Option<Mqtt> {
    let broker = broker(id, table, origin);
    let version = table.choice(&keys::MQTT_VERSION, |text| match text {
        "3.1.1" => Some(MqttVersion::V3),
        "5" => Some(MqttVersion::V5),
        _ => None,
    });
    let payload = payload(table, &keys::MQTT_PAYLOAD);
    let prefix = table.text(&keys::MQTT_TOPIC_PREFIX);
    let topic_prefix = checked(table, &keys::MQTT_TOPIC_PREFIX, prefix, |text| {
        is_topic(text)
    });
    Some(Mqtt {
        broker: broker?,
        version: version?,
        payload: payload?,
        topic_prefix: topic_prefix?,
    })
}

pub(super) fn sparkplug(id: &str, table: &Table<'_>, origin: &Origin) -> Option<Sparkplug> {
    let broker = broker(id, table, origin);
    let group = table.text(&keys::SPARKPLUG_GROUP);
    let group = group.unwrap_or_else(|| origin.site.clone());
    let group = checked(table, &keys::SPARKPLUG_GROUP, Some(group), |text| {
        is_name(text)
    });
    let primary_host = table.text(&keys::SPARKPLUG_PRIMARY_HOST);
    let primary_host = primary_host.and_then(|host| {
        checked(table, &keys::SPARKPLUG_PRIMARY_HOST, Some(host), |text| {
            text.len() <= 128 && !text.contains(['+', '#', '/', '\0'])
        })
    });
    Some(Sparkplug {
        broker: broker?,
        group: group?,
        primary_host,
    })
}

fn is_topic(text: &str) -> bool {
    text.len() <= 256
        && !text.contains(['+', '#', '\0'])
        && !text.starts_with(['/', '$'])
        && !text.ends_with('/')
}

/// The user and the file with the password: both or none.
fn login(table: &Table<'_>, user: &Key, password_file: &Key) -> Option<(String, PathBuf)> {
    let requires = |key: &Key, other: &Key| {
        table.fault(key.name, format!("requires `{}`", other.name));
    };
    match (table.text(user), table.path(password_file)) {
        (Some(user), Some(file)) => return Some((user, file)),
        (None, None) => {}
        (Some(_), None) => requires(user, password_file),
        (None, Some(_)) => requires(password_file, user),
    }
    None
}

pub(super) fn nats(table: &Table<'_>) -> Option<Nats> {
    let given = table.list(&keys::NATS_SERVERS, |text| {
        address(text, &["nats", "tls"]).map(|(scheme, _, _)| (scheme == 1, text.to_owned()))
    });
    if given.is_empty() && table.has(&keys::NATS_SERVERS) {
        table.fault(keys::NATS_SERVERS.name, "must have at least one server");
    }
    let secure = given.iter().any(|(secure, _)| *secure);
    let password = login(table, &keys::NATS_USER, &keys::NATS_PASSWORD_FILE);
    let credentials = table.path(&keys::NATS_CREDENTIALS_FILE);
    if password.is_some() && credentials.is_some() {
        let message = "excludes `user`: the client authenticates in one way";
        table.fault(keys::NATS_CREDENTIALS_FILE.name, message);
    }
    let payload = payload(table, &keys::NATS_PAYLOAD);
    let prefix = table.text(&keys::NATS_SUBJECT_PREFIX);
    let subject_prefix = checked(table, &keys::NATS_SUBJECT_PREFIX, prefix, |text| {
        let forbidden = |c: char| c.is_whitespace() || matches!(c, '*' | '>');
        text.len() <= 256
            && !text.contains(forbidden)
            && !text.starts_with('$')
            && text.split('.').all(|token| !token.is_empty())
    });
    let name = table.text(&keys::NATS_STREAM);
    let name = name.and_then(|name| {
        checked(table, &keys::NATS_STREAM, Some(name), |text| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            text.len() <= 64 && text.bytes().all(allowed)
        })
    });
    let replicas = table.whole(&keys::NATS_REPLICAS)?;
    let duplicate_window = table.seconds(&keys::NATS_DUPLICATE_WINDOW_S)?;
    let ca = table.path(&keys::NATS_CA);
    if ca.is_some() && !secure {
        table.fault(keys::NATS_CA.name, "requires a server with tls://");
    }
    Some(Nats {
        servers: given.into_iter().map(|(_, server)| server).collect(),
        tls: secure.then_some(TlsFiles { ca, identity: None }),
        login: match (password, credentials) {
            (Some((user, file)), _) => Some(NatsLogin::Password(user, file)),
            (None, Some(file)) => Some(NatsLogin::Credentials(file)),
            (None, None) => None,
        },
        payload: payload?,
        subject_prefix: subject_prefix?,
        stream: name.map(|name| NatsStream {
            name,
            replicas: replicas as usize,
            duplicate_window,
        }),
    })
}

fn payload(table: &Table<'_>, key: &Key) -> Option<Payload> {
    table.choice(key, |text| match text {
        "json" => Some(Payload::Json),
        "protobuf" => Some(Payload::Protobuf),
        _ => None,
    })
}

pub(super) fn s3(table: &Table<'_>) -> Option<S3> {
    let bucket = checked(
        table,
        &keys::S3_BUCKET,
        table.text(&keys::S3_BUCKET),
        |text| {
            let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
            (3..=63).contains(&text.len()) && text.bytes().all(allowed)
        },
    );
    let region = table.text(&keys::S3_REGION);
    let endpoint = table.text(&keys::S3_ENDPOINT);
    let endpoint = endpoint.and_then(|endpoint| {
        checked(table, &keys::S3_ENDPOINT, Some(endpoint), |text| {
            Url::parse(text)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        })
    });
    let credentials_file = table.path(&keys::S3_CREDENTIALS_FILE);
    let prefix = checked(
        table,
        &keys::S3_PREFIX,
        table.text(&keys::S3_PREFIX),
        |text| {
            text.split('/')
                .all(|part| !part.is_empty() && part != "." && part != "..")
        },
    );
    let path_style = table.choice(&keys::S3_PATH_STYLE, |text| Some(text == "path"));
    Some(S3 {
        bucket: bucket?,
        region: region?,
        endpoint,
        credentials_file: credentials_file?,
        prefix: prefix?,
        path_style: path_style?,
    })
}
