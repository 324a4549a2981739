//! Files of lines that are only appended to. A line that was not written to its end is removed when the file is opened.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Bytes read at a time.
const BLOCK: u64 = 64 * 1024;

/// A file of complete lines, open for appending.
#[derive(Debug)]
pub struct LineFile {
    file: File,
    bytes: u64,
}

impl LineFile {
    /// Opens a file, which is created if it does not exist, and removes an incomplete last line.
    ///
    /// # Errors
    /// If the file cannot be opened, read or truncated.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let length = file.metadata()?.len();
        let bytes = end_of_last_line(&mut file, length)?;
        if bytes < length {
            file.set_len(bytes)?;
            file.sync_all()?;
        }
        Ok(Self { file, bytes })
    }

    /// Appends complete lines, and returns once they are on the disk.
    ///
    /// # Errors
    /// If they cannot be written or flushed. The file must then be opened again.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)?;
        self.file.sync_data()?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Returns the size of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The offset after the last line break; 0 if there is none.
fn end_of_last_line(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut block = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block)?;
        if let Some(place) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_last_line_is_removed_and_complete_ones_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lines");
        let check = |content: &[u8], kept: &[u8]| {
            std::fs::write(&path, content).expect("written");
            let mut file = LineFile::open(&path).expect("opened");
            assert_eq!(file.bytes(), kept.len() as u64);
            file.append(b"next\n").expect("appended");
            let expected = [kept, b"next\n"].concat();
            assert_eq!(std::fs::read(&path).expect("read"), expected);
        };
        check(b"", b"");
        check(b"torn", b"");
        check(b"one\n", b"one\n");
        check(b"one\ntw", b"one\n");
        let long = [b"one\n".as_slice(), &vec![b'x'; 3 * BLOCK as usize]].concat();
        check(&long, b"one\n");
    }
}
