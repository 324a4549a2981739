//! The deadline of a call, from its header `grpc-timeout`.

use std::time::Duration;

use tonic::codegen::http::HeaderMap;

/// The header. gRPC over HTTP/2: up to eight digits and a unit.
const HEADER: &str = "grpc-timeout";

/// The time that the client gives the call; `None` if it gives none, or one that cannot be read.
pub(super) fn of(headers: &HeaderMap) -> Option<Duration> {
    parse(headers.get(HEADER)?.to_str().ok()?)
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_hours(value),
        "M" => Duration::from_mins(value),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeout_has_digits_and_a_unit() {
        for (text, expected) in [
            ("30m", Some(Duration::from_millis(30))),
            ("2S", Some(Duration::from_secs(2))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("1H", Some(Duration::from_hours(1))),
            ("", None),
            ("m", None),
            ("30", None),
            ("-3m", None),
            ("123456789m", None),
            ("3\u{b5}", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
