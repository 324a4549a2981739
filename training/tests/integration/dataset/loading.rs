//! Images in the order of the steps, ahead of them.

use std::fs;
use std::sync::Arc;

use mhkd::dataset::image_cache::ImageCache;
use mhkd::dataset::loader::{Loader, Prefetch};
use mhkd::dataset::sampler::Sampler;

use super::tree::Tree;

fn frames(tree: &Tree, count: u8, cache_bytes: usize) -> Arc<ImageCache> {
    let paths = (0..count)
        .map(|i| tree.image(&format!("{i:02}.png"), 40, 32, i))
        .collect();
    Arc::new(ImageCache::new(paths, 16, cache_bytes))
}

#[test]
fn the_order_does_not_depend_on_the_workers() {
    let tree = Tree::new(&[]);
    let order = Sampler::shuffled(5, 7);
    let expected: Vec<usize> = order.from_step(3).take(30).collect();
    for workers in [1, 2, 5] {
        for depth in [1, 4] {
            let prefetch = Prefetch { workers, depth };
            let loader = Loader::new(&frames(&tree, 7, 0), order, 3..33, prefetch);
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
fn a_file_that_fails_is_named_at_its_turn_and_the_rest_goes_on() {
    let tree = Tree::new(&[]);
    let frames = frames(&tree, 3, 0);
    fs::write(&frames.paths()[1], b"broken").expect("writable");
    let prefetch = Prefetch {
        workers: 2,
        depth: 2,
    };
    let mut loader = Loader::new(&frames, Sampler::sequential(3), 0..3, prefetch);
    assert_eq!(loader.next_image().expect("a PNG").index, 0);
    let message = loader.next_image().expect_err("broken").to_string();
    assert!(message.contains("01.png"), "{message}");
    assert_eq!(loader.next_image().expect("a PNG").index, 2);
    let message = loader.next_image().expect_err("over").to_string();
    assert_eq!(message, "the loader's last step is over");
}

#[test]
fn a_dropped_loader_ends_its_threads() {
    let tree = Tree::new(&[]);
    let frames = frames(&tree, 3, 0);
    let prefetch = Prefetch {
        workers: 4,
        depth: 8,
    };
    let mut loader = Loader::new(&frames, Sampler::shuffled(0, 3), 0..u64::MAX, prefetch);
    loader.next_image().expect("a PNG");
    drop(loader);
    // The threads were the only others that held the frames.
    assert_eq!(Arc::strong_count(&frames), 1);
}

#[test]
fn images_are_kept_within_the_budget() {
    let tree = Tree::new(&[]);
    let bytes = 16 * 16 * 3;
    let frames = frames(&tree, 3, 2 * bytes + 1);
    for index in 0..3 {
        frames.load(index).expect("a PNG");
    }
    for path in frames.paths() {
        fs::remove_file(path).expect("it is there");
    }
    assert_eq!(frames.load(0).expect("kept").frame.rgb()[0], 0);
    assert_eq!(frames.load(1).expect("kept").frame.rgb()[0], 1);
    frames.load(2).expect_err("not kept");
}
