//! The mask of an image: each anomaly in its colour on a white background, and the list of what was found.

use inspectd_core::decision::AnomalyKind;
use inspectd_core::frame::CHANNELS;
use inspectd_core::verdict::{AnomalyClass, JudgedMaps, Judgement, Segmentation};

use super::bitmap::ImageSize;
use super::proto::{Anomaly, PixelAnomaly};

/// A colour: red, green, blue.
type Colour = [u8; CHANNELS];

const BACKGROUND_NAME: &str = "background";
const STRUCTURAL_NAME: &str = "structural";
const LOGICAL_NAME: &str = "logical";

const WHITE: Colour = [255; CHANNELS];
const STRUCTURAL_COLOUR: Colour = [255, 0, 0];
const LOGICAL_COLOUR: Colour = [0, 0, 255];

/// Hues of regions are this far apart: the golden ratio spreads any number of them.
const HUE_STEP: f64 = 0.618_033_988_749_895;

/// What was found in an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mask {
    /// RGB pixels of the size of the image.
    pub(super) rgb: Vec<u8>,
    /// The background, then each class of anomalies.
    pub(super) anomalies: Vec<Anomaly>,
}

impl Mask {
    /// Draws the mask of a judged image.
    pub(super) fn draw(maps: &JudgedMaps, judgement: &Judgement, size: ImageSize) -> Self {
        Self::of(&maps.segment(judgement), size)
    }

    fn of(found: &Segmentation, size: ImageSize) -> Self {
        let mut rgb = vec![WHITE[0]; size.bytes() as usize];
        let colours: Vec<Colour> = found.classes.iter().map(colour).collect();
        for run in &found.runs {
            let pixel =
                |column: u32| (run.row as usize * size.width as usize + column as usize) * CHANNELS;
            let pixels = &mut rgb[pixel(run.from)..pixel(run.to)];
            for pixel in pixels.as_chunks_mut::<CHANNELS>().0 {
                *pixel = colours[run.class];
            }
        }
        let all = u64::from(size.width) * u64::from(size.height);
        let pixels = found.pixels();
        let background = all - pixels.iter().sum::<u64>();
        let anomaly = |name: String, pixels: u64, colour: Colour| Anomaly {
            name,
            pixel_anomaly: Some(PixelAnomaly {
                total_percentage_area: (pixels as f64 / all as f64) as f32,
                hex_color: hex(colour),
            }),
        };
        let classes = found.classes.iter().zip(pixels).zip(colours);
        let classes = classes.map(|((class, pixels), colour)| anomaly(name(class), pixels, colour));
        Self {
            anomalies: [anomaly(BACKGROUND_NAME.to_owned(), background, WHITE)]
                .into_iter()
                .chain(classes)
                .collect(),
            rgb,
        }
    }
}

/// The name of a class. A region whose name has another meaning here gets a prefix that no region can have.
fn name(class: &AnomalyClass) -> String {
    match class {
        AnomalyClass::Branch(AnomalyKind::Structural) => STRUCTURAL_NAME.to_owned(),
        AnomalyClass::Branch(AnomalyKind::Logical) => LOGICAL_NAME.to_owned(),
        AnomalyClass::Region { name, .. } => match name.as_ref() {
            BACKGROUND_NAME | STRUCTURAL_NAME | LOGICAL_NAME => format!("region:{name}"),
            _ => name.to_string(),
        },
    }
}

/// The colour of a class: for a region of a recipe, always the same.
fn colour(class: &AnomalyClass) -> Colour {
    match class {
        AnomalyClass::Branch(AnomalyKind::Structural) => STRUCTURAL_COLOUR,
        AnomalyClass::Branch(AnomalyKind::Logical) => LOGICAL_COLOUR,
        AnomalyClass::Region { index, .. } => {
            // A third of a turn from red.
            let hue = (1.0 / 3.0 + *index as f64 * HUE_STEP).fract();
            of_hue(hue, 0.8)
        }
    }
}

/// A saturated colour of this hue, 0 to 1, and brightness.
fn of_hue(hue: f64, brightness: f64) -> Colour {
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|channel: f64| {
        let distance = (hue - channel).abs();
        let distance = distance.min(1.0 - distance);
        ((2.0 - 6.0 * distance).clamp(0.0, 1.0) * brightness * 255.0).round() as u8
    })
}

