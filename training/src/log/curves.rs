//! `curves.png`: the losses of a run over its steps, for a person.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use anyhow::{Context, Result};
use image::ImageFormat;

use super::chart::{Curve, draw};
use crate::figure::Colour;

/// The window of the smooth line is this part of a series.
const SMOOTH_PART: usize = 40;

/// One line of the chart.
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// Step and value, by rising steps. Values that a logarithm cannot show (zero, not finite) are left out.
    pub points: Vec<(u64, f32)>,
}

/// Draws `series` over steps to a PNG at `path`: logarithmic losses, each series faint as measured and
/// strong as a moving mean.
///
/// # Errors
/// The file cannot be written.
pub fn curves_png(path: &Path, series: &[Series], title: &str) -> Result<()> {
    let image = draw(&curves(series), title);
    let mut png = Cursor::new(Vec::new());
    image
        .write_to(&mut png, ImageFormat::Png)
        .context("cannot encode the curves")?;
    // Whoever looks at the file while the run goes on sees the old curves or the new.
    let temporary = path.with_extension("png.part");
    fs::write(&temporary, png.into_inner())
        .with_context(|| format!("cannot write {}", temporary.display()))?;
    fs::rename(&temporary, path).with_context(|| format!("cannot replace {}", path.display()))
}

fn curves(series: &[Series]) -> Vec<Curve<'_>> {
    series
        .iter()
        .enumerate()
        .map(|(number, one)| Curve::new(one, Colour::Series(number)))
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

/// The mean around each point. At the beginning, where losses fall steeply, the window is cut on both
/// sides alike, so that the line stays on the curve; at the end only on one, so that it stays smooth.
fn moving_mean(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let radius = points.len() / (2 * SMOOTH_PART);
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
    fn curves_are_a_png_of_the_size_with_every_colour() {
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
    fn values_that_have_no_logarithm_are_left_out() {
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
    fn no_points_and_no_series_are_drawn_as_an_empty_chart() {
        for all in [
            vec![],
            vec![series("none", vec![])],
            vec![series("one", vec![(0, 0.5)])],
        ] {
            let pixels = draw(&curves(&all), "empty").into_raw();
            assert!(pixels.iter().any(|byte| *byte < 255), "axes are there");
        }
    }

    #[test]
    fn the_moving_mean_keeps_a_level_and_the_first_point() {
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
