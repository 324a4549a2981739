//! Which trace a verdict belongs to. The ids are hashes, so that all views of a part have the trace of the part, and
//! their parent is known before it is made.

use inspectd_core::record::Subject;
use opentelemetry::trace::{SpanId, TraceId};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The trace of an inspected part, and the span that the others are part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TraceIdentity {
    pub(super) trace: TraceId,
    pub(super) root: SpanId,
}

impl TraceIdentity {
    /// The trace of a verdict of this run. `None` for the FAULT of a camera without a frame, which is about no part.
    pub(super) fn of(run: Uuid, subject: &Subject) -> Option<Self> {
        let tag = subject.tag.as_deref();
        if let Some(trigger) = tag.and_then(|tag| tag.trigger) {
            return Some(Self::hashed(&[b"trigger", trigger.as_bytes()]));
        }
        match (&subject.camera, &subject.group, tag) {
            (_, Some(group), Some(tag)) => Some(Self::hashed(&[
                b"part",
                run.as_bytes(),
                group.as_bytes(),
                tag.part_id.as_bytes(),
            ])),
            (Some(camera), _, _) if subject.frame_id > 0 => Some(Self::hashed(&[
                b"frame",
                run.as_bytes(),
                camera.as_str().as_bytes(),
                &subject.frame_id.to_le_bytes(),
            ])),
            _ => None,
        }
    }

    /// The trace of an image of a client, identified by a random number.
    pub(super) fn of_image(random: Uuid) -> Self {
        Self::hashed(&[b"image", random.as_bytes()])
    }

    fn hashed(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // So that different parts are different texts.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        let trace = std::array::from_fn(|index| hash[index]);
        let root = std::array::from_fn(|index| hash[16 + index]);
        Self {
            trace: TraceId::from_bytes(trace),
            root: SpanId::from_bytes(root),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use inspectd_core::record::PartTag;

    use super::super::tests::subject;
    use super::*;

    #[test]
    fn views_of_a_part_have_the_trace_of_the_part_and_frames_without_a_part_one_each() {
        let run = Uuid::from_u128(1);
        let of = |subject: &Subject| TraceIdentity::of(run, subject).expect("a trace");
        let tagged = |camera: Option<&str>, trigger: Option<u128>, part_id: &str| Subject {
            group: Some("cell".into()),
            tag: Some(Arc::new(PartTag {
                part_id: part_id.to_owned(),
                trigger: trigger.map(Uuid::from_u128),
                ..PartTag::default()
            })),
            ..subject(camera, 7)
        };
        let requested = of(&tagged(None, Some(5), "a"));
        assert_eq!(of(&tagged(Some("left"), Some(5), "a")), requested);
        assert_ne!(of(&tagged(Some("left"), Some(6), "a")), requested);
        let counted = of(&tagged(None, None, "12"));
        assert_eq!(of(&tagged(Some("top"), None, "12")), counted);
        assert_ne!(of(&tagged(Some("top"), None, "13")), counted);
        let frame = of(&subject(Some("left"), 7));
        assert_eq!(of(&subject(Some("left"), 7)), frame);
        assert_ne!(of(&subject(Some("left"), 8)), frame);
        assert_ne!(of(&subject(Some("top"), 7)), frame);
        let other_run = TraceIdentity::of(Uuid::from_u128(2), &subject(Some("left"), 7));
        assert_ne!(other_run, Some(frame));
    }

    #[test]
    fn fault_of_a_camera_without_a_frame_has_no_trace() {
        let run = Uuid::from_u128(1);
        assert_eq!(TraceIdentity::of(run, &subject(Some("left"), 0)), None);
        assert_eq!(TraceIdentity::of(run, &subject(None, 0)), None);
    }
}
