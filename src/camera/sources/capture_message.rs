//! The messages between the daemon and a capture process: one line of JSON each. The daemon first sends the
//! [`VideoSettings`](super::video_settings::VideoSettings), then an empty line for each frame that it wants. The pixels
//! are not part of a message: they lie in a memory file that both processes have open.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::monotonic_ms;

/// An answer of the capture process.
#[derive(Debug, Deserialize, Serialize)]
pub enum Answer {
    /// The source is open.
    Opened {
        /// Frames per second of a file; unset if the source determines its own rate.
        native_fps: Option<f64>,
    },
    /// A frame, whose pixels are in the memory file.
    Frame {
        /// Width and height, pixels.
        size: [u32; 2],
        /// When it was captured.
        captured: Stamp,
        /// Name given by the source; empty if it has none.
        item: String,
        /// Frames that the driver is known to have lost before it.
        lost: u64,
    },
    /// A frame without usable pixels.
    Unusable {
        /// Why.
        reason: String,
        /// When it was captured.
        captured: Stamp,
        /// Name given by the source; empty if it has none.
        item: String,
        /// Frames that the driver is known to have lost before it.
        lost: u64,
    },
    /// The source has delivered its last frame.
    Ended,
    /// The source failed. It was closed.
    Failed {
        /// Why, without secrets.
        reason: String,
    },
}

/// A moment as a reading of the monotonic clock, which all processes of a machine share, milliseconds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Stamp(f64);

impl Stamp {
    /// The moment `age` ago.
    pub fn before_now(age: Duration) -> Self {
        Self(monotonic_ms() - age.as_secs_f64() * 1e3)
    }

    /// The time since then.
    pub fn age(self) -> Duration {
        Duration::try_from_secs_f64((monotonic_ms() - self.0) / 1e3).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, ErrorKind};

    use super::*;
    use crate::message_line::{receive, send};

    #[test]
    fn messages_arrive_as_they_were_sent_until_the_end() {
        let mut bytes = Vec::new();
        let frame = Answer::Frame {
            size: [40, 32],
            captured: Stamp::before_now(Duration::from_secs(2)),
            item: "a line\nbreak".to_owned(),
            lost: 3,
        };
        send(&mut bytes, &frame).expect("memory");
        send(&mut bytes, &Answer::Ended).expect("memory");
        let mut reader = BufReader::new(&*bytes);
        let Ok(Some(Answer::Frame {
            size,
            captured,
            item,
            lost,
        })) = receive(&mut reader)
        else {
            panic!("a frame was sent");
        };
        assert_eq!((size, item.as_str(), lost), ([40, 32], "a line\nbreak", 3));
        assert!(captured.age() >= Duration::from_secs(2));
        assert!(matches!(receive(&mut reader), Ok(Some(Answer::Ended))));
        assert!(matches!(receive::<Answer>(&mut reader), Ok(None)));
        let invalid = receive::<Answer>(&mut BufReader::new(&b"{}\n"[..]));
        let error = invalid.expect_err("not an answer");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
}
