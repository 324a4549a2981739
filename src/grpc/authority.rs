//! Makes the header `:authority` of clients on a Unix socket acceptable.
//!
//! gRPC clients in C++, Python and Java send the path of the socket there: `run%2Finspectd%2Flookout.sock`. The HTTP/2
//! implementation refuses that as malformed before a request reaches anybody. On a Unix socket, the header has no meaning. So each of
//! its bytes that is not allowed is replaced by a hyphen in the received bytes. Lengths stay the same, and with them the table of
//! headers that client and server share.
//!
//! Pure: this is a state machine over the bytes (RFC 9113, RFC 7541). Values in Huffman code stay as they are, as does everything
//! that is not understood.

/// What a client of HTTP/2 sends first.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

/// Bytes of a frame before its payload.
const FRAME_HEADER: usize = 9;

/// Types and flags of frames.
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Bytes of the priority in a frame of headers.
const PRIORITY_BYTES: usize = 5;

/// The name, and its index in the static table.
const NAME: &[u8] = b":authority";
const NAME_INDEX: usize = 1;

/// Replaces bytes of `:authority` in what a client sends.
#[derive(Debug)]
pub(super) struct AuthorityFilter {
    frames: Frames,
    fields: Fields,
}

/// Where in the frames the next byte is.
#[derive(Debug)]
enum Frames {
    /// Bytes that are passed, then a frame begins.
    Skip(usize),
    Header {
        bytes: [u8; FRAME_HEADER],
        count: usize,
    },
    /// The length of the padding, then the rest of a frame of headers.
    PadLength {
        left: usize,
        flags: u8,
    },
    /// The priority, then the fields.
    Priority {
        skip: usize,
        block: Block,
    },
    Block(Block),
}

/// A part of the fields of a request.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// Its bytes.
    left: usize,
    /// Bytes after it.
    padding: usize,
    /// Whether it is the last one of the request.
    last: bool,
}

impl Default for AuthorityFilter {
    fn default() -> Self {
        Self {
            frames: Frames::Skip(PREFACE),
            fields: Fields::Start,
        }
    }
}

impl AuthorityFilter {
    /// Takes the next bytes that were received, in pieces of any size.
    pub(super) fn pass(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            let available = bytes.len() - at;
            at += match &mut self.frames {
                Frames::Skip(0) => {
                    self.frames = Frames::Header {
                        bytes: [0; FRAME_HEADER],
                        count: 0,
                    };
                    0
                }
                Frames::Skip(left) => {
                    let skipped = available.min(*left);
                    *left -= skipped;
                    skipped
                }
                Frames::Header { bytes: head, count } => {
                    head[*count] = bytes[at];
                    *count += 1;
                    if *count == FRAME_HEADER {
                        self.frames = frame(head);
                    }
                    1
                }
                Frames::PadLength { left, flags } => {
                    let padding = usize::from(bytes[at]);
                    self.frames = headers(left.saturating_sub(1), padding, *flags);
                    1
                }
                Frames::Priority { skip: 0, block } => {
                    self.frames = Frames::Block(*block);
                    0
                }
                Frames::Priority { skip, .. } => {
                    *skip -= 1;
                    1
                }
                Frames::Block(block) => {
                    let count = available.min(block.left);
                    for byte in &mut bytes[at..at + count] {
                        self.fields.pass(byte);
                    }
                    block.left -= count;
                    if block.left == 0 {
                        if block.last {
                            self.fields = Fields::Start;
                        }
                        self.frames = Frames::Skip(block.padding);
                    }
                    count
                }
            };
        }
    }
}

/// What follows the first bytes of a frame.
fn frame(head: &[u8; FRAME_HEADER]) -> Frames {
    let [a, b, c, kind, flags, ..] = *head;
    let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    match kind {
        HEADERS if flags & PADDED != 0 && length > 0 => Frames::PadLength {
            left: length,
            flags,
        },
        HEADERS => headers(length, 0, flags),
        CONTINUATION => headers(length, 0, flags & END_HEADERS),
        _ => Frames::Skip(length),
    }
}

/// The rest of a frame of headers, `left` bytes.
fn headers(left: usize, padding: usize, flags: u8) -> Frames {
    let skip = if flags & PRIORITY == 0 {
        0
    } else {
        PRIORITY_BYTES.min(left)
    };
    let padding = padding.min(left - skip);
    Frames::Priority {
        skip,
        block: Block {
            left: left - skip - padding,
            padding,
            last: flags & END_HEADERS != 0,
        },
    }
}

