//! Values in registers: the encoding of numbers and texts, and the blocks of the PLC and of the server.

use crate::map::{self, Kind, Register};

/// The order of the registers of a long value, or of the characters in a register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The most significant register, or the first character, comes first.
    #[default]
    Big,
    /// The least significant register, or the second character, comes first.
    Little,
}

/// How the values of a station are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    /// The order of the registers of values with 32 and 64 bits.
    pub words: Order,
    /// The order of the two characters of a register.
    pub text: Order,
}

/// The part, as the PLC names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartNumber {
    /// The number; 0: none.
    pub number: u32,
    /// The text, filled with zeros or spaces.
    pub text: [u8; 32],
}

/// The text of a part has characters that are not printable ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPart;

impl PartNumber {
    /// Returns the part id of the daemon: the text, or else the number. Empty: the part has no id.
    ///
    /// # Errors
    /// If the text has a character that is not printable ASCII.
    pub fn id(&self) -> Result<String, InvalidPart> {
        let filling = |byte: &u8| matches!(byte, 0 | b' ');
        let length = self.text.iter().rposition(|byte| !filling(byte));
        let text = &self.text[..length.map_or(0, |last| last + 1)];
        if !text.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(InvalidPart);
        }
        if text.is_empty() && self.number != 0 {
            return Ok(self.number.to_string());
        }
        Ok(text.iter().copied().map(char::from).collect())
    }

    /// Returns the part with this id, or nothing if the registers cannot show it unchanged.
    pub fn of_id(id: &str) -> Option<Self> {
        let shown = id.len() <= 32 && id.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let mut text = [0; 32];
        shown.then(|| text[..id.len()].copy_from_slice(id.as_bytes()))?;
        Some(Self {
            number: id.parse().unwrap_or(0),
            text,
        })
    }
}

/// What the PLC has written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlcWords {
    /// Bits of [`map::CONTROL_BITS`].
    pub control: u16,
    /// The heartbeat.
    pub heartbeat: u16,
    /// The command sequence number; 0: not used.
    pub command: u16,
    /// The number of the wanted recipe; 0: none.
    pub recipe_select: u16,
    /// The part.
    pub part: PartNumber,
}

/// Registers that follow each other, and their encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    words: Vec<u16>,
    encoding: Encoding,
}

impl Block {
    /// Returns a block of zeros.
    pub fn new(words: u16, encoding: Encoding) -> Self {
        Self {
            words: vec![0; words.into()],
            encoding,
        }
    }

    /// Returns the registers.
    pub fn words(&self) -> &[u16] {
        &self.words
    }

    /// Replaces registers from `address` on. Returns false, and changes nothing, if they are not all in the block.
    pub fn write(&mut self, address: u16, words: &[u16]) -> bool {
        let start = usize::from(address);
        let target = self.words.get_mut(start..start + words.len());
        target.map(|target| target.copy_from_slice(words)).is_some()
    }

    /// Sets a number of 16 bits, or bits.
    pub fn put_u16(&mut self, register: &Register, value: u16) {
        debug_assert!(matches!(register.kind, Kind::U16 | Kind::Bits));
        self.words[usize::from(register.address)] = value;
    }

    /// Sets a number of 32 bits.
    pub fn put_u32(&mut self, register: &Register, value: u32) {
        debug_assert_eq!(register.kind, Kind::U32);
        self.put_wide(register, &[(value >> 16) as u16, value as u16]);
    }

    /// Sets a number of 64 bits.
    pub fn put_u64(&mut self, register: &Register, value: u64) {
        debug_assert_eq!(register.kind, Kind::U64);
        let word = |index: u32| (value >> (16 * index)) as u16;
        self.put_wide(register, &[word(3), word(2), word(1), word(0)]);
    }

    /// Sets a floating-point number.
    pub fn put_f32(&mut self, register: &Register, value: f32) {
        debug_assert_eq!(register.kind, Kind::F32);
        let bits = value.to_bits();
        self.put_wide(register, &[(bits >> 16) as u16, bits as u16]);
    }

    /// Sets a text.
    pub fn put_text(&mut self, register: &Register, text: &[u8; 32]) {
        debug_assert_eq!(register.kind, Kind::Text);
        let start = usize::from(register.address);
        for (word, pair) in self.words[start..].iter_mut().zip(text.chunks_exact(2)) {
            *word = match self.encoding.text {
                Order::Big => u16::from_be_bytes([pair[0], pair[1]]),
                Order::Little => u16::from_le_bytes([pair[0], pair[1]]),
            };
        }
    }

    /// Returns a number of 16 bits, or bits.
    pub fn u16(&self, register: &Register) -> u16 {
        self.words[usize::from(register.address)]
    }

    /// Returns a number of 32 bits.
    pub fn u32(&self, register: &Register) -> u32 {
        let words = self.wide(register);
        words
            .iter()
            .fold(0, |value, &word| value << 16 | u32::from(word))
    }

    /// Returns a number of 64 bits.
    pub fn u64(&self, register: &Register) -> u64 {
        let words = self.wide(register);
        words
            .iter()
            .fold(0, |value, &word| value << 16 | u64::from(word))
    }

    /// Returns a floating-point number.
    pub fn f32(&self, register: &Register) -> f32 {
        f32::from_bits(self.u32(register))
    }

    /// Returns a text.
    pub fn text(&self, register: &Register) -> [u8; 32] {
        let start = usize::from(register.address);
        let mut text = [0; 32];
        for (pair, word) in text.chunks_exact_mut(2).zip(&self.words[start..]) {
            pair.copy_from_slice(&match self.encoding.text {
                Order::Big => word.to_be_bytes(),
                Order::Little => word.to_le_bytes(),
            });
        }
        text
    }

    /// Returns what the PLC has written, if this is its block.
    pub fn plc_words(&self) -> PlcWords {
        PlcWords {
            control: self.u16(&map::CONTROL),
            heartbeat: self.u16(&map::HEARTBEAT_IN),
            command: self.u16(&map::COMMAND),
            recipe_select: self.u16(&map::RECIPE_SELECT),
            part: PartNumber {
                number: self.u32(&map::PART_NUMBER),
                text: self.text(&map::PART_TEXT),
            },
        }
    }

    /// Sets what the PLC has written, in its block.
    pub fn put_plc_words(&mut self, plc: &PlcWords) {
        self.put_u16(&map::CONTROL, plc.control);
        self.put_u16(&map::HEARTBEAT_IN, plc.heartbeat);
        self.put_u16(&map::COMMAND, plc.command);
        self.put_u16(&map::RECIPE_SELECT, plc.recipe_select);
        self.put_u32(&map::PART_NUMBER, plc.part.number);
        self.put_text(&map::PART_TEXT, &plc.part.text);
    }

    /// Sets a long value, given with the most significant word first.
    fn put_wide(&mut self, register: &Register, words: &[u16]) {
        let start = usize::from(register.address);
        let target = &mut self.words[start..start + words.len()];
        target.copy_from_slice(words);
        if self.encoding.words == Order::Little {
            target.reverse();
        }
    }

    /// Returns a long value with the most significant word first.
    fn wide(&self, register: &Register) -> Vec<u16> {
        let start = usize::from(register.address);
        let mut words = self.words[start..start + usize::from(register.kind.words())].to_vec();
        if self.encoding.words == Order::Little {
            words.reverse();
        }
        words
    }
}

#[cfg(test)]
mod tests;
