//! Layer lists of MHKD (section III of the paper) and of `EfficientAD` (its section 3 and appendix).
//!
//! The shapes in the comments are those of the medium preset at 256x256.

use super::layer::Layer::{AvgPool, Dropout, MaxPool, Reflect, Relu};
use super::layer::{Layer, Layers, bicubic, bilinear, conv, strided};

/// Channel widths of the networks. All networks share the number of feature channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// `SEncoder1`: outputs of convolutions 1 to 4.
    pub encoder1: [i64; 4],
    /// `SEncoder2`; the last one is also the input width of `LDecoder` and `GDecoder`.
    pub encoder2: [i64; 2],
    /// `LDecoder`: outputs of the first two convolutions.
    pub structural: [i64; 2],
    /// `GDecoder`: the bottleneck and the convolutions at 1/16, 1/8 and 1/2 of the feature side.
    pub bottleneck: i64,
    /// `GDecoder`: the first two convolutions at the full feature side.
    pub logical: [i64; 2],
    /// Channels of `f_t`, `f_l`, `f_s` and `f_g`.
    pub features: i64,
}

/// Teacher PDN-M: `[3, 256, 256] -> f_t [384, 64, 64]`. Some public checkpoints were trained without
/// padding. Such a teacher gets a reflected border instead of zeros, so that `f_t` keeps its shape.
pub fn teacher_medium(padded: bool) -> Layers {
    let (three, one) = padding(padded);
    border(
        padded,
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
pub fn teacher_small(padded: bool, widths: [i64; 3], features: i64) -> Layers {
    let (three, one) = padding(padded);
    let [first, second, third] = widths;
    border(
        padded,
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

/// Padding of a teacher: of its 4x4 kernels, and of its pools and 3x3 kernels.
fn padding(padded: bool) -> (i64, i64) {
    if padded { (3, 1) } else { (0, 0) }
}

/// Adds reflection padding to a PDN without padding. Such a PDN loses 29 pixels before its strides:
/// `4 n + 29` pixels give `n` features, each with a receptive field of 33 pixels around the centre of its
/// 4x4 cell.
fn border(padded: bool, layers: Layers) -> Layers {
    if padded {
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
/// input channels, `side` the side of the features (64 at 256x256).
pub fn structural_decoder(widths: &Widths, input: i64, side: i64) -> Layers {
    let [first, second] = widths.structural;
    vec![
        bicubic(side / 2),        // [512, 32, 32]
        conv(input, first, 4, 2), // [512, 33, 33]
        Relu,
        Dropout,
        bicubic(side),             // [512, 64, 64]
        conv(first, second, 3, 1), // [512, 64, 64]
        Relu,
        conv(second, widths.features, 1, 0), // [384, 64, 64]
        Relu,
        conv(widths.features, widths.features, 1, 0),
    ]
}

/// `GDecoder`: `f_h [512, 16, 16] -> f_g [384, 64, 64]`, the logical branch with the 64-dimensional
/// bottleneck `f_g'`. `input` and `side` are as in [`structural_decoder`]. The bottleneck's kernel covers
/// all of `f_h`; the first three upsampling steps go to 1/16, 1/8 and 1/2 of the side, as in the paper.
pub fn logical_decoder(widths: &Widths, input: i64, side: i64) -> Layers {
    let neck = widths.bottleneck;
    let [first, second] = widths.logical;
    let mut layers = vec![conv(input, neck, side / 4, 0)]; // f_g' [64, 1, 1]
    let steps = [
        (side / 16, neck),
        (side / 8, neck),
        (side / 2, neck),
        (side, first),
    ];
    for (side, output) in steps {
        layers.extend([bicubic(side), conv(neck, output, 3, 1), Relu, Dropout]);
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

/// Student of `EfficientAD`: the teacher's layers with twice the channels, from the convolution that first
/// outputs `features` channels. One half learns from the teacher, the other from the autoencoder.
pub fn doubled_features(teacher: &Layers, features: i64) -> Layers {
    let last_kernels = teacher.iter().rposition(
        |layer| matches!(layer, Layer::Conv { kernel, output, .. } if *kernel > 1 && *output == features),
    );
    let first = last_kernels.expect("a teacher's features come from a 4x4 convolution");
    let mut layers = teacher.clone();
    for (index, layer) in layers.iter_mut().enumerate().skip(first) {
        if let Layer::Conv { input, output, .. } = layer {
            *output *= 2;
            *input *= if index > first { 2 } else { 1 };
        }
    }
    layers
}

/// Autoencoder of `EfficientAD`: `[3, 256, 256] -> [64, 1, 1] -> [features, 64, 64]`. `side` is the side of
/// the image.
pub fn autoencoder(side: i64, features: i64) -> Layers {
    let mut layers = Vec::new();
    for (input, output) in [(3, 32), (32, 32), (32, 64), (64, 64), (64, 64)] {
        layers.extend([strided(input, output, 4, 2, 1), Relu]); // [64, 8, 8] after the last
    }
    layers.push(conv(64, 64, side / 32, 0)); // [64, 1, 1]
    let steps = [
        (side / 64 - 1).max(1),
        side / 32,
        side / 16 - 1,
        side / 8,
        side / 4 - 1,
        side / 2 - 1,
    ];
    for side in steps {
        layers.extend([bilinear(side), conv(64, 64, 4, 2), Relu, Dropout]);
    }
    layers.extend([
        bilinear(side / 4), // [64, 64, 64]
        conv(64, 64, 3, 1),
        Relu,
        conv(64, features, 3, 1),
    ]);
    layers
}
