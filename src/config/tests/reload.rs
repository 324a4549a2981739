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
    let active = applied(&old, &new).expect("compatible");
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

fn grouped(id: &str, keys: &str) -> String {
    format!("[cameras.{id}]\nsource = \"simulator\"\ngroup = \"cell\"\n{keys}\n")
}

#[test]
fn camera_of_a_group_is_added_and_removed_by_a_reload() {
    for keys in [
        "mode = \"requested\"",
        "mode = \"triggered\"\npart_counter = true",
    ] {
        let pair = format!("{OLD}{}{}", grouped("a", keys), grouped("b", keys));
        check(&pair, &["cameras.a", "cameras.b"], &[]);
        let (old, new) = (settings(&pair), settings(OLD));
        assert_eq!(changes(&old, &new).live, ["cameras.a", "cameras.b"]);
        assert_eq!(applied(&old, &new), Ok(new.clone()));
    }
}

#[test]
fn cameras_of_a_group_wait_with_a_camera_that_joins_or_leaves_it_at_the_restart() {
    let requested = "mode = \"requested\"";
    let old = settings(&format!(
        "{OLD}{}{}",
        grouped("a", requested),
        grouped("b", requested)
    ));
    let restart = |new: &str, expected: &[&str]| {
        let new = settings(new);
        assert_eq!(changes(&old, &new).restart, expected);
        assert_eq!(applied(&old, &new), Ok(old.clone()));
    };
    // The camera right joins the group, and c is added to it: until the restart, parts have two views.
    let joined = OLD.replace(
        "source = \"simulator\"",
        "source = \"simulator\"\ngroup = \"cell\"",
    );
    let three = [
        grouped("a", requested),
        grouped("b", requested),
        grouped("c", requested),
    ];
    restart(
        &[joined, three.concat()].concat(),
        &["cameras.c", "cameras.right.group"],
    );
    // The camera a leaves, and b is removed.
    let left = grouped("a", requested).replace("group = \"cell\"", "");
    restart(&[OLD, &left].concat(), &["cameras.a.group", "cameras.b"]);
    // The camera a counts parts from the restart on.
    let counts = "mode = \"triggered\"\npart_counter = true";
    let counting = [OLD, &grouped("a", counts), &grouped("c", counts)].concat();
    restart(
        &counting,
        &[
            "cameras.a.mode",
            "cameras.a.part_counter",
            "cameras.b",
            "cameras.c",
        ],
    );
}

#[test]
fn exposure_and_gain_of_a_device_are_live() {
    let device = "source = \"device\"\ndevice = \"/d\"\ngain = 2\n";
    let text = |keys: &str| {
        let camera = format!("{device}{keys}");
        OLD.replace("source = \"simulator\"\n", &camera)
    };
    let (old, new) = (settings(&text("")), settings(&text("exposure_us = 800\n")));
    assert_eq!(changes(&old, &new).live, ["cameras.right.exposure_us"]);
    assert_eq!(applied(&old, &new), Ok(new.clone()));
    assert_eq!(applied(&new, &old), Ok(old.clone()));
}

#[test]
fn exposure_and_gain_wait_with_a_source_that_changes() {
    let device = "source = \"device\"\ndevice = \"/d\"\nexposure_us = 800\ngain = 2\n";
    let text = OLD.replace("source = \"simulator\"\n", device);
    let (old, new) = (settings(OLD), settings(&text));
    for (one, other) in [(&old, &new), (&new, &old)] {
        let found = changes(one, other);
        assert_eq!(found.live, [""; 0]);
        let waits = |key: &str| found.restart.contains(&format!("cameras.right.{key}"));
        assert!(["source", "exposure_us", "gain"].into_iter().all(waits));
        assert_eq!(applied(one, other), Ok(one.clone()));
    }
}

#[test]
fn reload_adds_cameras_with_all_keys_and_removes_them() {
    let (old, new) = (settings(OLD), settings(MINIMAL));
    let active = applied(&old, &new).expect("compatible");
    assert!(active.cameras.keys().eq(new.cameras.keys()));
    assert_eq!(active.model, new.model);
    let text = OLD.replace("[cameras.right]", "[cameras.up]\nrotate = 90\nfps = 3");
    let active = applied(&old, &settings(&text)).expect("compatible");
    assert_eq!(active.cameras, settings(&text).cameras);
}

#[test]
fn live_keys_that_need_a_key_which_waits_for_a_restart_are_refused() {
    let refused = |old: &str, new: &str, expected: &str| {
        let error = applied(&settings(old), &settings(new)).expect_err("not compatible");
        assert_eq!(error.to_string(), expected);
    };
    // `challenge.camera` waits for the restart; the removal of the camera that it named does not.
    let challenge = |camera: &str| format!("[challenge]\nfolder = \"/c\"\ncamera = {camera:?}\n");
    let without = &OLD[..OLD.find("[cameras.right]").expect("a camera")];
    refused(
        &[OLD, &challenge("right")].concat(),
        &[without, &challenge("left")].concat(),
        "after a reload, until a restart: challenge.camera: \"right\", must be the id of a configured camera",
    );
    // `recipes.folder` waits for the restart; `shadow.recipe` does not.
    let shadow = "[recipes]\nfolder = \"/r\"\n[shadow]\nrecipe = \"next\"\n";
    refused(
        OLD,
        &[OLD, shadow].concat(),
        "after a reload, until a restart: shadow.recipe: set without recipes.folder, must be left out unless recipes.folder is set",
    );
}
