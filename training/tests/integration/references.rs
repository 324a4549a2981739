//! Our code compared with references that `PyTorch` computed once. Their weights, gradients and images come from
//! one formula, which the `make.py` of each reference has too.

mod adam;
mod efficientad;
mod resnet101;

use tch::Tensor;

/// Values in `[centre - bound, centre + bound)`, row-major: a hash (FNV-1a) of `name`, mixed with the index.
///
/// The hash is exact and every f32 operation is rounded on its own, so all implementations give the same bits.
fn uniform(name: &str, shape: &[i64], centre: f32, bound: f32) -> Tensor {
    let seed = name.bytes().fold(2_166_136_261_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(16_777_619)
    });
    let element = |index: u32| {
        let mut x = seed.wrapping_add(index.wrapping_mul(0x9E37_79B9));
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        x ^= x >> 16;
        let unit = (x >> 8) as f32 / 8_388_608.0 - 1.0;
        unit * bound + centre
    };
    let count = shape.iter().product::<i64>() as u32;
    let values: Vec<f32> = (0..count).map(element).collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// Half the width of the uniform distribution with which a convolution of weight `shape` `[out, in, h, w]`
/// keeps the scale of its input: sqrt(6 / fan in).
fn convolution_bound(shape: &[i64]) -> f32 {
    let fan_in = shape[1..].iter().product::<i64>();
    (6.0 / fan_in as f64).sqrt() as f32
}

#[test]
fn formula_gives_the_values_of_the_scripts() {
    let image = Tensor::from_slice(&[-1.718_792_2_f32, -1.807_927_4, 0.550_873_76, -1.966_176_3]);
    assert_eq!(uniform("image", &[4], 0.0, 2.0), image);
    let norm = Tensor::from_slice(&[0.105_969_81_f32, 0.114_325_024, 0.136_447_55]);
    assert_eq!(uniform("layer1.0.bn3.weight", &[3], 0.1, 0.05), norm);
}
