//! The client against a played server: every answer that is not exactly what the model must give is an error, never maps.

mod played;

use std::time::{Duration, Instant};

use inspectd_kserve::proto::ModelInferResponse;
use inspectd_kserve::proto::model_infer_response::InferOutputTensor;
use inspectd_kserve::{Answer, Connection, Error, ServedModel, ServerAddress};
use played::{Behaviour, MODEL, PlayedServer, good_answer};

/// Longer than a played server needs on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// The model of the played server: frames of 4x2 pixels, maps of 2x1 cells.
fn model() -> ServedModel {
    ServedModel {
        name: MODEL.to_owned(),
        version: None,
        frame_size: [4, 2],
        map_size: [2, 1],
        has_logical: true,
    }
}

async fn open(server: &PlayedServer) -> Result<Connection, Error> {
    let address = ServerAddress::new(&server.url(), None).expect("an address");
    Connection::open(&address, model(), LIMIT).await
}

/// Runs two frames on a server that answers like this.
async fn run(behaviour: Behaviour, limit: Duration) -> Result<Answer, Error> {
    let server = PlayedServer::start(behaviour);
    let connection = open(&server).await.expect("a connection");
    connection.infer(vec![7; 2 * 24], 2, limit).await
}

/// Runs two frames on a server whose answer was changed; returns the error's text.
async fn refused(change: impl Fn(&mut ModelInferResponse) + Send + Sync + 'static) -> String {
    let behaviour = Behaviour::Changed(Box::new(change));
    let error = run(behaviour, LIMIT).await.expect_err("refused");
    error.to_string()
}

#[tokio::test]
async fn right_answer_gives_the_maps_in_either_order() {
    let expected = Answer {
        structural: vec![0.5, 1.5, 2.5, 3.5],
        logical: Some(vec![-1.0, -2.0, -3.0, -4.0]),
        version: "3".to_owned(),
    };
    let answer = run(Behaviour::Changed(Box::new(|_| ())), LIMIT).await;
    assert_eq!(answer, Ok(expected.clone()));
    let swapped = |answer: &mut ModelInferResponse| {
        answer.outputs.swap(0, 1);
        answer.raw_output_contents.swap(0, 1);
    };
    let answer = run(Behaviour::Changed(Box::new(swapped)), LIMIT).await;
    assert_eq!(answer, Ok(expected));
}

#[tokio::test]
async fn answer_that_differs_from_the_model_is_an_error() {
    let text = refused(|answer| answer.outputs[0].shape = vec![2, 2, 1]).await;
    assert!(
        text.contains("structural has the shape [2, 2, 1], must be [2, 1, 2]"),
        "{text}"
    );
    let text = refused(|answer| answer.outputs[1].shape = vec![1, 1, 2]).await;
    assert!(text.contains("logical has the shape [1, 1, 2]"), "{text}");
    let text = refused(|answer| answer.outputs[0].datatype = "FP16".to_owned()).await;
    assert!(text.contains("structural has the type \"FP16\""), "{text}");
    let text = refused(|answer| answer.raw_output_contents[0].truncate(15)).await;
    assert!(
        text.contains("structural has 15 bytes, must be 16"),
        "{text}"
    );
    let text = refused(|answer| answer.raw_output_contents[1].push(0)).await;
    assert!(text.contains("logical has 17 bytes, must be 16"), "{text}");
    let text = refused(|answer| answer.outputs[1].name = "semantic".to_owned()).await;
    assert!(text.contains("it has the output \"semantic\""), "{text}");
    let text = refused(|answer| answer.outputs[1].name = "structural".to_owned()).await;
    assert!(text.contains("the output structural twice"), "{text}");
    let one = |answer: &mut ModelInferResponse| {
        answer.outputs.truncate(1);
        answer.raw_output_contents.truncate(1);
    };
    assert!(refused(one).await.contains("no output logical"));
    let none = |answer: &mut ModelInferResponse| {
        answer.outputs.clear();
        answer.raw_output_contents.clear();
    };
    assert!(refused(none).await.contains("no output structural"));
    let text = refused(|answer| answer.raw_output_contents.clear()).await;
    assert!(text.contains("2 outputs have 0 raw contents"), "{text}");
    let text = refused(|answer| answer.model_name = "other".to_owned()).await;
    assert!(text.contains("it is of the model \"other\""), "{text}");
    let third = |answer: &mut ModelInferResponse| {
        answer.outputs.push(InferOutputTensor::default());
        answer.raw_output_contents.push(Vec::new());
    };
    assert!(refused(third).await.contains("it has the output \"\""));
}

#[tokio::test]
async fn non_finite_value_is_an_error_with_its_frame() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let behaviour = Behaviour::Changed(Box::new(move |answer| {
            answer.raw_output_contents[1][8..12].copy_from_slice(&value.to_le_bytes());
        }));
        let error = run(behaviour, LIMIT).await.expect_err("refused");
        let expected = Error::NotFinite {
            map: "logical",
            index: 1,
        };
        assert_eq!(error, expected, "{value}");
    }
}

