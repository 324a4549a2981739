//! The context of a trace that a client sends, in the headers of W3C Trace Context.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// Length of a `traceparent` of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const PARENT_LENGTH: usize = 55;

/// Positions of the hyphens of a `traceparent`.
const HYPHENS: [usize; 3] = [2, 35, 52];

/// The span of a client that its call belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteContext(SpanContext);

impl RemoteContext {
    /// The context in the values of `traceparent` and `tracestate`. `None` if `traceparent` is malformed; a `tracestate`
    /// that is malformed is left out.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let digits = |range: std::ops::Range<usize>| {
            let text = traceparent.get(range)?;
            let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            text.bytes().all(is_digit).then_some(text)
        };
        if !HYPHENS
            .iter()
            .all(|at| traceparent.as_bytes().get(*at) == Some(&b'-'))
        {
            return None;
        }
        let version = digits(0..2)?;
        // Later versions may append fields.
        let ends = match traceparent.as_bytes().get(PARENT_LENGTH) {
            None => true,
            Some(next) => version != "00" && *next == b'-',
        };
        if version == "ff" || !ends {
            return None;
        }
        let trace = TraceId::from_hex(digits(3..35)?).ok()?;
        let span = SpanId::from_hex(digits(36..52)?).ok()?;
        let flags = u8::from_str_radix(digits(53..55)?, 16).ok()?;
        let state = tracestate.and_then(|state| state.parse::<TraceState>().ok());
        let sampled = TraceFlags::new(flags) & TraceFlags::SAMPLED;
        let context = SpanContext::new(trace, span, sampled, true, state.unwrap_or_default());
        context.is_valid().then_some(Self(context))
    }

    pub(super) fn span(&self) -> &SpanContext {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn well_formed_parent_is_taken_over_with_its_sampling_and_state() {
        let context = RemoteContext::parse(&format!("00-{TRACE}-{SPAN}-01"), Some("plc=7"));
        let context = context.expect("well-formed");
        assert_eq!(context.span().trace_id().to_string(), TRACE);
        assert_eq!(context.span().span_id().to_string(), SPAN);
        assert!(context.span().is_sampled() && context.span().is_remote());
        assert_eq!(context.span().trace_state().get("plc"), Some("7"));
        let other = RemoteContext::parse(&format!("00-{TRACE}-{SPAN}-02"), Some("=,="));
        let other = other.expect("unknown flags and a malformed state are ignored");
        assert!(!other.span().is_sampled());
        let later = RemoteContext::parse(&format!("01-{TRACE}-{SPAN}-01-more"), None);
        assert!(later.is_some(), "a later version may append fields");
    }

    #[test]
    fn malformed_parent_is_ignored() {
        for malformed in [
            String::new(),
            "nonsense".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-01 "),
            format!("01-{TRACE}-{SPAN}-01more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}-{SPAN}-0x"),
            format!("0\u{e9}{TRACE}-{SPAN}-01"),
            format!("00_{TRACE}_{SPAN}_01"),
        ] {
            let parsed = RemoteContext::parse(&malformed, None);
            assert_eq!(parsed, None, "{malformed:?}");
        }
    }
}
