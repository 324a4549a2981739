//! NVIDIA's Triton Inference Server, as `scripts/setup.sh triton` installs it, with the repository that the exporter writes.
//!
//! Its Python backend runs the graph with ONNX Runtime, because its ONNX backend is not part of the installed server.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use inspectd_core::bundle::Bundle;
use inspectd_core::model_repository;

use crate::harness::{Site, wait};

/// A port that is free now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Writes the repository of the site's bundle to `name`, for the Python backend. Returns the folder of its model.
pub fn export(site: &Site, name: &str) -> PathBuf {
    let bundle = Bundle::open(&site.path("bundle")).expect("a bundle");
    let folders = model_repository::write(&site.path(name), &bundle).expect("a repository");
    let [folder] = &folders[..] else {
        panic!("one graph: {folders:?}");
    };
    let config = folder.join("config.pbtxt");
    let text = fs::read_to_string(&config).expect("a configuration");
    let python = text.replace("backend: \"onnxruntime\"", "backend: \"python\"");
    assert_ne!(python, text);
    fs::write(&config, python).expect("written");
    fs::write(folder.join("1/model.py"), include_str!("model.py")).expect("written");
    folder.clone()
}

/// A running server. It is killed when dropped.
pub struct Triton {
    process: Child,
    log: PathBuf,
    /// Prefix of its files in shared memory, which a killed server leaves there.
    memory: String,
}

impl Drop for Triton {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("--- the server's log ---\n{log}");
        }
        for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            if entry
                .file_name()
                .to_string_lossy()
                .starts_with(&self.memory)
            {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Triton {
    /// Starts the server `installed` with a repository, and waits until it answers at `port`.
    pub fn start(installed: &Path, repository: &Path, port: u16) -> Self {
        let server = installed.join("pytriton/tritonserver");
        let log = repository.with_extension(format!("{port}.log"));
        let memory = format!("inspectd-test-{}-{port}-", std::process::id());
        let output = File::create(&log).expect("a log");
        let process = Command::new(server.join("bin/tritonserver"))
            .arg(format!("--model-repository={}", repository.display()))
            .arg(format!(
                "--backend-directory={}",
                server.join("backends").display()
            ))
            .args(["--grpc-address=127.0.0.1", &format!("--grpc-port={port}")])
            .args(["--allow-http=false", "--allow-metrics=false"])
            .arg("--backend-config=python,shm-default-byte-size=1048576")
            .arg(format!(
                "--backend-config=python,shm-region-prefix-name={memory}"
            ))
            .env("PYTHONPATH", installed.join("python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .expect("a started server");
        let mut triton = Self {
            process,
            log,
            memory,
        };
        wait("the server", || {
            let log = fs::read_to_string(&triton.log).expect("a log");
            let ended = triton.process.try_wait().expect("a child");
            assert_eq!(ended, None, "{log}");
            log.contains("Started GRPCInferenceService")
        });
        triton
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let status = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status();
        assert!(status.expect("kill").success());
    }

    /// Kills the server. Its backend's processes end without it.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
