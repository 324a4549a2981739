//! Colours of figures by purpose. A page may replace them in dark mode.

/// Distinguishable with colour vision deficiencies (after Okabe and Ito), dark enough on white.
pub(crate) const PALETTE: [[u8; 3]; 5] = [
    [0, 98, 167],
    [213, 94, 0],
    [0, 142, 105],
    [170, 85, 150],
    [90, 90, 90],
];

/// A colour by its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Titles and names.
    Ink,
    /// Labels of the axes.
    Label,
    /// The axes.
    Frame,
    /// Grid lines with a label.
    Grid,
    /// Grid lines without a label.
    FineGrid,
    /// Data series by index; the palette repeats.
    Series(usize),
}

impl Colour {
    /// Red, green and blue on a white background.
    pub(super) fn rgb(self) -> [u8; 3] {
        match self {
            Self::Ink => [33, 37, 41],
            Self::Label => [90, 98, 107],
            Self::Frame => [160, 168, 176],
            Self::Grid => [222, 226, 230],
            Self::FineGrid => [241, 243, 245],
            Self::Series(number) => PALETTE[number % PALETTE.len()],
        }
    }

    /// CSS class of SVG shapes with this colour.
    pub(super) fn class(self) -> String {
        match self {
            Self::Ink => "ink".to_owned(),
            Self::Label => "label".to_owned(),
            Self::Frame => "frame".to_owned(),
            Self::Grid => "grid".to_owned(),
            Self::FineGrid => "fine".to_owned(),
            Self::Series(number) => format!("s{}", number % PALETTE.len()),
        }
    }
}
