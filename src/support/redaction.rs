//! Removes secrets from texts: those that are known, and what looks like one.

use std::collections::BTreeSet;
use std::fs;

use crate::camera::redact;
use crate::config::Explanation;

/// Replacement of a secret.
const HIDDEN: &str = "***";

/// Shorter secrets are only removed where they are recognised by their surroundings: they are parts of other words.
const SHORTEST: usize = 4;

/// Prefix of tokens of clients.
const TOKEN: &str = "inspectd_";

/// Fewest hexadecimal digits of a token that was cut off.
const TOKEN_DIGITS: usize = 16;

/// Names whose values are secrets, in lower case, also as parts of longer names.
const SECRET_NAMES: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "user-pw",
    "proxy-pw",
    "user_pw",
    "pwd",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "credential",
];

/// The header with credentials: all that follows is hidden.
const HEADER: &str = "authorization";

/// The word before a token in a header.
const BEARER: &str = "bearer";

/// Keys of files with keys, and hashes of tokens.
const SECRET_FILES: [&str; 2] = ["tls.key", "access.clients"];

/// Shortest key or hash in such a file: a line of base64, or a hash.
const SHORTEST_KEY: usize = 32;

/// Key of a file with headers, `name: value`.
const HEADERS_FILE: &str = "traces.headers_file";

/// Removes secrets from texts.
#[derive(Clone, Debug)]
pub(super) struct Scrubber {
    /// Known secrets, the longest first.
    known: Vec<String>,
}

/// The secrets in the files that the configuration names: lines of private keys, hashes of tokens, and values of headers.
pub(super) fn secrets_of_files(explanation: &Explanation) -> Vec<String> {
    let read = |key: &str| fs::read_to_string(explanation.value(key)?).ok();
    let mut secrets = Vec::new();
    for text in SECRET_FILES.iter().filter_map(|key| read(key)) {
        let words = text.split(|letter: char| !is_base64(letter));
        let long = words.filter(|word| word.len() >= SHORTEST_KEY);
        secrets.extend(long.map(str::to_owned));
    }
    for line in read(HEADERS_FILE).unwrap_or_default().lines() {
        if let Some((_, value)) = line.split_once(':') {
            secrets.push(value.trim().to_owned());
            // Without the scheme, such as `Bearer`.
            secrets.extend(value.split_whitespace().skip(1).map(str::to_owned));
        }
    }
    secrets
}

fn is_base64(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "+/=_-".contains(letter)
}

impl Scrubber {
    /// Knows these secrets, and those in them if they are URLs or pipelines.
    pub fn new(texts: &[String]) -> Self {
        let mut known = BTreeSet::new();
        for text in texts {
            known.insert(text.clone());
            known.extend(parts_of(text));
        }
        let mut known: Vec<String> = known
            .into_iter()
            .filter(|secret| secret.chars().count() >= SHORTEST)
            .collect();
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { known }
    }

    /// The text without secrets.
    pub fn scrub(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for secret in &self.known {
            if clean.contains(secret.as_str()) {
                clean = clean.replace(secret.as_str(), HIDDEN);
            }
        }
        let lines: Vec<String> = without_keys(&clean).lines().map(scrub_line).collect();
        let mut clean = lines.join("\n");
        if text.ends_with('\n') {
            clean.push('\n');
        }
        clean
    }
}

