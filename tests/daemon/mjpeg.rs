//! A network camera: MJPEG over HTTP, which stalls and disconnects on demand.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

/// The time between two frames.
const INTERVAL: Duration = Duration::from_millis(50);

/// The time between two checks of the mood.
const LOOK: Duration = Duration::from_millis(5);

/// What the camera does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mood {
    /// Sends frames.
    Serves,
    /// Sends what [`Server::send`] is given.
    OnDemand,
    /// Accepts connections and keeps them open, and sends nothing.
    Silent,
    /// Has closed its connections and its port.
    Gone,
    /// Has ended for good.
    Ended,
}

/// A camera with a port of its own, to which it returns.
pub struct Server {
    address: SocketAddr,
    mood: Arc<AtomicU8>,
    demanded: Demanded,
}

/// JPEG files that wait to be sent.
type Demanded = Arc<Mutex<VecDeque<Vec<u8>>>>;

impl Server {
    /// A camera in a mood.
    pub fn start(mood: Mood) -> Self {
        let listener = bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mood = Arc::new(AtomicU8::new(mood as u8));
        let shared = Arc::clone(&mood);
        let demanded = Demanded::default();
        let waiting = Arc::clone(&demanded);
        thread::spawn(move || listen(Some(listener), address, &shared, &waiting));
        Self {
            address,
            mood,
            demanded,
        }
    }

    /// Sends an image in the mood [`Mood::OnDemand`].
    pub fn send(&self, jpeg: Vec<u8>) {
        self.demanded.lock().expect("not poisoned").push_back(jpeg);
    }

    /// The configuration of a camera that reads from here, with short timeouts.
    pub fn camera(&self, id: &str) -> String {
        format!(
            "[cameras.{id}]\nsource = \"url\"\nurl = \"http://{}/video\"\nread_timeout_s = 1\n\
             reopen_after_s = 0.1\nreopen_after_max_s = 0.2\n",
            self.address
        )
    }

    /// Changes its mood, for open connections too.
    pub fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.set(Mood::Ended);
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn is(shared: &AtomicU8, mood: Mood) -> bool {
    shared.load(Ordering::SeqCst) == mood as u8
}

fn listen(
    mut listener: Option<TcpListener>,
    address: SocketAddr,
    mood: &Arc<AtomicU8>,
    demanded: &Demanded,
) {
    while !is(mood, Mood::Ended) {
        if is(mood, Mood::Gone) {
            listener = None;
        } else if listener.is_none() {
            // Another process may hold the port for a moment.
            listener = bind(address).ok();
        }
        match listener.as_ref().map(TcpListener::accept) {
            Some(Ok((stream, _))) => {
                let (mood, demanded) = (Arc::clone(mood), Arc::clone(demanded));
                // A client that disconnects is not an error.
                thread::spawn(move || serve(stream, &mood, &demanded).unwrap_or_default());
            }
            _ => thread::sleep(LOOK),
        }
    }
}

fn serve(mut stream: TcpStream, mood: &AtomicU8, demanded: &Demanded) -> std::io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if request.read_line(&mut line)? == 0 {
            return Ok(());
        }
    }
    while is(mood, Mood::Silent) {
        thread::sleep(LOOK);
    }
    let header = "HTTP/1.0 200 OK\r\n\
                  Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n";
    if is(mood, Mood::Serves) {
        stream.write_all(header.as_bytes())?;
    }
    let grey = part(&jpeg(128));
    while !is(mood, Mood::Gone) && !is(mood, Mood::Ended) {
        if is(mood, Mood::OnDemand) {
            let next = demanded.lock().expect("not poisoned").pop_front();
            if let Some(jpeg) = next {
                stream.write_all(&part(&jpeg))?;
            }
            thread::sleep(LOOK);
            continue;
        }
        if is(mood, Mood::Serves) {
            stream.write_all(&grey)?;
        }
        thread::sleep(INTERVAL);
    }
    Ok(())
}

fn part(jpeg: &[u8]) -> Vec<u8> {
    let head = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ";
    let mut part = format!("{head}{}\r\n\r\n", jpeg.len()).into_bytes();
    part.extend_from_slice(jpeg);
    part.extend_from_slice(b"\r\n");
    part
}

/// An evenly grey frame of 64 x 48 pixels as a JPEG file. The level 128 is a PASS.
pub fn jpeg(grey: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95)
        .encode_image(&RgbImage::from_pixel(64, 48, Rgb([grey; 3])))
        .expect("memory can be written");
    bytes
}
