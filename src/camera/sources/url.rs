//! An RTSP or HTTP stream.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;
use std::{io, vec};

use opencv::videoio::{CAP_FFMPEG, CAP_PROP_OPEN_TIMEOUT_MSEC, CAP_PROP_READ_TIMEOUT_MSEC};

use super::video::Video;
use super::{Opened, Shot, Source, SourceError, gstreamer, open_lock};
use crate::camera::redact::redact;

/// FFMPEG's own time-outs are so much longer than ours: we tell of a stall, and its thread, which is
/// abandoned by then, comes to an end.
const MARGIN: Duration = Duration::from_secs(1);

/// How long a stream may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To be opened.
    pub open: Duration,
    /// To give a frame.
    pub read: Duration,
}

/// A stream that FFMPEG reads.
struct Stream(Video);

/// Opens a stream. `rtsp_tcp` is FFMPEG's way with RTSP, and OpenCV can set it for the whole process
/// alone; so UDP, where it is asked for, is left to GStreamer.
///
/// # Errors
/// When the host does not answer or its stream cannot be opened.
pub fn open(
    url: &str,
    rtsp_tcp: bool,
    timeouts: Timeouts,
    queued: &dyn Fn(bool),
) -> Result<Opened, SourceError> {
    // Half of the time: a host that does not answer is a loss with a reason rather than a stall.
    reach(url, timeouts.open / 2)?;
    if !rtsp_tcp && url.starts_with("rtsp") {
        return gstreamer::open(&udp_pipeline(url)).map(Opened::unpaced);
    }
    let _turn = open_lock::queue(timeouts.open, queued)?;
    let limit_ms = |limit: Duration| (limit + MARGIN).as_millis().try_into().unwrap_or(i32::MAX);
    let properties = [
        [CAP_PROP_OPEN_TIMEOUT_MSEC, limit_ms(timeouts.open)],
        [CAP_PROP_READ_TIMEOUT_MSEC, limit_ms(timeouts.read)],
    ];
    let video = Video::open(url, CAP_FFMPEG, properties.as_flattened())?;
    let stream = video.map(Stream).ok_or_else(|| SourceError::Open {
        what: redact(url),
        backend: "FFMPEG",
    })?;
    Ok(Opened::unpaced(stream))
}

impl Source for Stream {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        let (moment, frame) = self.0.read()?.ok_or(SourceError::StreamEnded)?;
        Ok(Some(Shot::unnamed(moment, frame)))
    }
}

/// Connects and hangs up. A host that is off is the commonest fault: FFMPEG would wait for it with its
/// lock held, and not say what is wrong.
fn reach(url: &str, limit: Duration) -> Result<(), SourceError> {
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

/// The host and port of a URL; none if it has no host, or is of another kind.
fn endpoint(url: &str) -> Option<(&str, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let usual = match scheme {
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
        None => usual,
    };
    (!host.is_empty()).then_some((host, port))
}

/// The pipeline that receives an RTSP stream over UDP, and keeps the latest frame alone.
fn udp_pipeline(url: &str) -> String {
    let location = url.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "rtspsrc location=\"{location}\" protocols=udp latency=100 ! decodebin ! videoconvert \
         ! video/x-raw,format=BGR ! appsink max-buffers=1 drop=true sync=false"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_host_and_a_port() {
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

    #[test]
    fn a_udp_pipeline_quotes_its_location() {
        let pipeline = udp_pipeline(r#"rtsp://u:p"\@cam/s"#);
        let start = r#"rtspsrc location="rtsp://u:p\"\\@cam/s" protocols=udp "#;
        assert!(pipeline.starts_with(start), "{pipeline}");
    }
}
