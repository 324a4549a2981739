//! Compares the resize with Pillow's, with which the published results were made.

use std::path::{Path, PathBuf};

use inspectd_core::frame::Frame;
use inspectd_core::preprocess::{Crop, resize};
use safetensors::SafeTensors;

fn shared_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data")
}

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

#[test]
fn resize_agrees_with_pillow_to_one_grey_level() {
    let reference = shared_data().join("resize-reference/bottle.safetensors");
    let images = shared_data().join("mvtec_ad/bottle");
    if !reference.exists() || !images.exists() {
        println!(
            "skipped: {} or {} does not exist",
            reference.display(),
            images.display()
        );
        return;
    }
    let bytes = std::fs::read(&reference).expect("readable");
    let tensors = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let mut compared = 0;
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
        compared += 1;
    }
    assert!(compared > 0, "the reference contains no image");
}
