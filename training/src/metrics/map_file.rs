//! Anomaly maps as TIFF files, in the format of the official evaluations.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use inspectd_core::image_file::MAX_PIXELS;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::source::AnomalyMap;
use crate::files;

/// PhotometricInterpretation of greyscale images in which zero is white (TIFF 6.0, section 3).
const WHITE_IS_ZERO: u32 = 0;

/// Reads a map: a TIFF file with one greyscale image of floats, of 8, 16 or 32-bit integers, or of 64-bit
/// floats, uncompressed or losslessly compressed. Values are rounded to `f32`.
///
/// # Errors
/// Returns an error that names the file if it is not such a map.
pub fn read_map(path: &Path) -> Result<AnomalyMap> {
    let file = File::open(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    decode(BufReader::new(file)).with_context(|| path.display().to_string())
}

fn decode(file: BufReader<File>) -> Result<AnomalyMap> {
    let mut decoder = Decoder::new(file).map_err(not_a_map)?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = 8 * MAX_PIXELS as usize;
    decoder = decoder.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(not_a_map)?;
    ensure!(
        u64::from(width) * u64::from(height) <= MAX_PIXELS,
        "the map has {width}x{height} pixels; at most {MAX_PIXELS} pixels are supported"
    );
    let found = decoder.colortype().map_err(not_a_map)?;
    ensure!(
        matches!(found, ColorType::Gray(_)),
        "pixel format is {found:?}; a map must have one value per pixel"
    );
    ensure!(
        !decoder.more_images(),
        "the file contains several images; a map file must contain one"
    );
    let meaning: Option<u32> = decoder
        .find_tag_unsigned(Tag::PhotometricInterpretation)
        .map_err(not_a_map)?;
    ensure!(
        meaning != Some(WHITE_IS_ZERO),
        "PhotometricInterpretation is 0 (zero is white); a map must have 1"
    );
    let values = match decoder.read_image().map_err(not_a_map)? {
        DecodingResult::F32(values) => values,
        DecodingResult::F16(values) => values.into_iter().map(half::f16::to_f32).collect(),
        DecodingResult::F64(values) => values.into_iter().map(|value| value as f32).collect(),
        DecodingResult::U8(values) => values.into_iter().map(f32::from).collect(),
        DecodingResult::U16(values) => values.into_iter().map(f32::from).collect(),
        DecodingResult::U32(values) => values.into_iter().map(|value| value as f32).collect(),
        DecodingResult::I8(values) => values.into_iter().map(f32::from).collect(),
        DecodingResult::I16(values) => values.into_iter().map(f32::from).collect(),
        DecodingResult::I32(values) => values.into_iter().map(|value| value as f32).collect(),
        DecodingResult::U64(_) | DecodingResult::I64(_) => {
            bail!("64-bit integers are not supported; use at most 32 bits or floats")
        }
    };
    Ok(AnomalyMap {
        width,
        height,
        values,
    })
}

fn not_a_map(error: TiffError) -> anyhow::Error {
    anyhow::Error::new(error).context("not a readable TIFF file")
}

/// Writes a map of `width` x `height` `values`, rows from the top, as an uncompressed 32-bit float TIFF file,
/// which every reader supports. Missing folders are created, because the official layouts are
/// `MAPS/CATEGORY/test/TYPE/NAME.tiff`.
///
/// # Errors
/// Returns an error that names the file if the number of values is wrong or the file cannot be written.
pub fn write_map(path: &Path, width: u32, height: u32, values: &[f32]) -> Result<()> {
    ensure!(
        !values.is_empty() && values.len() as u64 == u64::from(width) * u64::from(height),
        "{}: {} values do not fit a map of {width}x{height} pixels",
        path.display(),
        values.len()
    );
    files::replace(path, |part| {
        let file = BufWriter::new(File::create(part)?);
        TiffEncoder::new(file)?.write_image::<colortype::Gray32Float>(width, height, values)?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn written_map_is_read_back_unchanged() {
        let home = folder();
        let path = home.path().join("maps/bottle/test/good/000.tiff");
        let values: Vec<f32> = (0..1271_u16)
            .map(|i| (f32::from(i) * 0.37).sin() * 1e-3)
            .chain([f32::MAX, -0.0, f32::MIN_POSITIVE, -7.5])
            .collect();
        write_map(&path, 51, 25, &values).expect("written");
        let map = read_map(&path).expect("read");
        assert_eq!((map.width, map.height), (51, 25));
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&map.values), bits(&values));
        assert!(write_map(&path, 50, 25, &values).is_err());
    }

    /// Formats that tifffile writes in addition to plain 32-bit floats (`tests/fixtures/make_maps.py`).
    #[test]
    fn other_number_formats_and_compressions_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/maps");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).expect("the fixtures exist") {
            let path = entry.expect("listed").path();
            let map = read_map(&path).unwrap_or_else(|error| panic!("{error:#}"));
            let name = path.display();
            assert_eq!((map.width, map.height), (3, 2), "{name}");
            assert_eq!(map.values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "{name}");
            files += 1;
        }
        assert_eq!(files, 9);
    }

    #[test]
    fn invalid_map_files_are_rejected_by_name() {
        let home = folder();
        let check = |name: &str, write: &dyn Fn(&Path), expected: &str| {
            let path = home.path().join(name);
            write(&path);
            let error = format!("{:#}", read_map(&path).expect_err("rejected"));
            assert!(error.contains(name) && error.contains(expected), "{error}");
        };
        check("absent.tiff", &|_| {}, "cannot be read");
        let text = |path: &Path| std::fs::write(path, "not a map").expect("written");
        check("text.tiff", &text, "not a readable TIFF file");
        check(
            "colour.tiff",
            &|path| image::RgbImage::new(4, 4).save(path).expect("written"),
            "one value per pixel",
        );
        check(
            "pages.tiff",
            &|path| {
                let file = File::create(path).expect("created");
                let mut encoder = TiffEncoder::new(file).expect("started");
                for _ in 0..2 {
                    let written = encoder.write_image::<colortype::Gray32Float>(1, 1, &[0.0]);
                    written.expect("written");
                }
            },
            "several images",
        );
        check(
            "short.tiff",
            &|path| {
                write_map(path, 64, 64, &[0.5; 4096]).expect("written");
                let whole = std::fs::read(path).expect("read");
                std::fs::write(path, &whole[..whole.len() / 2]).expect("written");
            },
            "not a readable TIFF file",
        );
    }
}
