//! Layer lists of MHKD (section III of the paper) and of `EfficientAD` (its section 3 and appendix).
//!
//! The shapes in the comments are those of the medium preset at 256x256.

use super::layer::Layer::{AvgPool, Dropout, MaxPool, Reflect, Relu};
use super::layer::{Layer, Layers, Sides, bicubic, bilinear, conv, strided, whole};

/// Channel widths of the networks. All networks share the number of feature channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// `SEncoder1`: outputs of convolutions 1 to 4.
    pub encoder1: [i64; 4],
    /// `SEncoder2`; the last one is also the input width of `LDecoder` and `GDecoder`.
    pub encoder2: [i64; 2],
    /// `LDecoder`: outputs of the first two convolutions.
    pub structural: [i64; 2],
    /// `GDecoder`: the bottleneck and the convolutions below the full feature side.
    pub bottleneck: i64,
    /// `GDecoder`: the first two convolutions at the full feature side.
    pub logical: [i64; 2],
    /// Channels of `f_t`, `f_l`, `f_s` and `f_g`.
    pub features: i64,
}

/// Border of a PDN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Zeros around the input of every convolution and pool, as in the paper.
    Zeros,
    /// For a PDN that was trained without padding: the image is reflected once, so that `f_t` keeps its shape.
    Reflected,
    /// None, as in the published `EfficientAD`: the features have [`LOST_CELLS`] cells fewer on each side.
    None,
}

/// Cells on each side of the grid for which a PDN without padding has no features.
pub const LOST_CELLS: i64 = 4;

/// Teacher PDN-M: `[3, 256, 256] -> f_t [384, 64, 64]`.
pub fn teacher_medium(padding: Padding) -> Layers {
    let (three, one) = zeros(padding);
    border(
        padding,
        vec![
            conv(3, 256, 4, three), // [256, 259, 259]
            Relu,
            AvgPool { padding: one }, // [256, 130, 130]
            conv(256, 512, 4, three), // [512, 133, 133]
            Relu,
            AvgPool { padding: one }, // [512, 67, 67]
            conv(512, 512, 1, 0),
            Relu,
            conv(512, 512, 3, one),
            Relu,
            conv(512, 384, 4, 0), // [384, 64, 64]
            Relu,
            conv(384, 384, 1, 0),
        ],
    )
}

/// Teacher PDN-S: `[3, 256, 256] -> f_t [features, 64, 64]`; the published `widths` are 128, 256 and 256.
pub fn teacher_small(padding: Padding, widths: [i64; 3], features: i64) -> Layers {
    let (three, one) = zeros(padding);
    let [first, second, third] = widths;
    border(
        padding,
        vec![
            conv(3, first, 4, three),
            Relu,
            AvgPool { padding: one },
            conv(first, second, 4, three),
            Relu,
            AvgPool { padding: one },
            conv(second, third, 3, one),
            Relu,
            conv(third, features, 4, 0),
        ],
    )
}

/// Zeros around the inputs of a PDN: of its 4x4 kernels, and of its pools and 3x3 kernels.
fn zeros(padding: Padding) -> (i64, i64) {
    match padding {
        Padding::Zeros => (3, 1),
        Padding::Reflected | Padding::None => (0, 0),
    }
}

/// Adds the reflected border. A PDN without padding loses 29 pixels before its strides: `4 n + 29` pixels give
/// `n` features, each with a receptive field of 33 pixels around the centre of its 4x4 cell.
fn border(padding: Padding, layers: Layers) -> Layers {
    if padding != Padding::Reflected {
        return layers;
    }
    let mirrored = Reflect {
        before: 14,
        after: 15,
    };
    std::iter::once(mirrored).chain(layers).collect()
}

/// `SEncoder1`: `[3, 256, 256] -> f_l [384, 64, 64]`, the low-level features.
pub fn encoder1(widths: &Widths) -> Layers {
    let [first, second, third, fourth] = widths.encoder1;
    vec![
        conv(3, first, 4, 3), // [128, 259, 259]
        Relu,
        MaxPool { padding: 1 },    // [128, 130, 130]
        conv(first, second, 4, 3), // [128, 133, 133]
        Relu,
        conv(second, third, 3, 1), // [256, 133, 133]
        Relu,
        MaxPool { padding: 1 },    // [256, 67, 67]
        conv(third, fourth, 1, 0), // [512, 67, 67]
        Relu,
        conv(fourth, widths.features, 4, 0), // [384, 64, 64]
        Relu,
        conv(widths.features, widths.features, 1, 0),
    ]
}

/// `SEncoder1` for features at stride 8, the grid of a backbone: `[3, 256, 256] -> f_l [features, 32, 32]`.
/// Strides replace the first two convolutions at full resolution, which are most of the paper's operations.
pub fn encoder1_at_stride8(widths: &Widths) -> Layers {
    let [first, second, third, fourth] = widths.encoder1;
    vec![
        strided(3, first, 4, 2, 1), // [first, 128, 128]
        Relu,
        strided(first, second, 4, 2, 1), // [second, 64, 64]
        Relu,
        conv(second, third, 3, 1),
        Relu,
        MaxPool { padding: 0 }, // [third, 32, 32]
        conv(third, fourth, 1, 0),
        Relu,
        conv(fourth, widths.features, 3, 1),
        Relu,
        conv(widths.features, widths.features, 1, 0),
    ]
}