/// Where in the fields of a request the next byte is.
#[derive(Debug)]
enum Fields {
    Start,
    /// The rest of a number.
    Number {
        number: Number,
        then: Then,
    },
    /// The first byte of a length.
    Length(Text),
    /// The bytes of a text.
    Bytes {
        text: Text,
        left: usize,
        encoded: bool,
    },
    /// A number is too large for any request: what follows is not understood.
    Unknown,
}

/// A number that takes several bytes.
#[derive(Clone, Copy, Debug)]
struct Number {
    value: usize,
    shift: u32,
}

/// What a number means.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// A whole field, or a size of the table.
    Nothing,
    /// The index of a name; 0 for a name that follows.
    Name,
    /// The length of a text, in Huffman code or not.
    Text { text: Text, encoded: bool },
}

/// A name or a value.
#[derive(Clone, Copy, Debug)]
enum Text {
    /// A name, of which so many bytes are those of `:authority`.
    Name { matched: usize, length: usize },
    /// A value, of `:authority` or not.
    Value { authority: bool },
}

impl Fields {
    fn pass(&mut self, byte: &mut u8) {
        match self {
            Self::Start => *self = Self::field(*byte),
            Self::Number { number, then } => {
                let (number, then) = (*number, *then);
                let value = usize::from(*byte & 0x7f)
                    .checked_shl(number.shift)
                    .and_then(|value| value.checked_add(number.value));
                *self = match value {
                    // More than any field has.
                    None => Self::Unknown,
                    Some(_) if number.shift > 21 => Self::Unknown,
                    Some(value) if *byte & 0x80 != 0 => Self::Number {
                        number: Number {
                            value,
                            shift: number.shift + 7,
                        },
                        then,
                    },
                    Some(value) => then.after(value),
                };
            }
            Self::Length(text) => {
                let encoded = *byte & 0x80 != 0;
                let then = Then::Text {
                    text: *text,
                    encoded,
                };
                *self = number(*byte, 7, then);
            }
            Self::Bytes {
                text,
                left,
                encoded,
            } => {
                match text {
                    Text::Name { matched, .. } => {
                        let expected = NAME.get(*matched);
                        if !*encoded && expected == Some(&*byte) {
                            *matched += 1;
                        }
                    }
                    Text::Value { authority: true } if !*encoded && !is_allowed(*byte) => {
                        *byte = b'-';
                    }
                    Text::Value { .. } => {}
                }
                *left -= 1;
                if *left == 0 {
                    *self = text.end();
                }
            }
            Self::Unknown => {}
        }
    }

    /// What follows the first byte of a field.
    fn field(byte: u8) -> Self {
        if byte & 0x80 != 0 {
            number(byte, 7, Then::Nothing)
        } else if byte & 0x40 != 0 {
            number(byte, 6, Then::Name)
        } else if byte & 0x20 != 0 {
            number(byte, 5, Then::Nothing)
        } else {
            number(byte, 4, Then::Name)
        }
    }
}

/// What follows the first byte of a number in its lower `bits`.
fn number(byte: u8, bits: u32, then: Then) -> Fields {
    let most = (1 << bits) - 1;
    let value = usize::from(byte) & most;
    if value < most {
        return then.after(value);
    }
    Fields::Number {
        number: Number { value, shift: 0 },
        then,
    }
}

impl Then {
    /// What follows a number.
    fn after(self, value: usize) -> Fields {
        match self {
            Self::Nothing => Fields::Start,
            Self::Name if value == 0 => Fields::Length(Text::Name {
                matched: 0,
                length: 0,
            }),
            Self::Name => Fields::Length(Text::Value {
                authority: value == NAME_INDEX,
            }),
            Self::Text { text, encoded } => {
                let text = match text {
                    Text::Name { .. } => Text::Name {
                        matched: 0,
                        length: value,
                    },
                    value @ Text::Value { .. } => value,
                };
                if value == 0 {
                    return text.end();
                }
                Fields::Bytes {
                    text,
                    left: value,
                    encoded,
                }
            }
        }
    }
}

impl Text {
    /// What follows a text.
    fn end(self) -> Fields {
        match self {
            Self::Name { matched, length } => Fields::Length(Self::Value {
                authority: matched == NAME.len() && length == NAME.len(),
            }),
            Self::Value { .. } => Fields::Start,
        }
    }
}

