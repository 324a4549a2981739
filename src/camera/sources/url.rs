//! An RTSP or HTTP stream.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;
use std::{io, vec};

use opencv::videoio::{
    CAP_FFMPEG, CAP_PROP_FORMAT, CAP_PROP_FOURCC, CAP_PROP_OPEN_TIMEOUT_MSEC,
    CAP_PROP_READ_TIMEOUT_MSEC,
};

use super::error::SourceError;
use super::source::{Shot, Source, Timeouts};
use super::video::{Timing, Video};
use crate::camera::redact::redact;
use crate::clock::SharedClock;

/// FFMPEG's timeouts are longer than the supervisor's by this margin: the supervisor reports the stall
/// first, and the abandoned thread ends afterwards.
const MARGIN: Duration = Duration::from_secs(1);

/// Environment variable with options of FFMPEG: OpenCV has no others.
pub const OPTIONS_VARIABLE: &str = "OPENCV_FFMPEG_CAPTURE_OPTIONS";

/// The options for RTSP over UDP. The system limits the buffer (`net.core.rmem_max`); a picture that does not fit loses
/// packets while FFMPEG decodes the one before it.
pub const RTSP_OVER_UDP: &str = "rtsp_transport;udp|buffer_size;4194304";

/// Value of `CAP_PROP_FORMAT` for images as they were encoded.
const ENCODED: f64 = -1.0;

/// A stream read by FFMPEG.
struct Stream(Video);

/// Opens a stream. FFMPEG reads RTSP over TCP, unless the environment of the process has [`RTSP_OVER_UDP`].
///
/// # Errors
/// When the host does not answer or its stream cannot be opened.
pub fn open(
    url: &str,
    timeouts: Timeouts,
    latency: Duration,
    clock: &SharedClock,
) -> Result<Box<dyn Source>, SourceError> {
    // Half of the time: a host that does not answer is reported as lost, with a reason, and not as
    // stalled.
    check_reachable(url, timeouts.open / 2)?;
    let limit_ms = |limit: Duration| (limit + MARGIN).as_millis().try_into().unwrap_or(i32::MAX);
    let properties = [
        [CAP_PROP_OPEN_TIMEOUT_MSEC, limit_ms(timeouts.open)],
        [CAP_PROP_READ_TIMEOUT_MSEC, limit_ms(timeouts.read)],
    ];
    let video = Video::open(url, CAP_FFMPEG, properties.as_flattened(), clock)?;
    let video = video.ok_or_else(|| SourceError::Open {
        name: redact(url),
        backend: "FFMPEG",
    })?;
    // The timestamps of MJPEG over HTTP are those of an assumed rate.
    let timing = if url.starts_with("rtsp") {
        Timing::Stream(latency)
    } else {
        Timing::Latency(latency)
    };
    let mut video = video.timed(timing);
    if is_mjpeg(video.get(CAP_PROP_FOURCC)? as u32) && video.set(CAP_PROP_FORMAT, ENCODED)? {
        video = video.of_jpeg();
    }
    Ok(Box::new(Stream(video)))
}

impl Source for Stream {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        self.0.read()?.ok_or(SourceError::StreamEnded).map(Some)
    }
}

/// Whether a stream has this code of MJPEG: OpenCV gives that of the container, or the first letters of the codec's
/// name.
fn is_mjpeg(fourcc: u32) -> bool {
    let letters = fourcc.to_le_bytes();
    [*b"MJPG", *b"mjpg", *b"mjpe"].contains(&letters)
}

/// Connects and disconnects. An unreachable host is the most frequent fault: FFMPEG would wait for it
/// and give no reason.
fn check_reachable(url: &str, limit: Duration) -> Result<(), SourceError> {
    let (host, port) = endpoint(url).ok_or_else(|| SourceError::Address { url: redact(url) })?;
    connect(host, port, limit).map_err(|source| SourceError::Unreachable {
        host: host.to_owned(),
        port,
        source,
    })
}

fn connect(host: &str, port: u16, limit: Duration) -> io::Result<()> {
    let addresses: vec::IntoIter<_> = (host, port).to_socket_addrs()?;
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(_) => return Ok(()),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Returns the host and port of a URL; none if it has no host or another scheme.
fn endpoint(url: &str) -> Option<(&str, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let default_port = match scheme {
        "rtsp" => 554,
        "rtsps" => 322,
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit('@').next()?;
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => digits.parse().ok()?,
        None => default_port,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_and_port_of_a_url_are_found_or_the_url_is_refused() {
        let check = |url, expected| assert_eq!(endpoint(url), expected, "{url}");
        check("rtsp://cam/stream", Some(("cam", 554)));
        check("rtsps://cam", Some(("cam", 322)));
        check("http://cam?x=1", Some(("cam", 80)));
        check("https://10.0.0.5/", Some(("10.0.0.5", 443)));
        check("rtsp://user:pw@cam:8554/s?a@b", Some(("cam", 8554)));
        check("http://[fe80::1]:81/x", Some(("fe80::1", 81)));
        check("http://[::1]/x", Some(("::1", 80)));
        check("ftp://cam/x", None);
        check("http:///x", None);
        check("http://cam:port/x", None);
        check("/dev/video0", None);
    }
}
