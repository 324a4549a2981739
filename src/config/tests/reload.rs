//! Keys that a reload changes.

use super::super::settings::Settings;
use super::super::{Changes, applied, changes};
use super::{MINIMAL, loaded};

const OLD: &str = "[model]\nbundle = \"/a\"\n[verdict]\nthreshold = 0.5\n[cameras.left]\nsource = \"url\"\n\
                   url = \"rtsp://user:one@host\"\n[cameras.right]\nsource = \"simulator\"\n";

fn settings(text: &str) -> Settings {
    loaded(text).settings
}

fn check(new: &str, live: &[&str], restart: &[&str]) {
    let (old, new) = (settings(OLD), settings(new));
    let found = changes(&old, &new);
    let expected = Changes {
        live: live.iter().map(ToString::to_string).collect(),
        restart: restart.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(found, expected);
    assert_eq!(found.is_empty(), old == new);
    let active = applied(&old, &new);
    assert_eq!(
        changes(&old, &active),
        Changes {
            live: found.live,
            restart: Vec::new()
        }
    );
    assert_eq!(
        changes(&active, &new),
        Changes {
            live: Vec::new(),
            restart: found.restart
        }
    );
}

#[test]
fn equal_values_are_not_changes() {
    check(OLD, &[], &[]);
    check(&format!("{OLD}[log]\nfilter = \"info\"\n"), &[], &[]);
}

#[test]
fn bundle_thresholds_and_filter_are_live() {
    check(&OLD.replace("\"/a\"", "\"/b\""), &["model.bundle"], &[]);
    check(&OLD.replace("0.5", "0.6"), &["verdict.threshold"], &[]);
    check(
        &OLD.replace("threshold = 0.5", "review_from = 0.5"),
        &["verdict.review_from", "verdict.threshold"],
        &[],
    );
    check(
        &OLD.replace("threshold = 0.5", "threshold = 0.5\nregion_limit = 1"),
        &["verdict.region_limit"],
        &[],
    );
    check(
        &format!("{OLD}threshold = 0.1\nreview_from = 0\n[log]\nfilter = \"warn\"\n"),
        &[
            "cameras.right.review_from",
            "cameras.right.threshold",
            "log.filter",
        ],
        &[],
    );
}

#[test]
fn limits_of_a_camera_are_live() {
    check(
        &format!("{OLD}check.dark_below = 3\ncheck.frozen_after = 4\n"),
        &[
            "cameras.right.check.dark_below",
            "cameras.right.check.frozen_after",
        ],
        &[],
    );
}

#[test]
fn other_keys_wait_for_a_restart() {
    check(
        &format!(
            "{OLD}rotate = 90\nthreshold = 2\n[server]\nlisten = \"[::1]:1\"\n[log]\nformat = \"json\"\n"
        ),
        &["cameras.right.threshold"],
        &["cameras.right.rotate", "log.format", "server.listen"],
    );
    check(&OLD.replace("one", "two"), &[], &["cameras.left.url"]);
    check(
        &OLD.replace("simulator\"", "file\"\npath = \"/f\""),
        &[],
        &[
            "cameras.right.defect_rate",
            "cameras.right.height",
            "cameras.right.path",
            "cameras.right.repeat",
            "cameras.right.seed",
            "cameras.right.source",
            "cameras.right.width",
        ],
    );
}

#[test]
fn added_or_removed_camera_is_one_live_key() {
    check(
        &OLD.replace("[cameras.right]", "[cameras.up]"),
        &["cameras.right", "cameras.up"],
        &[],
    );
    check(
        &format!("{OLD}threshold = 1\n[cameras.r]\nsource = \"simulator\"\nthreshold = 3\n"),
        &["cameras.r", "cameras.right.threshold"],
        &[],
    );
}

#[test]
fn camera_of_a_group_is_added_and_removed_by_a_restart() {
    let grouped = |id: &str| {
        format!(
            "[cameras.{id}]\nsource = \"simulator\"\ngroup = \"cell\"\nmode = \"triggered\"\npart_counter = true\n"
        )
    };
    let pair = format!("{OLD}{}{}", grouped("a"), grouped("b"));
    check(&pair, &[], &["cameras.a", "cameras.b"]);
    let (old, new) = (settings(&pair), settings(OLD));
    assert_eq!(changes(&old, &new).restart, ["cameras.a", "cameras.b"]);
    assert_eq!(applied(&old, &new), old);
}

#[test]
fn reload_adds_cameras_with_all_keys_and_removes_them() {
    let (old, new) = (settings(OLD), settings(MINIMAL));
    let active = applied(&old, &new);
    assert!(active.cameras.keys().eq(new.cameras.keys()));
    assert_eq!(active.model, new.model);
    let text = OLD.replace("[cameras.right]", "[cameras.up]\nrotate = 90\nfps = 3");
    let active = applied(&old, &settings(&text));
    assert_eq!(active.cameras, settings(&text).cameras);
}
