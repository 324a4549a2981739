//! A belt with three parts on it, again and again: what tests of clients look at.

use inspectd_client::proto::Decision;

use crate::harness::{Site, write_png};

/// Each part's picture and what becomes of it: good (score 0.5), bright (0.84) and middling (0.54).
pub const PARTS: [(&str, u8, Decision); 3] = [
    ("a.png", 128, Decision::Pass),
    ("b.png", 255, Decision::Reject),
    ("c.png", 140, Decision::Review),
];

/// The camera, which takes 50 frames a second and skips none.
pub const CAMERA: &str = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\n\
                          fps = 50.0\nmode = \"triggered\"\n";

/// Where a score begins to be REVIEW.
pub const REVIEW: &str = "[verdict]\nreview_from = 0.53\n";

/// A site with a belt.
pub fn site() -> Site {
    let site = Site::new(&format!("{REVIEW}{CAMERA}"));
    std::fs::create_dir(site.path("pictures")).expect("a folder");
    for (name, spot, _) in PARTS {
        write_png(&site.path("pictures").join(name), 64, 128, spot);
    }
    site
}
