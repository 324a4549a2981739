//! Watching: changes of files are reported, each burst once.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::time::Duration;

use super::super::watch::{Debounce, settle, watch_debounced};
use super::super::{Watch, watch};
use super::{MINIMAL, Site};
use crate::clock::SystemClock;
use crate::clock::tests::ManualClock;
use crate::on_panic::Failed;

/// Longer than any change takes to be reported, also on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Longer than a change usually takes to be reported.
const A_WHILE: Duration = Duration::from_millis(250);

const DEBOUNCE: Debounce = Debounce {
    quiet: Duration::from_millis(50),
    limit: Duration::from_secs(3),
};

fn watched(site: &Site) -> (Watch, Receiver<()>) {
    let (sender, changes) = channel();
    let changed = move || {
        let _ = sender.send(());
    };
    let file = site.path("inspectd.toml");
    let clock = Arc::new(SystemClock);
    let watch = watch_debounced(&file, DEBOUNCE, clock, Arc::new(|| ()), changed);
    let watch = watch.expect("a watch");
    (watch, changes)
}

fn check(act: impl FnOnce(&Site)) {
    let site = Site::with(MINIMAL);
    site.write("conf.d/old.toml", "");
    let (_watch, changes) = watched(&site);
    act(&site);
    changes
        .recv_timeout(TIMEOUT)
        .expect("the change is reported");
}

#[test]
fn burst_of_changes_is_reported_once() {
    let site = Site::with(MINIMAL);
    let (_watch, changes) = watched(&site);
    for _ in 0..50 {
        site.write("inspectd.toml", MINIMAL);
    }
    changes
        .recv_timeout(TIMEOUT)
        .expect("the change is reported");
    // Only one, unless the machine pauses within the burst.
    let mut more = 0;
    while changes.recv_timeout(A_WHILE).is_ok() {
        more += 1;
    }
    assert!(more < 5, "{more} more");
}

#[test]
fn file_renamed_over_the_old_one_is_reported() {
    check(|site| {
        site.write("inspectd.toml.new", MINIMAL);
        fs::rename(site.path("inspectd.toml.new"), site.path("inspectd.toml")).expect("renamed");
    });
}

#[test]
fn created_and_removed_files_of_conf_d_are_reported() {
    check(|site| site.write("conf.d/new.toml", ""));
    check(|site| fs::remove_file(site.path("conf.d/old.toml")).expect("removed"));
}

#[test]
fn replaced_data_link_is_reported() {
    check(|site| {
        std::os::unix::fs::symlink("new", site.path("..next")).expect("a link");
        fs::rename(site.path("..next"), site.path("..data")).expect("renamed");
    });
}

#[test]
fn conf_d_that_is_created_later_is_watched() {
    let site = Site::with(MINIMAL);
    let (_watch, changes) = watched(&site);
    fs::create_dir(site.path("conf.d")).expect("a folder");
    changes
        .recv_timeout(TIMEOUT)
        .expect("the folder is reported");
    site.write("conf.d/new.toml", "");
    changes.recv_timeout(TIMEOUT).expect("its file is reported");
}

#[test]
fn reading_and_unrelated_files_are_not_reported() {
    let site = Site::with(MINIMAL);
    site.write("conf.d/old.toml", "");
    let (_watch, changes) = watched(&site);
    site.load().expect("valid");
    site.write("inspectd.toml.swp", "");
    site.write("conf.d/.hidden.toml", "");
    site.write("conf.d/note.txt", "");
    assert!(changes.recv_timeout(A_WHILE).is_err());
}

#[test]
fn dropped_watch_releases_its_callback() {
    let site = Site::with(MINIMAL);
    let (watch, changes) = watched(&site);
    drop(watch);
    site.write("inspectd.toml", MINIMAL);
    assert!(changes.recv().is_err(), "the callback is gone");
}

#[test]
fn watching_a_missing_folder_is_an_error() {
    let site = Site::empty();
    let file = site.path("nowhere/inspectd.toml");
    assert!(watch(&file, Arc::new(|| ()), || ()).is_err());
}

#[test]
fn panic_of_the_callback_is_reported() {
    let site = Site::with(MINIMAL);
    let (sender, reported) = channel();
    let failed: Failed = Arc::new(move || {
        let _ = sender.send(());
    });
    let file = site.path("inspectd.toml");
    let clock = Arc::new(SystemClock);
    let _watch =
        watch_debounced(&file, DEBOUNCE, clock, failed, || panic!("a reload")).expect("a watch");
    site.write("inspectd.toml", MINIMAL);
    reported
        .recv_timeout(TIMEOUT)
        .expect("the panic is reported");
}

#[test]
fn continuous_changes_are_reported_at_the_limit() {
    let (wake, woken) = sync_channel(1);
    let clock = ManualClock::new();
    let changing = {
        let clock = Arc::clone(&clock);
        // Each change wakes the watch within the quiet time, a second after the last.
        std::thread::spawn(move || {
            let mut changes = 0;
            while wake.send(()).is_ok() {
                clock.advance(Duration::from_secs(1));
                changes += 1;
            }
            changes
        })
    };
    let debounce = Debounce {
        quiet: TIMEOUT,
        ..DEBOUNCE
    };
    assert!(settle(&woken, &AtomicBool::new(false), debounce, &*clock));
    drop(woken);
    assert!(changing.join().expect("no panic") >= 3);
}
