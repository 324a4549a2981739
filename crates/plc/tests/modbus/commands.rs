//! The commands of the program, its exit codes, and systemd's notifications.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use inspectd_test_support::require;

use crate::harness::{PATIENCE, Plant, Process};

fn output(command: &mut Command) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("a started program");
    let text = [stdout, stderr].concat();
    (status.code(), String::from_utf8(text).expect("text"))
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_inspectd-plc"))
}

#[test]
fn wrong_arguments_and_configurations_have_their_exit_codes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("plc.toml");
    let with = |text: &str, command: &str| {
        std::fs::write(&file, text).expect("a written file");
        output(program().arg("--config").arg(&file).arg(command))
    };
    assert_eq!(output(program().arg("--wrong")).0, Some(64));
    let (code, text) = output(program().args(["run", "--config", "/absent/plc.toml"]));
    assert_eq!(code, Some(78));
    assert!(text.contains("/absent/plc.toml: cannot be read"), "{text}");
    let (code, text) = with("[modbus]\nlisen = 3\n", "check");
    assert_eq!(code, Some(78));
    assert!(
        text.contains("plc.toml:2: modbus.lisen: unknown key"),
        "{text}"
    );
    assert!(text.contains("at least one station is required"), "{text}");
    let station = "[stations.a]\nunit = 1\ncamera = \"top\"\n";
    let state = format!(
        "[state]\nfolder = \"{}/file/state\"\n",
        folder.path().display()
    );
    std::fs::write(folder.path().join("file"), "").expect("a written file");
    let (code, text) = with(&format!("{state}{station}"), "run");
    assert_eq!(code, Some(74), "{text}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("a bound port");
    let state = format!("[state]\nfolder = \"{}/state\"\n", folder.path().display());
    let text = format!("[modbus]\nlisten = \"{address}\"\n{state}{station}");
    let (code, text) = with(&text, "run");
    assert_eq!(code, Some(69), "{text}");
    assert!(
        text.contains(&format!("modbus.listen: {address}: ")),
        "{text}"
    );
    let text = format!(
        "[daemon]\nserver = \"http://192.0.2.1:1\"\ntoken_file = \"file\"\n{state}{station}"
    );
    std::fs::write(folder.path().join("file"), "inspectd_abc").expect("a written file");
    assert_eq!(with(&text, "run").0, Some(78));
}

#[test]
fn check_and_registers_describe_the_running_plant() {
    let mut plant = require!(Plant::start());
    let (code, text) = output(plant.server_command().arg("check"));
    assert_eq!(code, Some(0), "{text}");
    for line in [
        "configuration: valid, 7 stations",
        "state file of top: usable",
        "station top: unit 1, camera top, consumer plc-top",
        "station cell: unit 6, group cell, consumer plc-cell",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let (code, text) = output(plant.server_command().args(["registers", "top"]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(" MAP_VERSION "), "{text}");
    assert!(text.contains(" DAEMON_CONNECTED"), "{text}");
    assert!(text.contains("STATE_START"), "{text}");
    let (code, text) = output(plant.server_command().arg("registers"));
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("belt, cell, impatient, top"), "{text}");

    let text = std::fs::read_to_string(plant.path("plc.toml")).expect("the configuration");
    let text = text.replace("camera = \"top\"", "camera = \"bottom\"");
    plant.write("plc.toml", &text.replace("\"water\"", "\"wine\""));
    let (code, text) = output(plant.server_command().arg("check"));
    assert_eq!(code, Some(1), "{text}");
    let expected = "station top: FAILED: the daemon has no camera bottom; recipe 2: the daemon has no recipe wine";
    assert!(text.contains(expected), "{text}");
    plant.stop_server();
    let (code, text) = output(plant.server_command().args(["registers", "top"]));
    assert_eq!(code, Some(69), "{text}");
}

/// Whether a connection is still open; what it has sent is dropped.
fn is_open(mut connection: &TcpStream) -> bool {
    let mut bytes = [0; 4096];
    loop {
        match connection.read(&mut bytes) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// A stream that waits for its PLC keeps data in its connection, and would block the others.
#[test]
fn each_station_that_follows_has_a_connection_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let configuration = folder.path().join("plc.toml");
    // A daemon that accepts connections and never answers.
    let daemon = TcpListener::bind("127.0.0.1:0").expect("a free port");
    daemon.set_nonblocking(true).expect("a listener");
    let address = daemon.local_addr().expect("a bound port");
    let text = format!(
        "[modbus]\nlisten = \"127.0.0.1:0\"\n[daemon]\nserver = \"http://{address}\"\n[state]\nfolder = \"state\"\n\
         [stations.a]\nunit = 1\ncamera = \"top\"\nmode = \"follow\"\n\
         [stations.b]\nunit = 2\ncamera = \"side\"\nmode = \"follow\"\n"
    );
    std::fs::write(&configuration, text).expect("a written file");
    let _server = Process::spawn(program().arg("--config").arg(&configuration));
    let mut open = Vec::new();
    let end = Instant::now() + PATIENCE;
    // One for the calls of all stations, and one for each stream.
    while open.len() < 3 {
        assert!(Instant::now() < end, "{} connections", open.len());
        match daemon.accept() {
            Ok((connection, _)) => {
                connection.set_nonblocking(true).expect("a connection");
                open.push(connection);
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
        open.retain(is_open);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn systemd_is_told_of_readiness_life_and_stop() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("a time limit");
    let configuration = folder.path().join("plc.toml");
    // Without a daemon: the server runs, and reports that the daemon does not answer.
    let text = "[modbus]\nlisten = \"127.0.0.1:0\"\n[daemon]\nserver = \"unix:/absent\"\n[state]\nfolder = \"state\"\n\
                [stations.a]\nunit = 1\ncamera = \"top\"\n";
    std::fs::write(&configuration, text).expect("a written file");
    let mut command = program();
    command
        .arg("--config")
        .arg(&configuration)
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000");
    let mut server = Process::spawn(&mut command);
    let next = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).expect("a notification");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    assert!(next().contains("READY=1"));
    for _ in 0..3 {
        assert!(next().contains("WATCHDOG=1"));
    }
    server.wait_for_log("the daemon does not answer");
    server.signal("TERM");
    while !next().contains("STOPPING=1") {}
    assert_eq!(server.wait(), Some(0));
}
