//! The journal of the daemon, to which a ledger must be equal.

use std::collections::BTreeMap;

use inspectd_client::{Client, Decision, VerdictQuery};

/// The decisions of all verdicts in the journal, by the id of their result: part and decision. A PASS that is unconfirmed
/// counts as a FAULT.
pub fn decisions(port: u16, box_name: &str) -> BTreeMap<String, (String, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let endpoint = format!("http://127.0.0.1:{port}")
            .parse()
            .expect("an address");
        let client = Client::builder(endpoint).build().expect("no credentials");
        let mut pages = client.stored_verdicts(&VerdictQuery::default());
        let mut found = BTreeMap::new();
        while let Some(page) = pages.next_page(1000).await.expect("a page") {
            for verdict in page {
                let id = format!("{box_name}/{}/{}", verdict.run_id, verdict.sequence);
                let decision = match verdict.decision() {
                    Decision::Pass if verdict.unconfirmed => Decision::Fault,
                    decision => decision,
                };
                let decision = decision.as_str_name().replace("DECISION_", "");
                found.insert(id, (verdict.part_id, decision));
            }
        }
        found
    })
}