/// `SEncoder2`: `f_l [384, 64, 64] -> f_h [512, 16, 16]`, the high-level features.
pub fn encoder2(widths: &Widths) -> Layers {
    let [first, second] = widths.encoder2;
    vec![
        strided(widths.features, first, 4, 2, 1), // [512, 32, 32]
        Relu,
        strided(first, second, 4, 2, 1), // [512, 16, 16]
        Relu,
    ]
}

/// Replacement for `SEncoder2` without the second encoder: `f_l` average-pooled to the decoders' grid.
pub fn average_pools() -> Layers {
    vec![AvgPool { padding: 0 }, AvgPool { padding: 0 }]
}

/// `LDecoder`: `f_h [512, 16, 16] -> f_s [384, 64, 64]`, the structural branch. `input` is the number of
/// input channels, `sides` are those of the features (64 at 256x256).
pub fn structural_decoder(widths: &Widths, input: i64, sides: Sides) -> Layers {
    let [first, second] = widths.structural;
    vec![
        bicubic(sides.map(|side| side / 2)), // [512, 32, 32]
        conv(input, first, 4, 2),            // [512, 33, 33]
        Relu,
        Dropout,
        bicubic(sides),            // [512, 64, 64]
        conv(first, second, 3, 1), // [512, 64, 64]
        Relu,
        conv(second, widths.features, 1, 0), // [384, 64, 64]
        Relu,
        conv(widths.features, widths.features, 1, 0),
    ]
}

/// `GDecoder`: `f_h [512, 16, 16] -> f_g [384, 64, 64]`, the logical branch with the 64-dimensional
/// bottleneck `f_g'`. `input` and `sides` are as in [`structural_decoder`]; `image` are the sides of the
/// image. The bottleneck's kernel covers all of `f_h`. The first two upsampling steps go to 1/64 and 1/32 of
/// the image, the third to half of the features' sides, as in the paper.
pub fn logical_decoder(widths: &Widths, input: i64, image: Sides, sides: Sides) -> Layers {
    let neck = widths.bottleneck;
    let [first, second] = widths.logical;
    let mut layers = vec![whole(input, neck, sides.map(|side| side / 4))]; // f_g' [64, 1, 1]
    let steps = [
        (image.map(|side| side / 64), neck),
        (image.map(|side| side / 32), neck),
        (sides.map(|side| side / 2), neck),
        (sides, first),
    ];
    for (sides, output) in steps {
        layers.extend([bicubic(sides), conv(neck, output, 3, 1), Relu, Dropout]);
    }
    layers.extend([
        conv(first, second, 3, 1), // [256, 64, 64]
        Relu,
        Dropout,
        conv(second, widths.features, 3, 1), // [384, 64, 64]
        Relu,
        conv(widths.features, widths.features, 3, 1),
    ]);
    layers
}

/// Student of `EfficientAD`: `layers` (those of the teacher) with twice the channels, from the last
/// convolution over several pixels on, which has `features` outputs. One half learns from the teacher, the
/// other from the autoencoder.
///
/// # Panics
/// When no convolution over several pixels has `features` outputs.
pub fn doubled_features(layers: &Layers, features: i64) -> Layers {
    let last_kernels = layers.iter().rposition(
        |layer| matches!(layer, Layer::Conv { kernel, output, .. } if *kernel != [1, 1] && *output == features),
    );
    let first = last_kernels.expect("features come from a convolution over several pixels");
    let mut layers = layers.clone();
    for (index, layer) in layers.iter_mut().enumerate().skip(first) {
        if let Layer::Conv { input, output, .. } = layer {
            *output *= 2;
            *input *= if index > first { 2 } else { 1 };
        }
    }
    layers
}

/// Autoencoder of `EfficientAD`: `[3, 256, 256] -> [64, 1, 1] -> [features, 64, 64]`. `image` are the sides
/// of the image, `sides` those of the features.
pub fn autoencoder(image: Sides, sides: Sides, features: i64) -> Layers {
    let mut layers = Vec::new();
    for (input, output) in [(3, 32), (32, 32), (32, 64), (64, 64), (64, 64)] {
        layers.extend([strided(input, output, 4, 2, 1), Relu]); // [64, 8, 8] after the last
    }
    layers.push(whole(64, 64, image.map(|side| side / 32))); // [64, 1, 1]
    let steps = [
        image.map(|side| (side / 64 - 1).max(1)),
        image.map(|side| side / 32),
        image.map(|side| side / 16 - 1),
        image.map(|side| side / 8),
        image.map(|side| side / 4 - 1),
        image.map(|side| side / 2 - 1),
    ];
    for sides in steps {
        layers.extend([bilinear(sides), conv(64, 64, 4, 2), Relu, Dropout]);
    }
    layers.extend([
        bilinear(sides), // [64, 64, 64]
        conv(64, 64, 3, 1),
        Relu,
        conv(64, features, 3, 1),
    ]);
    layers
}
