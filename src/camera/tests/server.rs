//! A network camera: MJPEG over HTTP, which stops sending and disconnects on demand.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

/// The time between two frames.
const INTERVAL: Duration = Duration::from_millis(20);

/// How the camera behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Behaviour {
    /// Sends frames.
    Serve,
    /// Accepts connections and sends nothing.
    Silent,
    /// Closes connections immediately.
    Disconnect,
    /// Ends the server.
    Exit,
}

/// A camera that listens on its own port.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    behaviour: AtomicU8,
    sent: AtomicU64,
}

impl Server {
    /// Starts a camera that sends frames.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let served = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if served.is(Behaviour::Exit) {
                    break;
                }
                let shared = served.clone();
                // A client that disconnects is not a failure.
                thread::spawn(move || shared.serve(stream).unwrap_or_default());
            }
        });
        Self { address, shared }
    }

    /// Its URL, with a password that it does not check.
    pub fn url(&self) -> String {
        format!("http://user:secret@{}/video", self.address)
    }

    /// Changes its behaviour, also on open connections.
    pub fn set(&self, behaviour: Behaviour) {
        self.shared
            .behaviour
            .store(behaviour as u8, Ordering::SeqCst);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.set(Behaviour::Exit);
        // Wakes the listener; if that fails it has ended already.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn is(&self, behaviour: Behaviour) -> bool {
        self.behaviour.load(Ordering::SeqCst) == behaviour as u8
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut request = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if request.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        while self.is(Behaviour::Silent) {
            thread::sleep(INTERVAL);
        }
        let header = "HTTP/1.0 200 OK\r\n\
                      Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n";
        if self.is(Behaviour::Serve) {
            stream.write_all(header.as_bytes())?;
        }
        while self.is(Behaviour::Serve) || self.is(Behaviour::Silent) {
            if self.is(Behaviour::Serve) {
                let number = self.sent.fetch_add(1, Ordering::SeqCst);
                stream.write_all(&part(&jpeg(number)))?;
            }
            thread::sleep(INTERVAL);
        }
        Ok(())
    }
}

fn part(jpeg: &[u8]) -> Vec<u8> {
    let mut part = format!(
        "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
        jpeg.len()
    )
    .into_bytes();
    part.extend_from_slice(jpeg);
    part.extend_from_slice(b"\r\n");
    part
}

/// A frame of 64 x 48 pixels, as grey as its number modulo 256.
pub fn jpeg(number: u64) -> Vec<u8> {
    let grey = number as u8;
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95)
        .encode_image(&RgbImage::from_pixel(64, 48, Rgb([grey; 3])))
        .expect("memory can be written");
    bytes
}
