//! The context of a trace in the metadata of a call: W3C Trace Context.

use tonic::metadata::MetadataMap;

use super::service::GrpcService;
use crate::telemetry::traces::RemoteContext;

impl GrpcService {
    /// The client's span that a call belongs to. `None` without one, without traces, and if it is malformed: the call is
    /// served in any case.
    pub(super) fn trace_context(&self, metadata: &MetadataMap) -> Option<RemoteContext> {
        self.traces.is_on().then(|| context(metadata)).flatten()
    }
}

fn context(metadata: &MetadataMap) -> Option<RemoteContext> {
    let mut parents = metadata.get_all("traceparent").iter();
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    // A state may be split over several values.
    let states = metadata.get_all("tracestate").iter();
    let states: Vec<&str> = states.filter_map(|state| state.to_str().ok()).collect();
    RemoteContext::parse(parent, Some(&states.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn one_parent_is_taken_over_and_none_or_two_are_ignored() {
        let mut metadata = MetadataMap::new();
        assert_eq!(context(&metadata), None);
        let parent = || PARENT.parse().expect("ASCII");
        metadata.append("traceparent", parent());
        assert_eq!(context(&metadata), RemoteContext::parse(PARENT, None));
        metadata.append("tracestate", "a=1".parse().expect("ASCII"));
        metadata.append("tracestate", "b=2".parse().expect("ASCII"));
        assert_eq!(
            context(&metadata),
            RemoteContext::parse(PARENT, Some("a=1,b=2"))
        );
        metadata.append("traceparent", parent());
        assert_eq!(context(&metadata), None);
    }
}
