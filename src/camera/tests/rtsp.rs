//! A camera that speaks RTSP: uncompressed video (RFC 4175), interleaved with the requests over TCP or
//! over UDP, as the client asks.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

/// The time between two frames.
const INTERVAL: Duration = Duration::from_millis(20);
/// In ticks of RTP's clock of 90 kHz.
const INTERVAL_TICKS: u32 = 1800;
/// As in the description.
const PAYLOAD_TYPE: u8 = 0x60;
const WIDTH: u16 = 64;
const HEIGHT: u16 = 32;

const DESCRIPTION: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
    m=video 0 RTP/AVP 96\r\na=rtpmap:96 raw/90000\r\n\
    a=fmtp:96 sampling=YCbCr-4:2:2; width=64; height=32; depth=8; colorimetry=BT601-5\r\n\
    a=control:track1\r\n";

/// Of a camera whose packets are lost over UDP, one packet is lost among this many frames.
const FRAMES_FOR_A_LOSS: u32 = 100;

/// Starts a camera of grey frames that runs until the process ends; returns its URL. `tcp` and `udp` say
/// which transports it offers, `loses` whether packets are lost over UDP.
pub fn start(tcp: bool, udp: bool, loses: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that disconnects is not a failure.
            thread::spawn(move || Session::new(stream)?.answer(tcp, udp, loses));
        }
    });
    format!("rtsp://user:secret@{address}/stream")
}

/// One connection.
struct Session {
    stream: TcpStream,
    requests: BufReader<TcpStream>,
    /// Receiver of frames over UDP; they are sent on the connection if unset.
    receiver: Option<SocketAddr>,
}

impl Session {
    fn new(stream: TcpStream) -> std::io::Result<Self> {
        let requests = BufReader::new(stream.try_clone()?);
        Ok(Self {
            stream,
            requests,
            receiver: None,
        })
    }

    fn answer(mut self, tcp: bool, udp: bool, loses: bool) -> std::io::Result<()> {
        loop {
            let request = self.request()?;
            let Some(method) = request.split(' ').next().filter(|m| !m.is_empty()) else {
                return Ok(());
            };
            match method {
                "DESCRIBE" => {
                    self.reply(&request, "Content-Type: application/sdp\r\n", DESCRIPTION)?;
                }
                "SETUP" => {
                    let transport = self.transport(&request, tcp, udp);
                    self.reply(&request, &transport, "")?;
                }
                "PLAY" => {
                    self.reply(&request, "Session: 1\r\n", "")?;
                    let stream = self.stream.try_clone()?;
                    let receiver = self.receiver;
                    thread::spawn(move || play(stream, receiver, loses));
                }
                _ => self.reply(&request, "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", "")?,
            }
        }
    }

    /// Reads the lines of a request; empty at the end of the connection.
    fn request(&mut self) -> std::io::Result<String> {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if self.requests.read_line(&mut request)? == 0 {
                return Ok(String::new());
            }
        }
        Ok(request)
    }

    fn reply(&mut self, request: &str, header: &str, body: &str) -> std::io::Result<()> {
        let status = if header.is_empty() {
            "461 Unsupported Transport"
        } else {
            "200 OK"
        };
        let number = field(request, "CSeq: ").unwrap_or("0");
        let length = body.len();
        let reply = format!(
            "RTSP/1.0 {status}\r\nCSeq: {number}\r\n{header}Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(reply.as_bytes())
    }

    /// The agreed transport; empty if there is none.
    fn transport(&mut self, request: &str, tcp: bool, udp: bool) -> String {
        let asked = field(request, "Transport: ").unwrap_or_default();
        if asked.contains("TCP") {
            let agreed = "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
            return if tcp { agreed.into() } else { String::new() };
        }
        let ports = asked.split("client_port=").nth(1).unwrap_or_default();
        let port = ports
            .split(['-', ';'])
            .next()
            .and_then(|port| port.parse().ok());
        let (Some(port), true) = (port, udp) else {
            return String::new();
        };
        self.receiver = Some((IpAddr::from(Ipv4Addr::LOCALHOST), port).into());
        format!("Session: 1\r\nTransport: RTP/AVP;unicast;client_port={ports};server_port=9-10\r\n")
    }
}

fn field<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| line.strip_prefix(name))
}

/// Sends frames until the client disconnects.
fn play(mut stream: TcpStream, receiver: Option<SocketAddr>, loses: bool) -> std::io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let (mut sequence, mut ticks) = (0, 0);
    loop {
        let frame = ticks / INTERVAL_TICKS;
        let loss = loses && frame % FRAMES_FOR_A_LOSS == FRAMES_FOR_A_LOSS - 1;
        for line in 0..HEIGHT {
            let packet = packet(sequence, ticks, line);
            sequence += 1;
            if let Some(receiver) = receiver {
                if loss && line == HEIGHT / 2 {
                    continue;
                }
                // The receiver may not listen yet, or no longer.
                let _ = socket.send_to(&packet, receiver);
            } else {
                let mut interleaved = vec![b'$', 0];
                interleaved.extend((packet.len() as u16).to_be_bytes());
                interleaved.extend(packet);
                stream.write_all(&interleaved)?;
            }
        }
        ticks += INTERVAL_TICKS;
        thread::sleep(INTERVAL);
    }
}

/// A packet of RTP with one line of a frame.
fn packet(sequence: u32, ticks: u32, line: u16) -> Vec<u8> {
    let last = u8::from(line + 1 == HEIGHT) << 7;
    let mut packet = vec![0x80, last | PAYLOAD_TYPE];
    packet.extend((sequence as u16).to_be_bytes());
    packet.extend(ticks.to_be_bytes());
    packet.extend(*b"test");
    packet.extend(((sequence >> 16) as u16).to_be_bytes());
    packet.extend((WIDTH * 2).to_be_bytes());
    packet.extend(line.to_be_bytes());
    packet.extend([0, 0]);
    // Cb Y Cr Y: grey.
    packet.extend([128; 2 * WIDTH as usize]);
    packet
}
