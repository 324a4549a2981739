//! Size of the network input: the aspect ratio of the photographs, and as many pixels as the line's rate
//! allows.

use std::time::Instant;

use anyhow::{Result, bail};
use inspectd_engine::{Elements, EngineOptions, Session};

use crate::dataset::ImageSize;
use crate::feature_methods::extractor::check_size;

/// Sides are multiples of this.
const STEP: u32 = 32;
/// Limits of a side in pixels.
const SIDES: [u32; 2] = [128, 768];
/// Share of the time per part that the model may take; the rest is for the daemon.
const SHARE: f64 = 0.6;
/// Runs whose median is the time of a size.
const RUNS: usize = 5;

/// Sides of squares whose number of pixels is tried, largest first.
pub const SQUARE_SIDES: [u32; 6] = [512, 448, 384, 320, 256, 192];

/// Returns the size with the aspect ratio of a photograph of `(width, height)` and about `side` x `side`
/// pixels. No side is longer than the photograph's, because the daemon does not enlarge frames, unless the
/// photograph is shorter than the shortest side.
pub fn with_aspect((width, height): (u32, u32), side: u32) -> ImageSize {
    let ratio = (f64::from(width) / f64::from(height)).sqrt();
    let rounded = |length: f64, photo: u32| {
        let steps = (length / f64::from(STEP)).round() as u32;
        let steps = steps.min(photo / STEP);
        (steps * STEP).clamp(SIDES[0], SIDES[1])
    };
    ImageSize {
        width: rounded(f64::from(side) * ratio, width),
        height: rounded(f64::from(side) / ratio, height),
    }
}

/// Median width and height of the photographs.
pub fn typical(sizes: &[(u32, u32)]) -> (u32, u32) {
    let median = |mut values: Vec<u32>| {
        values.sort_unstable();
        values[values.len() / 2]
    };
    (
        median(sizes.iter().map(|size| size.0).collect()),
        median(sizes.iter().map(|size| size.1).collect()),
    )
}

/// Returns the largest of [`SQUARE_SIDES`] not above `limit` at which `fps` images per second leave time for
/// the rest. `milliseconds` measures the time of the model for an image of a size.
///
/// # Errors
/// When even the smallest size is too slow.
pub fn for_rate(
    photo: (u32, u32),
    limit: u32,
    fps: f64,
    milliseconds: impl Fn(ImageSize) -> Result<f64>,
) -> Result<u32> {
    let allowed = SHARE * 1000.0 / fps;
    let mut fastest = f64::INFINITY;
    for side in SQUARE_SIDES.into_iter().filter(|&side| side <= limit) {
        let took = milliseconds(with_aspect(photo, side))?;
        if took <= allowed {
            return Ok(side);
        }
        fastest = fastest.min(took);
    }
    bail!(
        "--fps {fps}: the model takes {fastest:.1} ms for the smallest input on this machine, {allowed:.1} ms are allowed; use a lower rate, --backbone efficientnet_lite0, --method padim or more cores"
    )
}

/// Median time of `graph` for one image of `size`, in milliseconds.
///
/// # Errors
/// When ONNX Runtime cannot run it.
pub fn milliseconds(
    graph: &[u8],
    size: ImageSize,
    output: &str,
    options: &EngineOptions,
) -> Result<f64> {
    let mut session = Session::load(graph, options)?;
    let (width, height) = (i64::from(size.width), i64::from(size.height));
    let pixels = vec![127; (width * height * 3) as usize];
    let mut times = Vec::with_capacity(RUNS + 1);
    for _ in 0..=RUNS {
        let started = Instant::now();
        let _: [_; 1] = session.run(&[1, height, width, 3], Elements::U8(&pixels), [output])?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    // The first run allocates memory.
    times.remove(0);
    times.sort_by(f64::total_cmp);
    Ok(times[RUNS / 2])
}

/// Parses a size, `WIDTHxHEIGHT` or one side of a square.
///
/// # Errors
/// When the text is not a supported size.
pub fn parse(text: &str) -> Result<ImageSize> {
    let (width, height) = text.split_once('x').unwrap_or((text, text));
    let (Ok(width), Ok(height)) = (width.parse(), height.parse()) else {
        bail!("{text}: must be WIDTHxHEIGHT or one side, in pixels");
    };
    check_size(ImageSize { width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_keeps_the_aspect_ratio_and_the_number_of_pixels() {
        let size = |photo, side| {
            let size = with_aspect(photo, side);
            (size.width, size.height)
        };
        assert_eq!(size((1024, 1024), 256), (256, 256));
        assert_eq!(size((1536, 600), 320), (512, 192));
        assert_eq!(size((600, 1536), 320), (192, 512));
        assert_eq!(size((4000, 100), 256), (768, 128));
        assert_eq!(size((280, 280), 280), (256, 256));
    }

    #[test]
    fn sizes_are_parsed_and_checked() {
        assert_eq!(parse("384").expect("a size").width, 384);
        assert_eq!(parse("512x192").expect("a size").height, 192);
        for text in ["", "x", "300", "32", "2048", "256x", "256x250"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
