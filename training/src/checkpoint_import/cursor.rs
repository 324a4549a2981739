//! A pickle's bytes, from the first to the last.

use super::error::FormatError;

const TOO_EARLY: FormatError = FormatError::Pickle("ends too early");

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were taken.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let taken = self.slice(N)?;
        Ok(taken.try_into().expect("N bytes were taken"))
    }

    fn slice(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let taken = self.bytes[self.at..].get(..len).ok_or(TOO_EARLY)?;
        self.at += len;
        Ok(taken)
    }

    /// An integer of so many bytes from the lowest, the highest bit its sign.
    pub(super) fn long(&mut self) -> Result<i64, FormatError> {
        let [len] = self.take()?;
        let bytes = self.slice(usize::from(len))?;
        let negative = bytes.last().is_some_and(|highest| highest & 0x80 != 0);
        let mut value = [if negative { 0xFF } else { 0 }; 8];
        let room = value.get_mut(..bytes.len());
        let room = room.ok_or(FormatError::Pickle("has an integer of more than 64 bits"))?;
        room.copy_from_slice(bytes);
        Ok(i64::from_le_bytes(value))
    }

    /// UTF-8 after its length.
    pub(super) fn text(&mut self) -> Result<String, FormatError> {
        let len = u32::from_le_bytes(self.take()?);
        let bytes = self.slice(len as usize)?.to_vec();
        String::from_utf8(bytes).map_err(|_| FormatError::Pickle("has text that is not UTF-8"))
    }

    /// Text to the end of its line.
    pub(super) fn line(&mut self) -> Result<String, FormatError> {
        let rest = &self.bytes[self.at..];
        let len = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(TOO_EARLY)?;
        self.at += len + 1;
        Ok(String::from_utf8_lossy(&rest[..len]).into_owned())
    }
}