/// `#RRGGBB`.
fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use inspectd_core::verdict::PixelRun;
    use proptest::prelude::*;

    use super::*;
    use crate::recipe::MOST_POLYGONS;

    const SIZE: ImageSize = ImageSize {
        width: 4,
        height: 2,
    };

    fn region(index: usize, name: &str) -> AnomalyClass {
        AnomalyClass::Region {
            index,
            name: name.into(),
        }
    }

    fn run(row: u32, from: u32, to: u32, class: usize) -> PixelRun {
        PixelRun {
            row,
            from,
            to,
            class,
        }
    }

    fn listed(mask: &Mask) -> Vec<(&str, f32, &str)> {
        let anomalies = mask.anomalies.iter();
        let listed = anomalies.map(|anomaly| {
            let pixels = anomaly.pixel_anomaly.as_ref().expect("pixels");
            let area = pixels.total_percentage_area;
            (anomaly.name.as_str(), area, pixels.hex_color.as_str())
        });
        listed.collect()
    }

    #[test]
    fn mask_without_anomalies_is_white_background() {
        let mask = Mask::of(&Segmentation::default(), SIZE);
        assert_eq!(mask.rgb, vec![255; 24]);
        assert_eq!(listed(&mask), [("background", 1.0, "#FFFFFF")]);
    }

    #[test]
    fn each_class_has_its_colour_and_its_share_of_the_image() {
        let found = Segmentation {
            classes: vec![
                AnomalyClass::Branch(AnomalyKind::Structural),
                AnomalyClass::Branch(AnomalyKind::Logical),
                region(0, "pins"),
            ],
            runs: vec![run(0, 1, 3, 0), run(1, 0, 1, 1)],
        };
        let mask = Mask::of(&found, SIZE);
        let [white, red, blue] = [[255; 3], [255, 0, 0], [0, 0, 255]];
        let expected = [white, red, red, white, blue, white, white, white];
        assert_eq!(mask.rgb, expected.concat());
        assert_eq!(
            listed(&mask),
            [
                ("background", 0.625, "#FFFFFF"),
                ("structural", 0.25, "#FF0000"),
                ("logical", 0.125, "#0000FF"),
                ("pins", 0.0, "#00CC00"),
            ]
        );
    }

    #[test]
    fn regions_have_names_of_their_own() {
        for (own, expected) in [
            ("pins", "pins"),
            ("background", "region:background"),
            ("structural", "region:structural"),
            ("logical", "region:logical"),
        ] {
            assert_eq!(name(&region(0, own)), expected);
        }
    }

    #[test]
    fn colours_of_all_classes_differ() {
        let branches = [AnomalyKind::Structural, AnomalyKind::Logical].map(AnomalyClass::Branch);
        let regions = (0..MOST_POLYGONS).map(|index| region(index, "r"));
        let classes = branches.into_iter().chain(regions);
        let colours: BTreeSet<Colour> =
            classes.map(|class| colour(&class)).chain([WHITE]).collect();
        assert_eq!(colours.len(), MOST_POLYGONS + 3);
    }

    proptest! {
        #[test]
        fn shares_are_those_of_the_colours_in_the_mask(
            pixels in prop::collection::vec(0usize..4, 64 * 64),
        ) {
            let size = ImageSize { width: 64, height: 64 };
            let classes: Vec<_> = (0..3).map(|index| region(index, &format!("r{index}"))).collect();
            let runs = pixels.iter().enumerate().filter(|(_, class)| **class > 0);
            let runs = runs.map(|(at, class)| {
                let (row, column) = (at as u32 / 64, at as u32 % 64);
                run(row, column, column + 1, class - 1)
            });
            let found = Segmentation { classes, runs: runs.collect() };
            let mask = Mask::of(&found, size);
            let mut sum = 0.0;
            for (_, share, colour) in listed(&mask) {
                let painted = mask.rgb.as_chunks::<3>().0.iter().filter(|rgb| hex(**rgb) == colour);
                let expected = painted.count() as f32 / 4096.0;
                prop_assert!((share - expected).abs() < 1e-6);
                sum += share;
            }
            prop_assert!((sum - 1.0).abs() < 1e-5);
        }
    }
}
