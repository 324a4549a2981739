//! Responses of `StreamVerdicts` in their encoding, so that a scenario can send what this version does not know.

use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::{StreamVerdictsResponse, Verdict};
use prost::bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType, encode_key, encode_varint, skip_field};
use prost::{DecodeError, Message};

/// Number of a field that no message has.
const UNKNOWN_NUMBER: u32 = 1000;

/// Number of an event that no response has.
const UNKNOWN_EVENT: u32 = 15;

/// The number of the event `verdict`.
const VERDICT: u32 = 1;

/// A `StreamVerdictsResponse` in its encoding. The code that is generated for the service sends it as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncodedResponse(Bytes);

impl EncodedResponse {
    /// Encodes a response with this event.
    pub fn of(event: Event) -> Self {
        let response = StreamVerdictsResponse { event: Some(event) };
        Self(response.encode_to_vec().into())
    }

    /// A response without an event.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A response with an event that is not known.
    pub fn of_unknown_event() -> Self {
        let mut bytes = Vec::new();
        put_bytes(UNKNOWN_EVENT, b"later", &mut bytes);
        Self(bytes.into())
    }

    /// A verdict with fields that are not known, in a response with such fields.
    pub fn with_unknown_fields(verdict: &Verdict) -> Self {
        let mut inner = verdict.encode_to_vec();
        put_unknown(&mut inner);
        let mut bytes = Vec::new();
        put_unknown(&mut bytes);
        put_bytes(VERDICT, &inner, &mut bytes);
        Self(bytes.into())
    }
}

fn put_bytes(number: u32, value: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// A number and a text that no message has.
fn put_unknown(out: &mut Vec<u8>) {
    encode_key(UNKNOWN_NUMBER, WireType::Varint, out);
    encode_varint(7, out);
    put_bytes(UNKNOWN_NUMBER + 1, b"later", out);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_and_events_decode_to_what_is_known() {
        let verdict = Verdict {
            sequence: 7,
            ..Verdict::default()
        };
        let decoded = |response: EncodedResponse| {
            let bytes = response.encode_to_vec();
            StreamVerdictsResponse::decode(bytes.as_slice()).expect("a valid encoding")
        };
        let known = decoded(EncodedResponse::with_unknown_fields(&verdict));
        assert_eq!(known.event, Some(Event::Verdict(verdict)));
        assert_eq!(decoded(EncodedResponse::of_unknown_event()).event, None);
        assert_eq!(decoded(EncodedResponse::empty()).event, None);
    }
}
