//! A real collector, and files for it that cannot be used.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use inspectd_test_support::{onnx_runtime, require};
use tempfile::TempDir;
use tonic::transport::Identity;

use super::receiver::Receiver;
use super::{SPAN, STEPS, TRACE, acknowledge, named, of_trace, parent, site, top, trigger};
use crate::harness::{ends, wait};
use crate::monitoring::program;

/// The collector Rotel, which prints what it receives. It is killed when dropped.
struct Collector {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Collector {
    fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let free = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let (grpc, http) = (free(), free());
        let address = |port: &TcpListener| port.local_addr().expect("an address");
        let (grpc, http) = (address(&grpc), address(&http));
        let output = File::create(folder.path().join("output")).expect("a file");
        let process = Command::new(program)
            .args(["start", "--exporter", "blackhole", "--debug-log", "traces"])
            .args(["--debug-log-verbosity", "detailed"])
            .args(["--otlp-grpc-endpoint", &grpc.to_string()])
            .args(["--otlp-http-endpoint", &http.to_string()])
            .arg("--pid-file")
            .arg(folder.path().join("pid"))
            .arg("--log-file")
            .arg(folder.path().join("log"))
            .stdout(output)
            .stderr(Stdio::null())
            .spawn();
        let collector = Self {
            process: process.expect("a started collector"),
            address: grpc,
            folder,
        };
        wait("the collector", || TcpStream::connect(grpc).is_ok());
        collector
    }

    /// What it has printed.
    fn output(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("output")).expect("the output")
    }
}

/// Name, trace and parent of each span that the collector printed.
fn printed(output: &str) -> Vec<[String; 3]> {
    let spans = output.split("\nSpan #").skip(1);
    let span = |span: &str| {
        ["Name", "Trace ID", "Parent ID"].map(|key| {
            let of_key = |line: &str| {
                let (name, value) = line.split_once(':')?;
                (name.trim() == key).then(|| value.trim().to_owned())
            };
            span.lines().find_map(of_key).unwrap_or_default()
        })
    };
    spans.map(span).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_collector_takes_the_trace_of_a_part() {
    require!(onnx_runtime());
    let collector = Collector::start(&require!(program("rotel-agent")));
    let site = site(&format!(
        "[traces]\nendpoint = \"http://{}\"\n",
        collector.address
    ));
    let daemon = site.start();
    let verdict = trigger(&daemon, top(), "4711", &parent(true)).await;
    acknowledge(&daemon, "mes", verdict.sequence).await;
    let is_last = |[name, ..]: &[String; 3]| name == "acknowledge";
    wait("the acknowledgement", || {
        printed(&collector.output()).iter().any(is_last)
    });
    let output = collector.output();
    let spans = printed(&output);
    let mut names: Vec<&str> = spans.iter().map(|[name, ..]| name.as_str()).collect();
    names.sort_unstable();
    let mut expected = [STEPS.as_slice(), &["acknowledge", "inspect"]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for [name, trace, above] in &spans {
        assert_eq!(trace, TRACE, "{name}");
        assert_eq!(
            above == SPAN,
            name == "inspect",
            "{name} is part of {above}"
        );
    }
    for attribute in ["service.name: Str(inspectd)", "inspectd.part: Str(4711)"] {
        assert!(output.contains(attribute), "{output}");
    }
    daemon.stop();
}

/// A certificate of this machine that is its own CA: certificate and key.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
    let made = made.expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collector_over_tls_receives_spans_only_with_the_certificate_of_the_settings() {
    require!(onnx_runtime());
    let (pem, key) = certificate();
    let receiver = Receiver::start_tls(Identity::from_pem(&pem, &key)).await;
    let run = async |ca: &str| {
        let keys = format!(
            "endpoint = \"https://{}\"\nca_file = \"ca.pem\"\ntimeout_s = 0.5\n",
            receiver.address
        );
        let site = site(&format!("[traces]\n{keys}"));
        site.write("ca.pem", ca);
        let daemon = site.start();
        trigger(&daemon, top(), "4711", &parent(true)).await;
        daemon
    };
    let daemon = run(&certificate().0).await;
    daemon.wait_for_log("spans are not sent to the collector");
    assert_eq!(receiver.spans().len(), 0);
    daemon.stop();
    let daemon = run(&pem).await;
    let spans = receiver
        .when("the part", |spans| named(spans, "publish") == 1)
        .await;
    assert_eq!(of_trace(&spans, TRACE)["inspect"][0].parent(), SPAN);
    daemon.stop();
}

#[test]
fn files_that_cannot_be_used_are_refused_by_check_and_at_the_start() {
    require!(onnx_runtime());
    let refused = |keys: &str, expected: &str| {
        let site = site(&format!(
            "[traces]\nendpoint = \"https://127.0.0.1:4317\"\n{keys}"
        ));
        site.write("headers", "authorization Bearer secret\n");
        site.write("empty.pem", "nothing\n");
        let (code, text) = ends(site.command().arg("check"));
        assert_eq!(code, 78, "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("secret"), "{text}");
        let (code, text) = site.refused(&[]);
        assert_eq!(code, 78, "{text}");
        assert!(text.contains(expected), "{text}");
    };
    refused("ca_file = \"missing.pem\"\n", "traces.ca_file: ");
    refused("ca_file = \"empty.pem\"\n", "has no certificate in PEM");
    refused(
        "",
        "traces.endpoint: \"https://127.0.0.1:4317\" without traces.ca_file",
    );
}
