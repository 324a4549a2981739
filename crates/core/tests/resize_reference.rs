//! Compares the resize with Pillow's, with which the published results were made.

use std::path::Path;

use inspectd_core::frame::Frame;
use inspectd_core::preprocess::{Crop, resize};
use inspectd_test_support::{external_data, reference_data, require};
use safetensors::SafeTensors;

fn frame(path: &Path) -> Frame {
    let image = image::open(path).expect("a readable PNG").into_rgb8();
    Frame::new(image.width(), image.height(), image.into_raw()).expect("an image with an area")
}

/// Parses `NAME@WxH` or `NAME@cropL,T,R,B@WxH`.
fn parse(key: &str) -> (&str, Option<Crop>, u32, u32) {
    let parts: Vec<&str> = key.split('@').collect();
    let (width, height) = parts[parts.len() - 1].split_once('x').expect("WxH");
    let crop = (parts.len() == 3).then(|| {
        let sides: Vec<u32> = parts[1]
            .trim_start_matches("crop")
            .split(',')
            .map(|side| side.trim().parse().expect("a pixel"))
            .collect();
        let [left, top, right, bottom] = sides[..] else {
            panic!("{key}: a crop has four sides");
        };
        Crop {
            left,
            top,
            right,
            bottom,
        }
    });
    let size = |side: &str| side.parse().expect("a size in pixels");
    (parts[0], crop, size(width), size(height))
}

/// Compares the resize of `images`/NAME.png with every tensor of the file; returns their number.
fn compare(reference: &Path, images: &Path) -> usize {
    let bytes = std::fs::read(reference).expect("readable");
    let tensors = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    for (key, expected) in tensors.tensors() {
        let (name, crop, width, height) = parse(&key);
        let source = frame(&images.join(format!("{name}.png")));
        let resized = resize(&source, crop, width, height).expect("the crop fits");
        assert_eq!(resized.rgb().len(), expected.data().len(), "{key}");
        let largest = resized
            .rgb()
            .iter()
            .zip(expected.data())
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(largest <= Some(1), "{key}: differs by {largest:?} levels");
    }
    tensors.len()
}

#[test]
fn artificial_images_agree_with_pillow_to_one_grey_level() {
    let folder = reference_data("resize-reference");
    assert_eq!(compare(&folder.join("resized.safetensors"), &folder), 22);
}

#[test]
fn photographs_agree_with_pillow_to_one_grey_level() {
    let reference = require!(external_data("resize-reference/bottle.safetensors"));
    let images = require!(external_data("mvtec_ad/bottle"));
    assert!(compare(&reference, &images) > 0);
}
