//! A stored journal of many verdicts: opening it and reading pages of it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use inspectd::journal::{Batch, Filter, Order, Page, Readers, Store, file};
use inspectd_core::decision::Decision;
use inspectd_core::record::{Stamp, Subject, Verdict};
use uuid::Uuid;

use super::fixtures::{judged, stamp};

/// Measurements of a stored journal.
#[derive(Default)]
pub(super) struct StoredJournal {
    pub(super) mib: f64,
    pub(super) open_ms: f64,
    pub(super) pages_ms: Vec<(String, f64)>,
}

/// Fills a journal, opens it again, and reads pages of it.
pub(super) fn measure(folder: &Path, count: u64) -> Result<StoredJournal> {
    if count == 0 {
        return Ok(StoredJournal::default());
    }
    let run = Uuid::now_v7();
    let (mut store, _) = Store::open(folder, run, 1)?;
    let stamp = stamp();
    let fill_started = Instant::now();
    let start = SystemTime::now() - Duration::from_secs(count / 20);
    for first in (1..=count).step_by(10_000) {
        let last = count.min(first + 9999);
        let verdicts = (first..=last).map(|sequence| Arc::new(old(sequence, run, start, &stamp)));
        store.commit(&Batch {
            verdicts: verdicts.collect(),
            ..Batch::default()
        })?;
        if first % 1_000_000 == 1 {
            let rate = last as f64 / fill_started.elapsed().as_secs_f64();
            let left = (count - last) as f64 / rate;
            eprintln!(
                "bench: {last} of {count} verdicts written, {rate:.0} per second, {left:.0} s remaining"
            );
        }
    }
    drop(store);
    let started = Instant::now();
    let (store, opened) = Store::open(folder, run, 1)?;
    let open_ms = started.elapsed().as_secs_f64() * 1e3;
    anyhow::ensure!(opened.sequence == count, "{opened:?}");
    let readers = Readers::new(file(folder));
    let mut pages_ms = Vec::new();
    for (name, filter) in filters(count) {
        for (place, from, to) in [("", 0, u64::MAX), (", from the middle back", 0, count / 2)] {
            let page = Page {
                filter: filter.clone(),
                from,
                to,
                order: Order::Descending,
                limit: 100,
            };
            let started = Instant::now();
            let found = readers.page(&page)?.len();
            let ms = started.elapsed().as_secs_f64() * 1e3;
            pages_ms.push((format!("{name}{place} ({found})"), ms));
        }
    }
    let started = Instant::now();
    readers.first_since(start + Duration::from_secs(count / 40))?;
    pages_ms.push((
        "the sequence of a time".to_owned(),
        started.elapsed().as_secs_f64() * 1e3,
    ));
    let mib = fs::metadata(store.path())?.len() as f64 / f64::from(1 << 20);
    Ok(StoredJournal {
        mib,
        open_ms,
        pages_ms,
    })
}

/// A verdict of four cameras with 20 frames per second in total: 1 % REJECT, 0.1 % REVIEW.
fn old(sequence: u64, run: Uuid, start: SystemTime, stamp: &Arc<Stamp>) -> Verdict {
    let camera = ["a", "b", "c", "d"][(sequence % 4) as usize];
    let decision = match sequence {
        _ if sequence.is_multiple_of(1_000_000) => Decision::Fault,
        _ if sequence.is_multiple_of(1000) => Decision::Review,
        _ if sequence.is_multiple_of(99) => Decision::Reject,
        _ => Decision::Pass,
    };
    let mut subject = Subject::new(Some(camera.parse().expect("an id")), Arc::clone(stamp));
    subject.frame_id = sequence / 4;
    subject.tag = Some(Arc::new(inspectd_core::record::PartTag {
        part_id: sequence.to_string(),
        ..Default::default()
    }));
    let time = start + Duration::from_millis(50 * sequence);
    Verdict {
        sequence,
        run,
        captured: time,
        since_start: Duration::from_millis(50 * sequence),
        recorded: time,
        evidence: false,
        unconfirmed: false,
        subject,
        outcome: judged(decision),
    }
}

/// The filters of the measured pages, with their descriptions.
fn filters(count: u64) -> [(&'static str, Filter); 6] {
    let camera = |name: &str| name.parse().expect("an id");
    let filter = |cameras: &[&str], decisions: &[Decision]| Filter {
        cameras: cameras.iter().map(|name| camera(name)).collect(),
        decisions: decisions.to_vec(),
        ..Filter::default()
    };
    let part = Filter {
        part_id: Some((count / 2).to_string()),
        ..Filter::default()
    };
    [
        ("the newest", filter(&[], &[])),
        ("REJECT", filter(&[], &[Decision::Reject])),
        ("FAULT, one in a million", filter(&[], &[Decision::Fault])),
        (
            "camera b, REJECT or REVIEW",
            filter(&["b"], &[Decision::Reject, Decision::Review]),
        ),
        ("a camera without verdicts", filter(&["z"], &[])),
        ("a part", part),
    ]
}
