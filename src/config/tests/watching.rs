//! Changes of files are told, each burst once.

use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::super::{Watch, watch};
use super::{LEAST, Site};

/// Longer than any quiet time, on a busy machine too.
const SOON: Duration = Duration::from_secs(20);

/// Longer than a change takes to be told.
const A_WHILE: Duration = Duration::from_millis(900);

fn watched(site: &Site) -> (Watch, Receiver<()>) {
    let (tell, told) = channel();
    let watch = watch(&site.path("inspectd.toml"), move || {
        let _ = tell.send(());
    })
    .expect("a watch");
    (watch, told)
}

fn check(act: impl FnOnce(&Site)) {
    let site = Site::with(LEAST);
    site.write("conf.d/old.toml", "");
    let (_watch, told) = watched(&site);
    act(&site);
    told.recv_timeout(SOON).expect("the change is told");
}

#[test]
fn a_burst_is_told_as_one_change() {
    let site = Site::with(LEAST);
    let (_watch, told) = watched(&site);
    for _ in 0..50 {
        site.write("inspectd.toml", LEAST);
    }
    told.recv_timeout(SOON).expect("the change is told");
    // One, but for a pause of the machine within the burst.
    let mut more = 0;
    while told.recv_timeout(A_WHILE).is_ok() {
        more += 1;
    }
    assert!(more < 5, "{more} more");
}

#[test]
fn a_file_renamed_over_the_old_one_is_told() {
    check(|site| {
        site.write("inspectd.toml.new", LEAST);
        fs::rename(site.path("inspectd.toml.new"), site.path("inspectd.toml")).expect("renamed");
    });
}

#[test]
fn files_of_the_folder_are_told_as_they_come_and_go() {
    check(|site| site.write("conf.d/new.toml", ""));
    check(|site| fs::remove_file(site.path("conf.d/old.toml")).expect("removed"));
}

#[test]
fn a_link_that_all_files_lead_through_is_told() {
    check(|site| {
        std::os::unix::fs::symlink("new", site.path("..next")).expect("a link");
        fs::rename(site.path("..next"), site.path("..data")).expect("renamed");
    });
}

#[test]
fn a_folder_that_comes_later_is_watched() {
    let site = Site::with(LEAST);
    let (_watch, told) = watched(&site);
    fs::create_dir(site.path("conf.d")).expect("a folder");
    told.recv_timeout(SOON).expect("the folder is told");
    site.write("conf.d/new.toml", "");
    told.recv_timeout(SOON).expect("its file is told");
}

#[test]
fn reading_and_other_files_are_not_told() {
    let site = Site::with(LEAST);
    site.write("conf.d/old.toml", "");
    let (_watch, told) = watched(&site);
    site.load().expect("valid");
    site.write("inspectd.toml.swp", "");
    site.write("conf.d/.hidden.toml", "");
    site.write("conf.d/note.txt", "");
    assert!(told.recv_timeout(A_WHILE).is_err());
}

#[test]
fn a_dropped_watch_has_ended() {
    let site = Site::with(LEAST);
    let (watch, told) = watched(&site);
    drop(watch);
    site.write("inspectd.toml", LEAST);
    assert!(told.recv().is_err(), "the callback is gone");
}

#[test]
fn a_folder_that_is_not_there_cannot_be_watched() {
    let site = Site::empty();
    assert!(watch(&site.path("nowhere/inspectd.toml"), || ()).is_err());
}
