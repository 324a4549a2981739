//! Pages of the journal, while it grows.

use inspectd_client::proto::{Decision, ListVerdictsRequest, SortOrder, Verdict};
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use super::journal_site::{belt, journal, list, site};
use crate::harness::{Daemon, Site};

fn busy() -> Site {
    let cameras = belt("first", "fps = 100\npart_counter = true") + &belt("second", "fps = 100");
    site(&journal(""), &cameras)
}

async fn until(daemon: &Daemon, sequence: u64) {
    daemon
        .status_when("enough verdicts", |status| status.sequence >= sequence)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pages_are_complete_while_verdicts_are_added() {
    require!(onnx_runtime());
    let site = busy();
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    until(&daemon, 100).await;
    for order in [SortOrder::OldestFirst, SortOrder::NewestFirst] {
        let request = ListVerdictsRequest {
            page_size: 7,
            order: order.into(),
            ..ListVerdictsRequest::default()
        };
        let before = daemon.status().await.sequence;
        let (all, pages) = list(&mut client, request).await;
        assert!(pages > 10);
        let mut sequences: Vec<u64> = all.iter().map(|verdict| verdict.sequence).collect();
        if order == SortOrder::NewestFirst {
            sequences.reverse();
        }
        let last = *sequences.last().expect("some");
        assert!(last >= before);
        assert_eq!(sequences, (1..=last).collect::<Vec<u64>>());
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_filter_returns_the_matching_verdicts() {
    require!(onnx_runtime());
    let site = busy();
    let daemon = site.start();
    until(&daemon, 120).await;
    daemon.stop();
    // Another configuration, so that no new verdict matches the filters.
    site.configure(&journal(""), &belt("third", "fps = 1"));
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    let all = list(&mut client, ListVerdictsRequest::default()).await.0;
    let all: Vec<Verdict> = all.into_iter().filter(|v| v.camera_id != "third").collect();
    let (middle, time) = (&all[all.len() / 2], |v: &Verdict| {
        let time = v.record_time.expect("a time");
        (time.seconds, time.nanos)
    });
    let every = || ListVerdictsRequest {
        page_size: 9,
        camera_ids: vec!["first".to_owned(), "second".to_owned()],
        ..ListVerdictsRequest::default()
    };
    let mut check = async |request: ListVerdictsRequest, wanted: &dyn Fn(&Verdict) -> bool| {
        let (found, _) = list(&mut client, request.clone()).await;
        let expected: Vec<Verdict> = all.iter().filter(|v| wanted(v)).cloned().collect();
        assert_eq!(found, expected, "{request:?}");
        assert!(!found.is_empty(), "{request:?}");
        let ascending = ListVerdictsRequest {
            order: SortOrder::OldestFirst.into(),
            ..request
        };
        let (mut found, _) = list(&mut client, ascending).await;
        found.reverse();
        assert_eq!(found, expected);
    };
    check(every(), &|_| true).await;
    let first = ListVerdictsRequest {
        camera_ids: vec!["first".to_owned()],
        ..every()
    };
    check(first.clone(), &|v| v.camera_id == "first").await;
    let decisions = [Decision::Reject, Decision::Review].map(i32::from).to_vec();
    let not_good = ListVerdictsRequest {
        decisions: decisions.clone(),
        ..every()
    };
    check(not_good, &|v| decisions.contains(&v.decision)).await;
    let good_first = ListVerdictsRequest {
        decisions: vec![Decision::Pass.into()],
        ..first
    };
    check(good_first, &|v| {
        v.camera_id == "first" && v.decision() == Decision::Pass
    })
    .await;
    let part = ListVerdictsRequest {
        part_id: "7".to_owned(),
        ..every()
    };
    check(part, &|v| v.part_id == "7").await;
    let since = ListVerdictsRequest {
        from_time: middle.record_time,
        ..every()
    };
    check(since, &|v| time(v) >= time(middle)).await;
    let before = ListVerdictsRequest {
        to_time: middle.record_time,
        ..every()
    };
    check(before, &|v| time(v) < time(middle)).await;
    let tail = ListVerdictsRequest {
        from_sequence: middle.sequence,
        decisions: vec![Decision::Reject.into()],
        ..every()
    };
    check(tail, &|v| {
        v.sequence >= middle.sequence && v.decision() == Decision::Reject
    })
    .await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn invalid_page_requests_are_rejected() {
    require!(onnx_runtime());
    let site = busy();
    let daemon = site.start();
    let mut client = daemon.inspection().await;
    let mut check = async |request: ListVerdictsRequest, field: &str| {
        let refused = client.list_verdicts(request).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{refused:?}");
    };
    let page = ListVerdictsRequest::default;
    let page_token = "elsewhere".to_owned();
    check(
        ListVerdictsRequest {
            page_token,
            ..page()
        },
        "page_token",
    )
    .await;
    check(
        ListVerdictsRequest {
            page_size: 1001,
            ..page()
        },
        "page_size",
    )
    .await;
    check(ListVerdictsRequest { order: 9, ..page() }, "order").await;
    let decisions = vec![0];
    check(
        ListVerdictsRequest {
            decisions,
            ..page()
        },
        "decisions",
    )
    .await;
    let camera_ids = vec!["a".to_owned(); 65];
    check(
        ListVerdictsRequest {
            camera_ids,
            ..page()
        },
        "camera_ids",
    )
    .await;
    daemon.stop();
    // Without a journal, listing is rejected.
    site.configure("", &belt("belt", "fps = 10"));
    let daemon = site.start();
    let refused = daemon.inspection().await.list_verdicts(page()).await;
    assert_eq!(
        refused.expect_err("no journal").code(),
        Code::FailedPrecondition
    );
    daemon.stop();
}
