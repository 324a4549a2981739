//! The file of an anomaly map.
//!
//! | bytes | content |
//! |---|---|
//! | 4 | `IMAP` |
//! | 4 | width, cells per row: u32, little endian |
//! | 4 | height, number of rows: u32, little endian |
//! | 4 x width x height | the cells, row by row: f32, little endian |
//!
//! Earlier versions wrote only the cells of a square map, 4 x side x side bytes. Such a file is read too.

use std::io;

use inspectd_core::maps::MapSize;

use crate::evidence::AnomalyMap;

/// The first bytes of a file. An earlier version would write them only for a first cell of 1.3e10.
const MAGIC: [u8; 4] = *b"IMAP";

/// Length in bytes of what precedes the cells.
const HEADER: usize = 12;

/// Bytes of a cell.
const CELL: usize = size_of::<f32>();

/// Returns the bytes of the file of `map`.
pub(super) fn encode(map: &AnomalyMap) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + map.cells.len() * CELL);
    bytes.extend(MAGIC);
    // A manifest allows at most 4096 cells per side.
    for cells in [map.size.width, map.size.height] {
        bytes.extend((cells as u32).to_le_bytes());
    }
    bytes.extend(map.cells.iter().flat_map(|cell| cell.to_le_bytes()));
    bytes
}

/// Returns the map in the bytes of a file.
///
/// # Errors
/// When the bytes are neither a file of this version nor one of an earlier version.
pub(super) fn decode(bytes: &[u8]) -> io::Result<AnomalyMap> {
    let Some((size, cells)) = with_header(bytes).or_else(|| square(bytes)) else {
        let message = format!(
            "{} bytes are not an anomaly map; must be IMAP, width, height and width x height f32, \
             or side x side f32",
            bytes.len()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    };
    let cells = cells.as_chunks::<CELL>().0.iter();
    Ok(AnomalyMap {
        cells: cells.map(|cell| f32::from_le_bytes(*cell)).collect(),
        size,
    })
}

/// Returns the size and the cells of a file of this version; `None` if it is not one.
fn with_header(bytes: &[u8]) -> Option<(MapSize, &[u8])> {
    let (header, cells) = bytes.split_first_chunk::<HEADER>()?;
    let (fields, _) = header.as_chunks::<4>();
    let [width, height] = [fields[1], fields[2]].map(|field| u32::from_le_bytes(field) as usize);
    let expected = width.checked_mul(height)?.checked_mul(CELL)?;
    let valid = fields[0] == MAGIC && expected > 0 && cells.len() == expected;
    valid.then_some((MapSize { width, height }, cells))
}

/// Returns the size and the cells of a square map without a header; `None` if it is not one, or if it begins
/// as a file of this version, of which the end is missing.
fn square(bytes: &[u8]) -> Option<(MapSize, &[u8])> {
    let side = (bytes.len() / CELL).isqrt();
    let valid = side > 0 && side * side * CELL == bytes.len() && !bytes.starts_with(&MAGIC);
    valid.then_some((MapSize::square(side), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3 x 2 cells. The file has 36 bytes, as many as a square map of 3 x 3 cells without a header.
    fn map() -> AnomalyMap {
        AnomalyMap {
            cells: vec![0.5, -1.0, 0.0, 2.0, 1e-3, f32::MAX],
            size: MapSize {
                width: 3,
                height: 2,
            },
        }
    }

    fn refused(bytes: &[u8]) {
        let error = decode(bytes).expect_err("not a map");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        for allowed in ["IMAP, width, height", "or side x side f32"] {
            assert!(error.to_string().contains(allowed), "{error}");
        }
    }

    #[test]
    fn map_that_is_not_square_survives_writing_and_reading() {
        let bytes = encode(&map());
        assert_eq!(bytes.len(), 36);
        assert_eq!(bytes[..12], *b"IMAP\x03\0\0\0\x02\0\0\0");
        let read = decode(&bytes).expect("a map");
        assert_eq!(read.size, map().size);
        assert_eq!(read.cells, map().cells);
    }

    #[test]
    fn square_map_of_an_earlier_version_is_read() {
        let cells: Vec<f32> = (0..9u8).map(f32::from).collect();
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_le_bytes()).collect();
        let read = decode(&bytes).expect("a map");
        assert_eq!(read.size, MapSize::square(3));
        assert_eq!(read.cells, cells);
    }

    #[test]
    fn truncated_or_empty_file_is_refused() {
        let bytes = encode(&map());
        refused(&[]);
        refused(&bytes[..35]);
        refused(&bytes[..32]);
        refused(&bytes[..16]);
        refused(&bytes[..12]);
        refused(&bytes[..5]);
        refused(&[&bytes[..], &[0; 4]].concat());
    }

    #[test]
    fn size_that_the_cells_do_not_have_is_refused() {
        let mut bytes = encode(&map());
        bytes.truncate(32);
        for (width, height) in [(4u32, 2u32), (0, 0), (u32::MAX, u32::MAX)] {
            bytes[4..8].copy_from_slice(&width.to_le_bytes());
            bytes[8..12].copy_from_slice(&height.to_le_bytes());
            refused(&bytes);
        }
    }
}
