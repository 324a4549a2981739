//! Responses of `StreamVerdicts`, encoded before they are sent: all streams of a verdict share one encoding.

use std::collections::VecDeque;
use std::sync::Arc;

use inspectd_core::record::Verdict;
use parking_lot::Mutex;
use prost::bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType, skip_field};
use prost::{DecodeError, Message};

use super::convert_verdict;
use super::proto::StreamVerdictsResponse;
use super::proto::stream_verdicts_response::Event;

/// Number of verdicts whose encoding is kept. A stream that is further behind encodes on its own.
const KEPT: usize = 64;

/// A `StreamVerdictsResponse` in its encoding. The code that is generated for the service sends it as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncodedResponse(Bytes);

impl EncodedResponse {
    /// Encodes a response with this event.
    pub(super) fn of(event: Event) -> Self {
        let response = StreamVerdictsResponse { event: Some(event) };
        Self(response.encode_to_vec().into())
    }

    /// Encodes a verdict.
    pub(super) fn of_verdict(verdict: &Verdict) -> Self {
        Self::of(Event::Verdict(convert_verdict::verdict(verdict)))
    }
}

impl Message for EncodedResponse {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        buffer.put_slice(&self.0);
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    /// Skips the field: servers do not decode responses.
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        skip_field(wire_type, tag, buffer, context)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// The encodings of the newest verdicts.
#[derive(Debug, Default)]
pub struct EncodedVerdicts {
    newest: Mutex<VecDeque<(Arc<Verdict>, EncodedResponse)>>,
}

impl EncodedVerdicts {
    /// Returns the encoding of a verdict; the first call for it encodes.
    pub(super) fn get(&self, verdict: &Arc<Verdict>) -> EncodedResponse {
        let mut newest = self.newest.lock();
        let found = newest.iter().rev().find(|(of, _)| Arc::ptr_eq(of, verdict));
        if let Some((_, encoded)) = found {
            return encoded.clone();
        }
        let encoded = EncodedResponse::of_verdict(verdict);
        if newest.len() == KEPT {
            newest.pop_front();
        }
        newest.push_back((Arc::clone(verdict), encoded.clone()));
        encoded
    }
}