#[tokio::test]
async fn version_of_the_answer_must_be_the_configured_one() {
    let server = PlayedServer::start(Behaviour::Changed(Box::new(|_| ())));
    let address = ServerAddress::new(&server.url(), None).expect("an address");
    let versioned = |version: &str| ServedModel {
        version: Some(version.to_owned()),
        ..model()
    };
    let connection = Connection::open(&address, versioned("3"), LIMIT)
        .await
        .expect("open");
    assert_eq!(
        connection.infer(vec![7; 48], 2, LIMIT).await,
        Ok(good_maps())
    );
    let error = Connection::open(&address, versioned("4"), LIMIT).await;
    let error = error.expect_err("another version").to_string();
    assert!(error.contains("the versions 3, must be 4"), "{error}");
}

#[tokio::test]
async fn error_of_the_server_is_an_error_at_once() {
    let behaviour = Behaviour::Fails(tonic::Code::Unavailable, "queue\nis full");
    let started = Instant::now();
    let error = run(behaviour, LIMIT).await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        "the server answered Unavailable: queue is full"
    );
    assert!(started.elapsed() < LIMIT);
}

#[tokio::test]
async fn missing_answer_is_a_timeout() {
    let limit = Duration::from_millis(200);
    let started = Instant::now();
    let error = run(Behaviour::Silent, limit).await.expect_err("refused");
    assert_eq!(error, Error::TimedOut(200));
    assert!(error.is_timeout());
    assert!(started.elapsed() < LIMIT);
}

#[tokio::test]
async fn answer_beyond_the_size_of_the_maps_is_refused_before_it_is_received() {
    let large = |answer: &mut ModelInferResponse| answer.raw_output_contents[0].resize(8 << 20, 0);
    let text = refused(large).await;
    assert!(text.contains("OutOfRange"), "{text}");
}

#[tokio::test]
async fn endless_answer_ends_with_the_limit() {
    let limit = Duration::from_millis(300);
    let started = Instant::now();
    let error = run(Behaviour::Endless, limit).await.expect_err("refused");
    assert_eq!(error, Error::TimedOut(300));
    assert!(started.elapsed() < LIMIT);
}

#[tokio::test]
async fn server_or_model_that_is_not_ready_is_refused() {
    let server = PlayedServer::start(Behaviour::NotReady);
    let error = open(&server).await.expect_err("not ready");
    assert_eq!(
        error.to_string(),
        format!("the model {MODEL} of the server is not ready")
    );
}

#[tokio::test]
async fn lost_connection_is_never_made_again() {
    let server = PlayedServer::start(Behaviour::Changed(Box::new(|_| ())));
    let connection = open(&server).await.expect("a connection");
    let answer = connection.infer(vec![7; 48], 2, LIMIT).await;
    assert_eq!(answer, Ok(good_maps()));
    let again = server.restart().await;
    // The same address, with a server that would answer.
    for _ in 0..3 {
        let error = connection.infer(vec![7; 48], 2, LIMIT).await;
        let error = error.expect_err("the connection was lost");
        assert!(matches!(error, Error::Call { .. }), "{error}");
    }
    let connection = open(&again).await.expect("a new connection");
    assert_eq!(
        connection.infer(vec![7; 48], 2, LIMIT).await,
        Ok(good_maps())
    );
}

#[tokio::test]
async fn wrong_number_of_pixels_is_an_error() {
    let server = PlayedServer::start(Behaviour::Silent);
    let connection = open(&server).await.expect("a connection");
    for (bytes, count) in [(47, 2), (0, 0), (24, usize::MAX)] {
        let error = connection.infer(vec![0; bytes], count, LIMIT).await;
        assert!(matches!(error, Err(Error::Answer(_))), "{error:?}");
    }
}

#[tokio::test]
async fn server_that_speaks_something_else_is_no_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut stream, _) = listener.accept().await.expect("a connection");
        // Endless bytes that are not HTTP/2.
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    let address = ServerAddress::new(&url, None).expect("an address");
    let opened = Connection::open(&address, model(), LIMIT).await;
    assert!(
        matches!(opened, Err(Error::Connect(_) | Error::Call { .. })),
        "{opened:?}"
    );
}

#[tokio::test]
async fn certificate_is_checked_with_the_ca() {
    let made =
        |name: &str| rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("made");
    let (own, other) = (made("localhost"), made("localhost"));
    let identity =
        tonic::transport::Identity::from_pem(own.cert.pem(), own.signing_key.serialize_pem());
    let server = PlayedServer::start_tls(identity);
    let open = async |ca: &str| {
        let address =
            ServerAddress::new(&server.tls_url(), Some(ca.as_bytes())).expect("an address");
        Connection::open(&address, model(), LIMIT).await
    };
    let connection = open(&own.cert.pem()).await.expect("a connection");
    assert_eq!(
        connection.infer(vec![7; 48], 2, LIMIT).await,
        Ok(good_maps())
    );
    let refused = open(&other.cert.pem()).await.expect_err("another CA");
    assert!(matches!(refused, Error::Connect(_)), "{refused}");
}

fn good_maps() -> Answer {
    let good = good_answer();
    let floats = |bytes: &[u8]| {
        let (values, _) = bytes.as_chunks::<4>();
        values
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    };
    Answer {
        structural: floats(&good.raw_output_contents[0]),
        logical: Some(floats(&good.raw_output_contents[1])),
        version: good.model_version,
    }
}
