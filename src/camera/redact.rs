//! Removes camera passwords from texts, before they are logged or returned.

/// Replacement of a secret.
const HIDDEN: &str = "***";

/// Returns the text with secrets replaced in each URL: user and password, and every value of its path and
/// query, because cameras also take passwords as `?pwd=...` and as `/user=...&password=...`.
pub fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        // A password may contain a quote, so only white space ends a URL.
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        clean.push_str(before);
        redact_url(&after[..end], &mut clean);
        rest = &after[end..];
    }
    clean.push_str(rest);
    clean
}

/// `url` is the part after `://`.
fn redact_url(url: &str, clean: &mut String) {
    // A password may contain an unescaped slash or question mark, but hosts and paths rarely contain an
    // `@`: everything before the last one is replaced, at worst too much.
    let place = match url.rfind('@') {
        Some(at) => {
            clean.push_str(HIDDEN);
            &url[at..]
        }
        None => url,
    };
    for (index, piece) in place.split_inclusive(['&', ';', '?', '/']).enumerate() {
        match piece.split_once('=') {
            Some((key, value)) if index > 0 => {
                clean.push_str(key);
                clean.push('=');
                clean.push_str(HIDDEN);
                clean.extend(value.chars().last().filter(|c| "&;?/".contains(*c)));
            }
            _ => clean.push_str(piece),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_passwords_and_values_of_urls_are_replaced() {
        let check = |text, expected| assert_eq!(redact(text), expected);
        check("", "");
        check("no address at all", "no address at all");
        check("rtsp://10.0.0.5/stream1", "rtsp://10.0.0.5/stream1");
        check(
            "rtsp://admin:secret@10.0.0.5:554/h264/ch1",
            "rtsp://***@10.0.0.5:554/h264/ch1",
        );
        check("http://admin:p@ss@cam/video", "http://***@cam/video");
        check("http://admin:p/a?'s@cam/video", "http://***@cam/video");
        check(
            "http://cam/video.cgi?user=admin&pwd=secret&rate=0",
            "http://cam/video.cgi?user=***&pwd=***&rate=***",
        );
        check(
            "rtsp://cam/user=admin&password=secret&channel=1/0",
            "rtsp://cam/user=***&password=***&channel=***/0",
        );
        check(
            "two: 'rtsp://a:b@c/d' and \"https://e:f@[::1]:8443/g\".",
            "two: 'rtsp://***@c/d' and \"https://***@[::1]:8443/g\".",
        );
    }
}
