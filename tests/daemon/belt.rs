//! A camera `belt` that repeats three parts, for tests of clients.

use inspectd_client::proto::Decision;

use crate::harness::{Site, write_png};

/// Each part's file, spot level and decision: scores 0.5, 0.84 and 0.54.
pub const PARTS: [(&str, u8, Decision); 3] = [
    ("a.png", 128, Decision::Pass),
    ("b.png", 255, Decision::Reject),
    ("c.png", 140, Decision::Review),
];

/// The camera, which takes 150 frames a second and skips none: the queue holds those of several seconds,
/// so that a busy machine loses none.
pub const CAMERA: &str = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\n\
                          fps = 150.0\nmode = \"triggered\"\nqueue = 1024\n";

/// The start of the review band.
pub const REVIEW: &str = "[verdict]\nreview_from = 0.53\n";

/// A site with the camera.
pub fn site() -> Site {
    let site = Site::new(&format!("{REVIEW}{CAMERA}"));
    std::fs::create_dir(site.path("pictures")).expect("a folder");
    for (name, spot, _) in PARTS {
        write_png(&site.path("pictures").join(name), 64, 128, spot);
    }
    site
}
