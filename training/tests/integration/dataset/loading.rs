//! Prefetching of images in the order of the steps.

use std::fs;
use std::sync::Arc;

use mhkd::dataset::ImageSize;
use mhkd::dataset::image_cache::ImageCache;
use mhkd::dataset::loader::{Loader, Prefetch};
use mhkd::dataset::sampler::Sampler;

use super::tree::Tree;

fn image_cache(tree: &Tree, count: u8, cache_bytes: usize) -> Arc<ImageCache> {
    let paths = (0..count)
        .map(|i| tree.image(&format!("{i:02}.png"), 40, 32, i))
        .collect();
    Arc::new(ImageCache::new(paths, ImageSize::square(16), cache_bytes))
}

#[test]
fn loader_order_is_independent_of_workers_and_queue_depth() {
    let tree = Tree::new(&[]);
    let sampler = Sampler::shuffled(5, 7);
    let expected: Vec<usize> = sampler.from_step(3).take(30).collect();
    for workers in [1, 2, 5] {
        for depth in [1, 4] {
            let prefetch = Prefetch { workers, depth };
            let loader = Loader::new(&image_cache(&tree, 7, 0), sampler, 3..33, prefetch);
            let loaded: Vec<_> = loader.map(|image| image.expect("a PNG")).collect();
            let indices: Vec<usize> = loaded.iter().map(|image| image.index).collect();
            assert_eq!(indices, expected, "{workers} workers, depth {depth}");
            assert!(
                loaded
                    .iter()
                    .all(|image| usize::from(image.frame.rgb()[0]) == image.index)
            );
            assert!(
                loaded
                    .iter()
                    .all(|image| image.size == (40, 32) && image.frame.width() == 16)
            );
        }
    }
}

#[test]
fn undecodable_file_is_named_at_its_position_and_loading_continues() {
    let tree = Tree::new(&[]);
    let images = image_cache(&tree, 3, 0);
    fs::write(&images.paths()[1], b"broken").expect("writable");
    let prefetch = Prefetch {
        workers: 2,
        depth: 2,
    };
    let mut loader = Loader::new(&images, Sampler::sequential(3), 0..3, prefetch);
    assert_eq!(loader.next_image().expect("a PNG").index, 0);
    let message = loader.next_image().expect_err("broken").to_string();
    assert!(message.contains("01.png"), "{message}");
    assert_eq!(loader.next_image().expect("a PNG").index, 2);
    let message = loader.next_image().expect_err("finished").to_string();
    assert_eq!(message, "the loader has no more images");
}

#[test]
fn dropping_a_loader_stops_its_threads() {
    let tree = Tree::new(&[]);
    let images = image_cache(&tree, 3, 0);
    let prefetch = Prefetch {
        workers: 4,
        depth: 8,
    };
    let mut loader = Loader::new(&images, Sampler::shuffled(0, 3), 0..u64::MAX, prefetch);
    loader.next_image().expect("a PNG");
    drop(loader);
    // The threads held the only other references.
    assert_eq!(Arc::strong_count(&images), 1);
}

#[test]
fn cache_holds_images_up_to_its_size() {
    let tree = Tree::new(&[]);
    let bytes = 16 * 16 * 3;
    let images = image_cache(&tree, 3, 2 * bytes + 1);
    for index in 0..3 {
        images.load(index).expect("a PNG");
    }
    for path in images.paths() {
        fs::remove_file(path).expect("the file exists");
    }
    assert_eq!(images.load(0).expect("cached").frame.rgb()[0], 0);
    assert_eq!(images.load(1).expect("cached").frame.rgb()[0], 1);
    images.load(2).expect_err("not cached");
}
