//! A site with a journal, and queries of the journal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::{ListVerdictsRequest, SortOrder, StreamVerdictsRequest, Verdict};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::belt::{PARTS, REVIEW};
use crate::harness::{Daemon, Site, Verdicts, write_png};

pub type Client = InspectionServiceClient<Channel>;

/// `[journal]` with further keys.
///
/// Writes count as stalled only after 20 s where `keys` sets no other time: the disk may be busy.
pub fn journal(keys: &str) -> String {
    let stall = if keys.contains("stall_timeout_s") {
        ""
    } else {
        "stall_timeout_s = 20\n"
    };
    format!("[journal]\nfolder = \"journal\"\n{stall}{keys}")
}

/// A triggered camera that repeats the three pictures.
pub fn belt(id: &str, keys: &str) -> String {
    format!(
        "[cameras.{id}]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nmode = \"triggered\"\n{keys}\n"
    )
}

/// A camera that takes one of the three pictures for each request.
pub fn requested(id: &str, keys: &str) -> String {
    belt(id, &format!("pace = \"fast\"\n{keys}")).replace("triggered", "requested")
}

/// A site with the three pictures and the review band of [`crate::belt`].
pub fn site(top: &str, cameras: &str) -> Site {
    let site = Site::new("");
    site.configure(&format!("{top}{REVIEW}"), cameras);
    std::fs::create_dir(site.path("pictures")).expect("a folder");
    for (name, spot, _) in PARTS {
        write_png(&site.path("pictures").join(name), 64, 128, spot);
    }
    site
}

/// A request for a stream from `start`.
pub fn from(start: Start) -> StreamVerdictsRequest {
    StreamVerdictsRequest {
        start: Some(start),
        ..StreamVerdictsRequest::default()
    }
}

/// A stream of verdicts from `start`.
pub async fn stream_from(daemon: &Daemon, start: Start) -> Verdicts {
    daemon.filtered(from(start)).await
}

/// The error of a stream from `start`, from the call or from its first message.
pub async fn stream_refused(daemon: &Daemon, start: Start) -> Status {
    let mut client = daemon.inspection().await;
    let mut verdicts = match client.stream_verdicts(from(start)).await {
        Err(status) => return status,
        Ok(stream) => Verdicts(stream.into_inner()),
    };
    loop {
        match verdicts.event().await {
            Err(status) => return status,
            Ok(Event::Heartbeat(_)) => {}
            Ok(event) => panic!("{event:?}"),
        }
    }
}

/// All verdicts that `request` restricts the journal to, page by page, and how many pages there were.
pub async fn list(client: &mut Client, request: ListVerdictsRequest) -> (Vec<Verdict>, usize) {
    let mut all = Vec::new();
    let mut pages = 0;
    let mut page_token = String::new();
    loop {
        let request = ListVerdictsRequest {
            page_token,
            ..request.clone()
        };
        let page = client.list_verdicts(request).await.expect("a page");
        let page = page.into_inner();
        all.extend(page.verdicts);
        pages += 1;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return (all, pages);
        }
    }
}

/// The whole journal, by sequence.
pub async fn whole(daemon: &Daemon) -> BTreeMap<u64, Verdict> {
    let request = ListVerdictsRequest {
        page_size: 1000,
        order: SortOrder::OldestFirst.into(),
        ..ListVerdictsRequest::default()
    };
    let (all, _) = list(&mut daemon.inspection().await, request).await;
    all.into_iter()
        .map(|verdict| (verdict.sequence, verdict))
        .collect()
}

/// The oldest and the newest kept sequence, from the details of an OUT_OF_RANGE.
pub fn kept(status: &Status) -> (u64, u64) {
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    let info = status.get_details_error_info().expect("details");
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        ("NOT_KEPT", "inspectd")
    );
    let number = |name: &str| info.metadata[name].parse().expect("a number");
    (number("oldest_sequence"), number("newest_sequence"))
}

/// The bytes of all files below a folder that is being written, in blocks of a file system.
pub fn blocks_below(folder: &Path) -> u64 {
    files_below(folder)
        .iter()
        .filter_map(|path| std::fs::metadata(path).ok())
        .map(|file| file.len().div_ceil(4096) * 4096)
        .sum()
}

/// All files below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}
