//! The fuzz targets' functions: one function per kind of input. Each processes untrusted bytes and asserts
//! what must hold for all bytes. The fuzz targets call these functions, and so does `tests/corpora.rs`, which
//! runs without a nightly toolchain.

use std::path::Path;

use inspectd::config;
use inspectd::grpc::image::frame;
use inspectd::recipe;
use inspectd_client::proto::RawImage;
use inspectd_client::proto::inspect_image_request::Image;
use inspectd_core::bundle::{Bundle, sha256};
use inspectd_core::decision::Thresholds;
use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_core::image_file::{MAX_PIXELS, MIN_SIDE, decode_bytes};
use inspectd_core::manifest::Manifest;
use inspectd_core::maps::MapSize;
use inspectd_core::regions::RegionRules;
use inspectd_core::rules::{FrameShape, Rules};
use inspectd_engine::{Engine, EngineOptions};

/// The default of `server.image_side_limit`.
const SIDE_LIMIT: u32 = 8192;

/// Parses a configuration. The input is the file's text, a zero byte, and environment variables as lines
/// `NAME=VALUE` without the prefix. An error reports at least one fault; valid settings are equal each time.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (text, variables) = text.split_once('\0').unwrap_or((text, ""));
    let environment: Vec<_> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (format!("INSPECTD__{name}"), value.to_owned()))
        .collect();
    let parse = || config::parse(Path::new("/etc/inspectd.toml"), text, &environment);
    match parse() {
        Err(error) => assert!(!error.faults.is_empty() && !error.to_string().is_empty()),
        Ok(loaded) => assert_eq!(Ok(loaded), parse()),
    }
}

/// Parses a manifest. A valid manifest is equal after writing and parsing.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let file = Path::new("manifest.toml");
    match Manifest::parse(file, text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(manifest) => assert_eq!(Manifest::parse(file, &manifest.to_toml()), Ok(manifest)),
    }
}

/// Parses a recipe, as [`configuration`], and divides a frame by its regions.
pub fn recipe(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let id = "plate".parse().expect("an id");
    let parse = || recipe::parse(&id, Path::new("/recipes/plate.toml"), text);
    let recipe = match parse() {
        Err(error) => return assert!(!error.to_string().is_empty()),
        Ok(recipe) => recipe,
    };
    let configured = Thresholds {
        reject_above: 0.5,
        review_from: None,
    };
    let listing = RegionRules {
        min_area: 0.0,
        limit: 8,
    };
    let shape = FrameShape {
        map: MapSize {
            width: 8,
            height: 5,
        },
        width: 40,
        height: 33,
    };
    let rules = Rules::new(recipe.plan(None, configured, listing), shape);
    assert!(rules.fits(shape));
    assert_eq!(parse().ok(), Some(recipe));
}

/// Decodes an image. A decoded frame has an allowed size.
pub fn image(bytes: &[u8]) {
    match decode_bytes(Path::new("image"), bytes) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(frame) => check_size(&frame),
    }
}

/// Decodes a raw image. The input is the width, height and stride (two bytes each), the format (one byte), the
/// number of surplus bytes (one signed byte), and pixels, which are repeated to the required length.
pub fn raw_frame(bytes: &[u8]) {
    let Some((header, pixels)) = bytes.split_first_chunk::<8>() else {
        return;
    };
    let [width, height, stride] =
        [0, 2, 4].map(|at| u32::from(u16::from_le_bytes([header[at], header[at + 1]])));
    let [format, surplus] = [header[6], header[7]].map(|byte| i32::from(byte.cast_signed()));
    let row = if stride == 0 { width * 3 } else { stride };
    let needed = i64::from(row) * i64::from(height) + i64::from(surplus);
    // Bounds the memory of the test: longer data would add nothing.
    let data: Vec<u8> = match usize::try_from(needed) {
        Ok(length) if length <= 1 << 20 => pixels.iter().copied().cycle().take(length).collect(),
        _ => pixels.to_vec(),
    };
    let raw = RawImage {
        width,
        height,
        format,
        data,
        stride,
    };
    match frame(Image::Raw(raw), SIDE_LIMIT) {
        Err(status) => assert!(!status.message().is_empty()),
        Ok(frame) => {
            assert_eq!((frame.width(), frame.height()), (width, height));
            check_size(&frame);
        }
    }
}

/// Loads the bytes as the graph of an otherwise valid bundle. The engine either loads the graph, whose inputs
/// and outputs then match the manifest, or returns an error.
pub fn onnx_metadata(bytes: &[u8]) {
    let text = include_str!("../../tests/daemon/testdata/manifest.toml")
        .replace("SHA256", &sha256(bytes))
        .replace("THRESHOLD", "0.5");
    let folder = Path::new("bundle");
    let manifest = Manifest::parse(folder, &text).expect("a valid manifest");
    let bundle = Bundle::new(folder, manifest, vec![bytes.to_vec()])
        .expect("the manifest has the hash of these bytes");
    let options = EngineOptions {
        threads: 1,
        ..EngineOptions::default()
    };
    if let Err(error) = Engine::load(&bundle, &options) {
        assert!(!error.to_string().is_empty());
    }
}

fn check_size(frame: &Frame) {
    let (width, height) = (frame.width(), frame.height());
    let pixels = u64::from(width) * u64::from(height);
    assert!(width.min(height) >= MIN_SIDE && pixels <= MAX_PIXELS);
    assert_eq!(frame.rgb().len() as u64, pixels * CHANNELS as u64);
}
