//! A TCP connection of a PLC, checked before it reaches the decoder: whole requests of allowed length, whose counts fit
//! their data, within a time limit.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Transaction, protocol and length, before the bytes that the length counts.
const PREFIX_BYTES: usize = 6;
/// The largest length: unit id and 253 bytes of function and data.
const LARGEST_LENGTH: usize = 254;

/// A connection.
#[derive(Debug)]
pub struct Checked<T> {
    inner: T,
    /// Bytes of requests: those before `ready` may be read by the decoder, of which it has read `taken`.
    buffer: Vec<u8>,
    ready: usize,
    taken: usize,
    idle_timeout: Duration,
    idle: Pin<Box<Sleep>>,
}

impl<T> Checked<T> {
    /// Returns a connection that fails if no whole request arrives, and no answer is taken, for `idle_timeout`.
    pub fn new(inner: T, idle_timeout: Duration) -> Self {
        Self {
            inner,
            buffer: Vec::new(),
            ready: 0,
            taken: 0,
            idle_timeout,
            idle: Box::pin(sleep(idle_timeout)),
        }
    }

    fn restart_idle(&mut self) {
        self.idle.as_mut().reset(Instant::now() + self.idle_timeout);
    }

    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.idle.as_mut().poll(context));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }

    /// Checks the next request in the buffer, if it is complete. Returns whether there was one.
    fn check(&mut self) -> io::Result<bool> {
        let Some(length) = complete(&self.buffer[self.ready..])? else {
            return Ok(false);
        };
        self.ready += length;
        Ok(true)
    }
}

/// Returns the length of the request that `bytes` begin with, or nothing if it is not complete.
fn complete(bytes: &[u8]) -> io::Result<Option<usize>> {
    let invalid = |what| Err(io::Error::new(ErrorKind::InvalidData, what));
    if bytes.len() < PREFIX_BYTES {
        return Ok(None);
    }
    if bytes[2..4] != [0, 0] {
        return invalid("the protocol is not Modbus");
    }
    let length = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
    if !(2..=LARGEST_LENGTH).contains(&length) {
        return invalid("the length is not one of a Modbus request");
    }
    let Some(request) = bytes.get(PREFIX_BYTES + 1..PREFIX_BYTES + length) else {
        return Ok(None);
    };
    if counts_fit(request) {
        Ok(Some(PREFIX_BYTES + length))
    } else {
        invalid("the number of values does not fit the data")
    }
}

/// Whether the number of values of a request that writes several fits its data. The decoder relies on it.
fn counts_fit(request: &[u8]) -> bool {
    let (counts, bits) = match request.first() {
        Some(0x0f) => (3, true),
        Some(0x10) => (3, false),
        Some(0x17) => (7, false),
        _ => return true,
    };
    let Some(&[high, low, bytes]) = request.get(counts..counts + 3) else {
        return false;
    };
    let count = usize::from(u16::from_be_bytes([high, low]));
    let expected = if bits { count.div_ceil(8) } else { count * 2 };
    usize::from(bytes) == expected && request.len() == counts + 3 + expected
}

impl<T: AsyncRead + Unpin> AsyncRead for Checked<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.taken < this.ready {
                let count = target.remaining().min(this.ready - this.taken);
                target.put_slice(&this.buffer[this.taken..this.taken + count]);
                this.taken += count;
                if this.taken == this.ready {
                    this.buffer.drain(..this.ready);
                    (this.ready, this.taken) = (0, 0);
                }
                return Poll::Ready(Ok(()));
            }
            if this.check()? {
                this.restart_idle();
                continue;
            }
            let mut space = [0; 1024];
            let mut read = ReadBuf::new(&mut space);
            match Pin::new(&mut this.inner).poll_read(context, &mut read) {
                Poll::Ready(result) => result?,
                Poll::Pending => return this.poll_idle(context),
            }
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.buffer.extend_from_slice(read.filled());
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Checked<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write(context, bytes) {
            Poll::Pending => self.poll_idle(context).map_ok(|()| 0),
            done @ Poll::Ready(_) => done,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A request with a transaction, the unit 1 and this function and data.
    fn request(pdu: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0, 0, pdu.len() as u8 + 1, 1];
        bytes.extend(pdu);
        bytes
    }

    #[test]
    fn requests_whose_counts_do_not_fit_are_refused() {
        let check = |pdu: &[u8], accepted| {
            let bytes = request(pdu);
            let outcome = complete(&bytes);
            assert_eq!(outcome.is_ok(), accepted, "{pdu:?} {outcome:?}");
            if accepted {
                assert_eq!(outcome.expect("accepted"), Some(bytes.len()));
            }
        };
        check(&[3, 0, 0, 0, 1], true);
        // 16 coils in one byte, 9 in two.
        check(&[0x0f, 0, 0, 0, 16, 1, 0], false);
        check(&[0x0f, 0, 0, 0, 9, 2, 0, 0], true);
        check(&[0x0f, 0, 0, 0, 9, 2, 0], false);
        // 32768 registers are 0 bytes modulo 65536.
        check(&[0x10, 0, 0, 0x80, 0, 0], false);
        check(&[0x10, 0, 0, 0, 1, 2, 0, 7], true);
        check(&[0x17, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 7], true);
        check(&[0x17, 0, 0, 0, 1, 0, 0, 0, 2, 2, 0, 7], false);
        check(&[0x17, 0, 0], false);
    }

    #[test]
    fn other_protocols_and_lengths_are_refused() {
        assert!(complete(b"GET / HTTP/1.1\r\n").is_err());
        assert!(complete(&[0, 1, 0, 0, 0, 1, 1]).is_err());
        assert!(complete(&[0, 1, 0, 0, 0, 255, 1]).is_err());
        assert!(complete(&[0, 1, 0, 0, 0]).expect("a beginning").is_none());
    }

    #[tokio::test]
    async fn requests_arrive_whole_and_unchanged_however_they_are_cut() {
        let (mut plc, server) = tokio::io::duplex(64);
        let mut server = Checked::new(server, Duration::from_mins(1));
        let sent: Vec<u8> = [request(&[3, 0, 0, 0, 1]), request(&[6, 0, 1, 0, 2])].concat();
        let bytes = sent.clone();
        tokio::spawn(async move {
            for byte in bytes {
                plc.write_all(&[byte]).await.expect("an open connection");
            }
        });
        let mut received = Vec::new();
        server
            .read_to_end(&mut received)
            .await
            .expect("two requests");
        assert_eq!(received, sent);
    }

    #[tokio::test(start_paused = true)]
    async fn connection_without_a_whole_request_ends_after_the_time_limit() {
        let (mut plc, server) = tokio::io::duplex(64);
        let mut server = Checked::new(server, Duration::from_mins(1));
        plc.write_all(&[0, 1, 0, 0])
            .await
            .expect("an open connection");
        let error = server.read_u8().await.expect_err("no request");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_a_beginning_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            if let Ok(Some(length)) = complete(&bytes) {
                prop_assert!(length <= bytes.len() && length > PREFIX_BYTES);
            }
        }
    }
}