/// The secrets within a URL or a pipeline.
fn parts_of(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("://") {
        let rest = &text[start + 3..];
        let rest = &rest[..rest.find("://").unwrap_or(rest.len())];
        let (user, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let secret = user.split_once(':').map_or(user, |(_, password)| password);
        found.push(user.to_owned());
        found.push(secret.to_owned());
        found.extend(decoded(secret));
        let values = place
            .split(['&', ';', '?', '/'])
            .filter_map(|piece| piece.split_once('='));
        found.extend(values.map(|(_, value)| value.to_owned()));
    }
    for (start, _) in text.match_indices('=') {
        let name = text[..start].trim_end().rsplit(char::is_whitespace).next();
        let name = name.unwrap_or_default().to_lowercase();
        if SECRET_NAMES.iter().any(|secret| name.contains(secret)) {
            let value = text[start + 1..].trim_start();
            found.push(value_at(value).0.to_owned());
        }
    }
    found
}

/// The text with `%41` replaced by `A`, if it has such a character.
fn decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = byte.filter(|_| *first == b'%') {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Removes blocks with private keys.
fn without_keys(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut within = false;
    for line in text.split_inclusive('\n') {
        let begins = line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----");
        if begins {
            clean.push_str("*** private key ***\n");
        }
        let hidden = within || begins;
        within = hidden && !line.contains("-----END ");
        if !hidden {
            clean.push_str(line);
        }
    }
    clean
}

fn scrub_line(line: &str) -> String {
    let line = without_users(line);
    let line = redact(&line);
    let line = without_tokens(&line);
    let line = without_schemes(&line);
    without_values(&line)
}

/// Replaces everything between `://` and the last `@` before the next URL: a password may contain spaces, quotes and slashes.
fn without_users(line: &str) -> String {
    let mut pieces = line.split("://");
    let mut clean = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        clean.push_str("://");
        match piece.rfind('@') {
            Some(at) => {
                clean.push_str(HIDDEN);
                clean.push_str(&piece[at..]);
            }
            None => clean.push_str(piece),
        }
    }
    clean
}

/// Replaces tokens of clients.
fn without_tokens(line: &str) -> String {
    let mut pieces = line.split(TOKEN);
    let mut clean = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        clean.push_str(TOKEN);
        let end = piece.find(|letter: char| !letter.is_ascii_hexdigit());
        let end = end.unwrap_or(piece.len());
        if end >= TOKEN_DIGITS {
            clean.push_str(HIDDEN);
            clean.push_str(&piece[end..]);
        } else {
            clean.push_str(piece);
        }
    }
    clean
}

/// Replaces the value of the header `authorization`, and what follows `Bearer`.
fn without_schemes(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let header = lower.find(HEADER).map(|start| start + HEADER.len());
    if let Some(end) = header {
        let value = lower[end..].trim_start_matches(['"', '\'', ' ']);
        if value.starts_with([':', '=']) {
            let start = lower.len() - value.len() + 1;
            return format!("{} {HIDDEN}", &line[..start]);
        }
    }
    let mut clean = String::new();
    let mut hides = false;
    for word in line.split_inclusive(' ') {
        let bare = word.trim_end();
        if hides && !bare.is_empty() {
            clean.push_str(HIDDEN);
            clean.push_str(&word[bare.len()..]);
            hides = false;
            continue;
        }
        let letters = bare.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
        hides = letters.eq_ignore_ascii_case(BEARER);
        clean.push_str(word);
    }
    clean
}

/// Replaces values of names such as `password`, in `name=value`, `name: value` and JSON.
fn without_values(line: &str) -> String {
    // Lengths must not change: only ASCII letters are converted.
    let lower = line.to_ascii_lowercase();
    let mut clean = String::new();
    let mut from = 0;
    while let Some((start, end)) = next_value(&lower, line, from) {
        clean.push_str(&line[from..start]);
        clean.push_str(HIDDEN);
        from = end;
    }
    clean.push_str(&line[from..]);
    clean
}

/// Where the next value of a secret name starts and ends.
fn next_value(lower: &str, line: &str, from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let found = SECRET_NAMES
            .iter()
            .filter_map(|name| lower[at..].find(name).map(|start| at + start + name.len()))
            .min()?;
        // The rest of the name, and a quote of JSON.
        let rest = lower[found..].trim_start_matches(|letter: char| {
            letter.is_ascii_alphanumeric() || "_-".contains(letter)
        });
        let rest = rest.trim_start_matches(['"', '\'']).trim_start();
        if let Some(value) = rest.strip_prefix(['=', ':']) {
            let value = value.trim_start();
            let start = lower.len() - value.len();
            let (value, quote) = value_at(&line[start..]);
            if !value.is_empty() {
                let start = start + quote;
                return Some((start, start + value.len()));
            }
        }
        at = found;
    }
}