/// Whether a byte may be in a host.
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame.
    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        let head = [&length[1..], &[kind, flags, 0, 0, 0, 1]].concat();
        [&head, payload].concat()
    }

    fn connection(frames: &[Vec<u8>]) -> Vec<u8> {
        [vec![b'x'; PREFACE], frames.concat()].concat()
    }

    /// A literal field whose name and value are written out.
    fn field(name: &str, value: &str) -> Vec<u8> {
        let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        [vec![0x40], text(name), text(value)].concat()
    }

    /// The bytes after the filter, in pieces of this size.
    fn passed(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut filter = AuthorityFilter::default();
        let mut bytes = bytes.to_vec();
        for piece in bytes.chunks_mut(piece) {
            filter.pass(piece);
        }
        bytes
    }

    const PATH: &str = "run%2Finspectd%2Flookout.sock";
    const CLEAN: &str = "run-2Finspectd-2Flookout.sock";

    /// The fields of a request, with `authority` where a client of grpc-c has it.
    fn fields(authority: &[u8]) -> Vec<u8> {
        [
            &field(":path", "/A%2F/B"),
            authority,
            &[0x83, 0x86],
            &field("content-type", "application/grpc"),
            &field("x", &format!(":authority %{}", "y".repeat(100))),
            &field(":authority2", "50%"),
            // A name of the dynamic table with an index of two bytes.
            &[0x7f, 0x01, 3, b'a', b'%', b'b'],
        ]
        .concat()
    }

    #[test]
    fn path_of_the_socket_becomes_a_host_and_nothing_else_changes() {
        let indexed = |value: &str| [&[0x41, value.len() as u8], value.as_bytes()].concat();
        let unindexed = |value: &str| [&[0x01, value.len() as u8], value.as_bytes()].concat();
        let literal = |value: &str| field(":authority", value);
        for authority in [&literal as &dyn Fn(&str) -> Vec<u8>, &indexed, &unindexed] {
            let request = |value| {
                let fields = fields(&authority(value));
                let (first, second) = fields.split_at(20);
                let padded = [&[3, 1, 2, 3, 4, 5], &*fields, b"%%%"].concat();
                connection(&[
                    frame(4, 0, &[b'%'; 36]),
                    frame(HEADERS, END_HEADERS, &fields),
                    frame(0, 0, b"A%2F :authority %"),
                    frame(HEADERS, PADDED | PRIORITY | END_HEADERS, &padded),
                    frame(HEADERS, 0, first),
                    frame(CONTINUATION, END_HEADERS, second),
                    frame(HEADERS, END_HEADERS, &fields),
                ])
            };
            for piece in [1, 2, 7, 100, 10_000] {
                assert_eq!(passed(&request(PATH), piece), request(CLEAN), "{piece}");
            }
            assert_eq!(passed(&request(CLEAN), 10_000), request(CLEAN));
        }
    }

    #[test]
    fn encoded_values_and_what_is_not_understood_stay() {
        let encoded = [&[0x41, 0x80 | 3][..], b"%/%"].concat();
        let endless = [vec![0x41], vec![0xff; 12], b"%/%".to_vec()].concat();
        for fields in [encoded, endless] {
            let request = connection(&[frame(HEADERS, END_HEADERS, &fields)]);
            assert_eq!(passed(&request, 5), request);
        }
    }

    #[test]
    fn long_path_has_a_length_of_two_bytes() {
        let path = |separator: &str| [separator, &"a".repeat(180), separator].concat();
        let request = |value: &str| {
            let fields = [&[0x41, 0x7f, 55], value.as_bytes()].concat();
            connection(&[frame(HEADERS, END_HEADERS, &fields)])
        };
        assert_eq!(passed(&request(&path("/")), 3), request(&path("-")));
    }

    proptest! {
        #[test]
        fn any_bytes_pass_in_any_pieces_with_the_same_result(
            bytes in prop::collection::vec(any::<u8>(), 0..400), piece in 1usize..50,
        ) {
            let whole = passed(&bytes, 400);
            prop_assert_eq!(&passed(&bytes, piece), &whole);
            prop_assert_eq!(whole.len(), bytes.len());
        }

        #[test]
        fn any_fields_pass_without_a_panic(
            fields in prop::collection::vec(any::<u8>(), 0..300), flags in any::<u8>(), piece in 1usize..50,
        ) {
            let request = connection(&[
                frame(HEADERS, flags, &fields),
                frame(CONTINUATION, flags, &fields),
                frame(HEADERS, END_HEADERS, &super::tests::fields(&field(":authority", PATH))),
            ]);
            prop_assert_eq!(passed(&request, piece).len(), request.len());
        }
    }
}
