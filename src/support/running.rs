//! The running daemon: its state by `inspectctl`, and its metrics.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::program::run;
use super::{Context, Parts};

/// How long the metrics may take.
const METRICS_TIMEOUT: Duration = Duration::from_secs(10);

/// Most bytes of the metrics.
const METRICS_BYTES: u64 = 16 << 20;

/// Names the address of the daemon for `inspectctl`.
const SERVER_VARIABLE: &str = "INSPECTD_SERVER";

/// Commands of `inspectctl`, and the files of their outputs.
const COMMANDS: [(&str, &str, &[&str]); 4] = [
    ("status.txt", "output of `inspectctl status`", &["status"]),
    (
        "status.json",
        "the same for programs",
        &["status", "--json"],
    ),
    (
        "cameras.json",
        "output of `inspectctl cameras --json`",
        &["cameras", "--json"],
    ),
    (
        "consumers.json",
        "output of `inspectctl consumers --json`",
        &["consumers", "--json"],
    ),
];

pub(super) async fn collect(context: &Context<'_>, parts: &mut Parts) {
    let options = context.options;
    let connection = connection(context);
    for (name, about, command) in COMMANDS {
        let arguments = connection
            .iter()
            .map(String::as_str)
            .chain(command.iter().copied());
        let printed = match run(&options.inspectctl, arguments).await {
            Ok(printed) => printed.success(),
            Err(error) => Err(error),
        };
        parts.add(name, about, printed);
    }
    parts.add(
        "metrics.txt",
        "the metrics, as Prometheus reads them",
        metrics(context).await,
    );
}

/// The arguments with which `inspectctl` connects.
fn connection(context: &Context<'_>) -> Vec<String> {
    let given = &context.options.connection;
    let named = std::env::var_os(SERVER_VARIABLE).is_some();
    if named || given.iter().any(|argument| argument == "--server") {
        return given.clone();
    }
    let mut arguments = given.clone();
    let explanation = &context.explanation;
    let address = explanation.value("server.unix_socket").map_or_else(
        || {
            let scheme = match explanation.value("tls.certificate") {
                Some(_) => "https",
                None => "http",
            };
            let listen = explanation.value("server.listen")?;
            Some(format!("{scheme}://{}", reachable(listen)?))
        },
        |socket| Some(format!("unix:{socket}")),
    );
    if let Some(address) = address {
        arguments.extend(["--server".to_owned(), address]);
    }
    arguments
}

/// The address at which this machine reaches a listener: one on all addresses is reached by that of the loopback interface.
fn reachable(listen: &str) -> Option<SocketAddr> {
    let mut address: SocketAddr = listen.parse().ok()?;
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => address.set_ip([127, 0, 0, 1].into()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            address.set_ip(std::net::Ipv6Addr::LOCALHOST.into());
        }
        _ => {}
    }
    Some(address)
}

async fn metrics(context: &Context<'_>) -> Result<String, String> {
    let listen = context.explanation.value("server.metrics_listen");
    let listen = listen.ok_or("server.metrics_listen cannot be read")?;
    let address = reachable(listen).ok_or_else(|| format!("server.metrics_listen = {listen}"))?;
    let read = async {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.take(METRICS_BYTES).read_to_end(&mut bytes).await?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = timeout(METRICS_TIMEOUT, read)
        .await
        .map_err(|_| {
            format!(
                "{address}: no answer within {} s",
                METRICS_TIMEOUT.as_secs()
            )
        })?
        .map_err(|error| format!("{address}: {error}"))?;
    let text = String::from_utf8_lossy(&bytes);
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        Some((head, _)) => Err(format!(
            "{address}: {}",
            head.lines().next().unwrap_or_default()
        )),
        None => Err(format!("{address}: not HTTP")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_on_all_addresses_is_reached_by_loopback() {
        let check = |listen: &str, expected: Option<&str>| {
            let found = reachable(listen).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{listen}");
        };
        check("0.0.0.0:9464", Some("127.0.0.1:9464"));
        check("[::]:9464", Some("[::1]:9464"));
        check("10.0.0.1:9464", Some("10.0.0.1:9464"));
        check("off", None);
    }
}