/// The value at the start of a text, without its quotes, and the length of the quote before it.
fn value_at(text: &str) -> (&str, usize) {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            return (&rest[..rest.find(quote).unwrap_or(rest.len())], 1);
        }
    }
    let end = text.find(|letter: char| letter.is_whitespace() || ",;&\"'}])!".contains(letter));
    (&text[..end.unwrap_or(text.len())], 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Explained;

    fn check(known: &[&str], text: &str, expected: &str) {
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        assert_eq!(Scrubber::new(&known).scrub(text), expected, "{text}");
    }

    #[test]
    fn known_secrets_are_removed_wherever_they_are() {
        let url = "rtsp://admin:s3cr%23t-word@10.0.0.5/h264?pwd=other1&rate=9";
        check(
            &[url],
            "login with s3cr%23t-word failed",
            "login with *** failed",
        );
        check(
            &[url],
            "login with s3cr#t-word failed",
            "login with *** failed",
        );
        check(&[url], "pwd other1, rate 9", "pwd ***, rate 9");
        check(&[url], "user admin", "user admin");
        let malformed = "rtsp://ad min:pa ss/wo@rd@cam/x";
        check(&[malformed], "it said pa ss/wo@rd", "it said ***");
        let pipeline = "rtspsrc location=rtsp://cam user-id=op user-pw=\"geheim wort\" ! appsink";
        check(&[pipeline], "(geheim wort)", "(***)");
        check(&[pipeline], pipeline, "***");
    }

    #[test]
    fn secrets_of_files_are_lines_of_keys_hashes_and_headers() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgT2sQ";
        let hash = "0f".repeat(32);
        let file = |key: &str, text: &str| {
            let path = folder.path().join(key);
            fs::write(&path, text).expect("written");
            Explained {
                key: key.to_owned(),
                value: path.display().to_string(),
                place: String::new(),
            }
        };
        let explanation = Explanation {
            values: vec![
                file(
                    "tls.key",
                    &format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"),
                ),
                file(
                    "access.clients",
                    &format!("name = \"mes\"\ntoken_sha256 = \"{hash}\"\n"),
                ),
                file(
                    "traces.headers_file",
                    "# a note\nauthorization: Bearer a-b-c\nx-tenant: plant7\n",
                ),
            ],
            ..Explanation::default()
        };
        let expected = [key, &hash, "Bearer a-b-c", "a-b-c", "plant7"];
        assert_eq!(secrets_of_files(&explanation), expected);
    }

    #[test]
    fn users_of_urls_are_removed_also_if_the_url_is_not_valid() {
        check(&[], "open rtsp://a:b@c/d now", "open rtsp://***@c/d now");
        check(
            &[],
            "open rtsp://a b:c d@e/f now",
            "open rtsp://***@e/f now",
        );
        check(
            &[],
            "'http://a:b'c@d' 'http://e'",
            "'http://***@d' 'http://e'",
        );
        check(&[], "http://cam/x?pwd=secret", "http://cam/x?pwd=***");
        check(
            &[],
            "http://127.0.0.1:9464/metrics",
            "http://127.0.0.1:9464/metrics",
        );
    }

    #[test]
    fn values_of_secret_names_are_removed() {
        check(&[], "password=abc user=x", "password=*** user=x");
        check(&[], "Password: abc, next", "Password: ***, next");
        check(
            &[],
            "{\"token\": \"a b\", \"x\": 1}",
            "{\"token\": \"***\", \"x\": 1}",
        );
        check(&[], "token_sha256 = \"00ff\"", "token_sha256 = \"***\"");
        check(
            &[],
            "CAM_PASSWORD='a b' OTHER=1",
            "CAM_PASSWORD='***' OTHER=1",
        );
        check(&[], "a token is required", "a token is required");
        check(&[], "password=", "password=");
        check(&[], "password=ä€ password=b", "password=*** password=***");
    }

    #[test]
    fn tokens_headers_and_private_keys_are_removed() {
        let token = format!("inspectd_{}", "0f".repeat(32));
        check(&[], &format!("shown: {token}."), "shown: inspectd_***.");
        check(&[], "inspectd_camera_frames 3", "inspectd_camera_frames 3");
        check(
            &[],
            "Authorization: Basic abc.def next",
            "Authorization: ***",
        );
        check(&[], "sent Bearer abc.def next", "sent Bearer *** next");
        let key = "before\n-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\nafter\n";
        check(&[], key, "before\n*** private key ***\nafter\n");
    }
}
