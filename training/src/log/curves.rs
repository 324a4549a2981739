//! `curves.png`: a chart of the losses of a run over its steps.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use anyhow::{Context, Result};
use image::ImageFormat;

use super::chart::{Curve, draw};
use crate::figure::Colour;
use crate::files;

/// The window of the moving mean is the length of a series divided by this number.
const SMOOTHING_WINDOWS: usize = 40;

/// One line of the chart.
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// Steps and values, in ascending order of steps. Values without a logarithm (zero, negative, non-finite)
    /// are omitted.
    pub points: Vec<(u64, f32)>,
}

/// Draws `series` to a PNG at `path`, with a logarithmic scale. Each series has a faint line of the raw values
/// and a strong line of the moving mean.
///
/// # Errors
/// When the file cannot be written.
pub fn curves_png(path: &Path, series: &[Series], title: &str) -> Result<()> {
    let image = draw(&curves(series), title);
    let mut png = Cursor::new(Vec::new());
    image
        .write_to(&mut png, ImageFormat::Png)
        .context("cannot encode the curves")?;
    // A reader of the file during the run sees the old or the new chart.
    files::replace(path, |part| Ok(fs::write(part, png.into_inner())?))
}

fn curves(series: &[Series]) -> Vec<Curve<'_>> {
    series
        .iter()
        .enumerate()
        .map(|(number, series)| Curve::new(series, Colour::Series(number)))
        .collect()
}

impl<'a> Curve<'a> {
    fn new(series: &'a Series, colour: Colour) -> Self {
        let shown: Vec<(f64, f64)> = series
            .points
            .iter()
            .filter(|(_, value)| value.is_finite() && *value > 0.0)
            .map(|&(step, value)| (step as f64, f64::from(value)))
            .collect();
        let logarithms =
            |points: Vec<(f64, f64)>| points.into_iter().map(|(x, y)| (x, y.log10())).collect();
        Self {
            name: &series.name,
            colour,
            smooth: logarithms(moving_mean(&shown)),
            raw: logarithms(shown),
        }
    }
}

/// Moving mean of the points. At the start, where losses decrease steeply, the window is truncated on both
/// sides equally, so that the mean follows the curve. At the end it is truncated on one side, so that the
/// line stays smooth.
fn moving_mean(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let radius = points.len() / (2 * SMOOTHING_WINDOWS);
    let mut sums = vec![0.0];
    for (_, value) in points {
        sums.push(sums[sums.len() - 1] + value);
    }
    let mean = |index: usize| {
        let reach = radius.min(index);
        let (from, to) = (index - reach, (index + reach + 1).min(points.len()));
        (sums[to] - sums[from]) / (to - from) as f64
    };
    points
        .iter()
        .enumerate()
        .map(|(index, &(step, _))| (step, mean(index)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::PALETTE;

    fn series(name: &str, points: Vec<(u64, f32)>) -> Series {
        Series {
            name: name.to_owned(),
            points,
        }
    }

    fn falling(name: &str, from: f32, to: f32) -> Series {
        let points = (0..1600_u16)
            .map(|index| {
                let wave = 1.0
                    + 0.3 * (f32::from(index) * 12.9898).sin() * (f32::from(index) * 4.1414).sin();
                (
                    u64::from(index) * 50,
                    (to + (from - to) * (-f32::from(index) / 150.0).exp()) * wave,
                )
            })
            .collect();
        series(name, points)
    }

    #[test]
    fn png_has_the_expected_size_and_a_colour_for_every_series() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("curves.png");
        let all = [
            falling("structural", 1.2, 0.031),
            falling("logical", 1.5, 0.22),
            falling("self-distillation", 0.9, 0.011),
            falling("total", 4.5, 0.28),
        ];
        curves_png(&path, &all, "screw_bag, medium").expect("drawn");
        let image = image::open(&path).expect("an image").into_rgb8();
        assert_eq!(image.dimensions(), (1200, 700));
        for colour in &PALETTE[..4] {
            let count = image.pixels().filter(|pixel| pixel.0 == *colour).count();
            assert!(count > 500, "{count} pixels of {colour:?}");
        }
        assert!(!path.with_extension("png.part").exists());
    }

    #[test]
    fn values_without_a_logarithm_are_omitted() {
        let points = vec![
            (1, f32::NAN),
            (2, 0.0),
            (3, -1.0),
            (4, f32::INFINITY),
            (5, 0.1),
        ];
        let one = series("x", points);
        assert_eq!(Curve::new(&one, Colour::Series(0)).raw.len(), 1);
    }

    #[test]
    fn empty_series_are_drawn_as_axes_without_curves() {
        for all in [
            vec![],
            vec![series("none", vec![])],
            vec![series("one", vec![(0, 0.5)])],
        ] {
            let pixels = draw(&curves(&all), "empty").into_raw();
            assert!(pixels.iter().any(|byte| *byte < 255), "axes are drawn");
        }
    }

    #[test]
    fn moving_mean_keeps_a_constant_and_the_first_point() {
        let level: Vec<(f64, f64)> = (0..200).map(|step| (f64::from(step), 2.0)).collect();
        assert!(
            moving_mean(&level)
                .iter()
                .all(|(_, value)| (value - 2.0).abs() < 1e-9)
        );
        let falling: Vec<(f64, f64)> = (0..200)
            .map(|step| (f64::from(step), f64::from(200 - step)))
            .collect();
        assert!((moving_mean(&falling)[0].1 - 200.0).abs() < 1e-9);
    }
}
