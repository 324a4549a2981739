//! Reads the primitive values of a pickle from a byte slice.

use super::error::FormatError;

const TRUNCATED: FormatError = FormatError::Pickle("is truncated");

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Number of bytes read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let taken = self.slice(N)?;
        Ok(taken.try_into().expect("the slice has N bytes"))
    }

    fn slice(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let taken = self.bytes[self.at..].get(..len).ok_or(TRUNCATED)?;
        self.at += len;
        Ok(taken)
    }

    /// Reads a length byte and a little-endian two's-complement integer of that length.
    pub(super) fn long(&mut self) -> Result<i64, FormatError> {
        let [len] = self.take()?;
        let bytes = self.slice(usize::from(len))?;
        let negative = bytes.last().is_some_and(|highest| highest & 0x80 != 0);
        let mut value = [if negative { 0xFF } else { 0 }; 8];
        let target = value.get_mut(..bytes.len());
        let target = target.ok_or(FormatError::Pickle(
            "contains an integer of more than 64 bits",
        ))?;
        target.copy_from_slice(bytes);
        Ok(i64::from_le_bytes(value))
    }

    /// Reads a 32-bit length and UTF-8 text of that length.
    pub(super) fn text(&mut self) -> Result<String, FormatError> {
        let len = u32::from_le_bytes(self.take()?);
        let bytes = self.slice(len as usize)?.to_vec();
        String::from_utf8(bytes)
            .map_err(|_| FormatError::Pickle("contains text that is not valid UTF-8"))
    }

    /// Reads text up to the end of the line.
    pub(super) fn line(&mut self) -> Result<String, FormatError> {
        let rest = &self.bytes[self.at..];
        let len = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(TRUNCATED)?;
        self.at += len + 1;
        Ok(String::from_utf8_lossy(&rest[..len]).into_owned())
    }
}
