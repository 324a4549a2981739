//! A broker that closes the connection because of a record.

use inspectd_client::{Decision, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::record::tests::{origin, record};

/// A broker that answers what a node needs. It closes the connection when a message contains `bad`.
async fn broker(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        // An error is the end of the connection.
        let _ = serve(stream).await;
    }
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let kind = stream.read_u8().await? >> 4;
        let body = body(&mut stream).await?;
        let answer = match kind {
            // CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ.
            1 => vec![0x20, 2, 0, 0],
            8 => vec![0x90, 3, body[0], body[1], 1],
            10 => vec![0xb0, 2, body[0], body[1]],
            12 => vec![0xd0, 0],
            // PUBLISH.
            3 if body.windows(3).any(|part| part == b"bad") => return Ok(()),
            _ => continue,
        };
        stream.write_all(&answer).await?;
    }
}

/// The packet after its first byte.
async fn body(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = stream.read_u8().await?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

#[tokio::test]
async fn record_because_of_which_the_broker_closes_the_connection_is_not_in_the_next_birth() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(broker(listener));
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Sparkplug {
        broker: Broker {
            host: "127.0.0.1".to_owned(),
            port,
            client_id: "inspectd-box-7-line".to_owned(),
            login: None,
            tls: None,
        },
        group: "plant-a".to_owned(),
        primary_host: None,
    };
    let mut sink = SparkplugSink::new(settings, &origin(), folder.path(), "line");
    let verdict = Verdict {
        sequence: 1,
        run_id: "0190".to_owned(),
        camera_id: "top".to_owned(),
        part_id: "bad".to_owned(),
        decision: Decision::Pass.into(),
        ..Verdict::default()
    };
    let bad = Record::of_verdict(&origin(), verdict);
    for _ in 0..2 {
        let outcome = sink.deliver(std::slice::from_ref(&bad)).await;
        assert!(matches!(outcome, Err(Failure::Lost(_))), "{outcome:?}");
        sink.reset();
        assert_eq!(sink.ping().await, Ok(()));
    }
    let good = [record(2, Decision::Pass)];
    assert_eq!(sink.deliver(&good).await, Ok(Vec::new()));
    sink.close().await;
}
