//! Decoding of image files as frames and masks.

use std::fs;
use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use inspectd_core::image_file::{ImageError, decode};
use mhkd::dataset::masks::load_masks;

use super::tree::{MVTEC_AD, Tree};

#[test]
fn eight_bit_images_of_every_format_are_decoded_to_rgb() {
    let tree = Tree::new(&[]);
    let colour = RgbImage::from_fn(40, 32, |x, y| Rgb([x as u8 * 3, y as u8 * 5, 7]));
    let grey = image::imageops::grayscale(&colour);
    for extension in ["png", "bmp", "tif"] {
        let path = tree.encoded(&format!("rgb.{extension}"), &colour.clone().into());
        assert_eq!(
            decode(&path).expect("RGB").rgb(),
            colour.as_raw().as_slice(),
            "{extension}"
        );
        let path = tree.encoded(&format!("grey.{extension}"), &grey.clone().into());
        let expected: Vec<u8> = grey.iter().flat_map(|&value| [value; 3]).collect();
        assert_eq!(decode(&path).expect("grey").rgb(), expected, "{extension}");
    }
    let mut alpha = DynamicImage::from(colour.clone()).into_rgba8();
    alpha.pixels_mut().for_each(|pixel| pixel.0[3] = 9);
    let path = tree.encoded("alpha.png", &alpha.into());
    assert_eq!(
        decode(&path).expect("RGBA").rgb(),
        colour.as_raw().as_slice()
    );
    // The format is detected from the content, not from the name.
    let jpeg = tree.root().join("jpeg.png");
    colour
        .save_with_format(&jpeg, ImageFormat::Jpeg)
        .expect("encodable");
    assert_eq!(decode(&jpeg).expect("JPEG").width(), 40);
}

#[test]
fn unsupported_or_damaged_image_is_named_with_the_reason() {
    let tree = Tree::new(&[]);
    let check = |path: &Path, expected: &str| {
        let message = decode(path).map(drop).expect_err("unusable").to_string();
        assert!(
            message.contains(&*path.to_string_lossy()) && message.contains(expected),
            "{message}"
        );
    };
    let deep = DynamicImage::new_luma16(40, 32);
    check(
        &tree.encoded("deep.png", &deep),
        "pixels are L16; must be 8-bit RGB",
    );
    check(
        &tree.encoded("deep.tif", &DynamicImage::new_rgb16(40, 32)),
        "pixels are Rgb16; must be 8-bit RGB",
    );
    check(
        &tree.image("small.png", 40, 31, 0),
        "40x31 pixels; must be at least 32 a side",
    );
    check(
        &tree.file("text.png", b"not a picture"),
        "not an image; must be a PNG, JPEG, TIFF or BMP file",
    );
    check(&tree.file("moving.png", b"GIF89a"), "a Gif file; must be");
    check(&tree.root().join("absent.png"), "cannot be read");
    for name in [
        "truncated.png",
        "truncated.jpg",
        "truncated.tif",
        "truncated.bmp",
    ] {
        let path = tree.image(name, 64, 64, 3);
        let complete = fs::read(&path).expect("just written");
        fs::write(&path, &complete[..complete.len() * 2 / 3]).expect("writable");
        check(&path, "corrupt or truncated");
    }
    // Truncated in the last rows of the image: only the end-of-image marker is missing.
    let path = tree.image("late.jpg", 256, 256, 3);
    let complete = fs::read(&path).expect("just written");
    fs::write(&path, &complete[..complete.len() - 300]).expect("writable");
    check(&path, "corrupt or truncated");
    let path = tree.image("damaged.png", 64, 64, 3);
    let mut bytes = fs::read(&path).expect("just written");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&path, bytes).expect("writable");
    check(&path, "corrupt or truncated");
}

#[test]
fn image_header_with_too_many_pixels_is_rejected_before_decoding() {
    let tree = Tree::new(&[]);
    // Only a BMP header, for 20000 x 20000 pixels of 24 bits.
    let mut header = b"BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00".to_vec();
    header.extend(20_000_i32.to_le_bytes());
    header.extend(20_000_i32.to_le_bytes());
    header.extend([1, 0, 24, 0]);
    header.extend([0; 24]);
    let path = tree.file("huge.bmp", &header);
    assert!(matches!(
        decode(&path),
        Err(ImageError::Size {
            width: 20_000,
            height: 20_000,
            ..
        })
    ));
}

#[test]
fn mask_with_a_different_size_than_its_image_is_rejected() {
    let tree = Tree::new(&MVTEC_AD);
    let mut mask = image::GrayImage::new(40, 32);
    mask.put_pixel(3, 2, image::Luma([5]));
    tree.encoded("nut/ground_truth/bent/000_mask.png", &mask.into());
    let dataset = tree.open(None);
    let masks = load_masks(&dataset.test[0], (40, 32)).expect("equal sizes");
    assert_eq!((masks[0].width, masks[0].height), (40, 32));
    assert_eq!(
        masks[0].values.iter().position(|&value| value == 5),
        Some(2 * 40 + 3)
    );
    let message = load_masks(&dataset.test[0], (40, 33))
        .expect_err("different sizes")
        .to_string();
    assert!(
        message.contains("000_mask.png: mask is 40x32 pixels; must be 40x33 like its image"),
        "{message}"
    );
}
