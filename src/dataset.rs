//! Labelled verdicts as a dataset in the layout of MVTec AD (Bergmann et al., 2019): where the picture of each verdict
//! belongs, and the mask of its outlines. No IO.

use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_core::polygon::Polygon;

use crate::journal::{Label, LabelKind};

/// Folder of defects without a class.
const NO_CLASS: &str = "defect";

/// Pixels of a defect in a mask.
const DEFECT: u8 = 255;

/// Where a verdict belongs in the dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetPlace {
    /// Folder of its picture: `train/good`, `test/good` or `test/CLASS`.
    pub folder: String,
    /// Folder of its mask; none for a good part.
    pub masks: Option<String>,
}

impl DatasetPlace {
    /// The place of a labelled verdict; none if the label is unsure. Every `test_every`th sequence of good parts is a
    /// test image, so that a verdict stays where it is in later exports.
    pub fn of(sequence: u64, label: &Label, test_every: u64) -> Option<Self> {
        match label.kind {
            LabelKind::Unsure => None,
            LabelKind::Good => {
                let test = spread(sequence).is_multiple_of(test_every);
                let folder = if test { "test/good" } else { "train/good" };
                Some(Self {
                    folder: folder.to_owned(),
                    masks: None,
                })
            }
            LabelKind::Defective => {
                let class = class_folder(&label.defect_class);
                Some(Self {
                    folder: format!("test/{class}"),
                    masks: Some(format!("ground_truth/{class}")),
                })
            }
        }
    }

    /// Path of the picture of a verdict.
    pub fn picture(&self, sequence: u64, extension: &str) -> String {
        format!("{}/{sequence:09}.{extension}", self.folder)
    }

    /// Path of the mask of a verdict; none for a good part.
    pub fn mask(&self, sequence: u64) -> Option<String> {
        let masks = self.masks.as_ref()?;
        Some(format!("{masks}/{sequence:09}_mask.png"))
    }
}

/// Spreads successive sequences over all numbers: a line may alternate between kinds of parts.
fn spread(sequence: u64) -> u64 {
    // The multiplier of Knuth's multiplicative hash, 2^64 divided by the golden ratio.
    sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// The name of the folder of a class: letters, digits, `-` and `_`.
fn class_folder(class: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_".contains(letter);
    let class = class.to_lowercase();
    let name: String = class
        .chars()
        .map(|letter| if plain(letter) { letter } else { '_' })
        .collect();
    match name.trim_matches('_') {
        "" | "good" => NO_CLASS.to_owned(),
        name => name.to_owned(),
    }
}

/// The mask of outlines: white inside of any of them, black elsewhere. A pixel belongs to an outline that contains its
/// centre.
///
/// # Panics
/// Never: the pixels have the size of the frame.
pub fn mask(outlines: &[Polygon], width: u32, height: u32) -> Frame {
    let (columns, rows) = (width as usize, height as usize);
    let mut rgb = vec![0; columns * rows * CHANNELS];
    let mut crossings = Vec::new();
    for (row, line) in rgb.chunks_exact_mut(columns * CHANNELS).enumerate() {
        let y = (row as f64 + 0.5) / rows as f64;
        for outline in outlines {
            outline.crossings(y, &mut crossings);
            for pair in crossings.as_chunks::<2>().0 {
                let column = |x: f64| (x * columns as f64 - 0.5).ceil().max(0.0) as usize;
                let (from, to) = (column(pair[0]), column(pair[1]).min(columns));
                if from < to {
                    line[from * CHANNELS..to * CHANNELS].fill(DEFECT);
                }
            }
        }
    }
    Frame::new(width, height, rgb).expect("three bytes for each pixel")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn label(kind: LabelKind, class: &str) -> Label {
        Label {
            kind,
            defect_class: class.to_owned(),
            outlines: Vec::new(),
            author: "anna".to_owned(),
            time: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn place_follows_from_the_label_and_the_sequence() {
        let place = |kind, class| DatasetPlace::of(7, &label(kind, class), 5);
        assert_eq!(place(LabelKind::Unsure, ""), None);
        for (class, folder) in [
            ("scratch", "scratch"),
            ("Bent pin", "bent_pin"),
            ("../../etc", "etc"),
            ("", "defect"),
            ("good", "defect"),
            ("ä/ö", "ä_ö"),
        ] {
            let place = place(LabelKind::Defective, class).expect("a place");
            assert_eq!(
                place.picture(7, "jpg"),
                format!("test/{folder}/000000007.jpg")
            );
            let mask = format!("ground_truth/{folder}/000000007_mask.png");
            assert_eq!(place.mask(7), Some(mask));
        }
    }

    #[test]
    fn about_one_of_five_good_parts_is_a_test_image() {
        for step in [1, 2, 5, 8] {
            let folders = (1..=1000).map(|index| {
                let place = DatasetPlace::of(index * step, &label(LabelKind::Good, ""), 5);
                place.expect("a place").folder
            });
            let tests = folders.filter(|folder| folder == "test/good").count();
            assert!((150..250).contains(&tests), "{step}: {tests}");
        }
    }

    #[test]
    fn mask_is_white_where_an_outline_contains_the_centre_of_a_pixel() {
        let polygon = |corners: &[[f64; 2]]| Polygon::try_new(corners.to_vec()).expect("a polygon");
        let outlines = [
            polygon(&[[0.25, 0.0], [0.75, 0.0], [0.75, 0.5], [0.25, 0.5]]),
            polygon(&[[0.0, 0.5], [1.0, 1.0], [0.0, 1.0]]),
        ];
        let mask = mask(&outlines, 4, 4);
        let row = |y: usize| -> Vec<u8> {
            let row = &mask.rgb()[y * 12..(y + 1) * 12];
            row.iter().step_by(3).map(|value| value / 255).collect()
        };
        assert_eq!(row(0), [0, 1, 1, 0]);
        assert_eq!(row(1), [0, 1, 1, 0]);
        assert_eq!(row(2), [1, 0, 0, 0]);
        assert_eq!(row(3), [1, 1, 1, 0]);
        assert!(mask.rgb().iter().all(|value| [0, 255].contains(value)));
    }
}
