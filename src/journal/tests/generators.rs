//! Generators of arbitrary verdicts.

use super::*;

prop_compose! {
    fn region()(
        values in prop::array::uniform6(-1e6f32..1e6),
        logical: bool,
        rule in prop::option::of("[a-z]{1,8}"),
    ) -> Region {
        let rule = rule.map(Arc::from);
        let [left, top, width, height, area, peak] = values;
        let kind = if logical { AnomalyKind::Logical } else { AnomalyKind::Structural };
        Region { left, top, width, height, area, peak, kind, rule }
    }
}

pub(super) fn decision() -> impl Strategy<Value = Decision> {
    prop::sample::select(Decision::ALL.to_vec())
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let thresholds = || {
        (-1e30f32..1e30, prop::option::of(-1e30f32..1e30)).prop_map(
            |(reject_above, review_from)| Thresholds {
                reject_above,
                review_from,
            },
        )
    };
    let name = || prop::option::of("[a-z]{1,8}").prop_map(|name| name.map(Arc::from));
    let rule = (
        name(),
        prop::option::of(-1e30f32..1e30),
        thresholds(),
        decision(),
    )
        .prop_map(|(name, score, thresholds, decision)| RegionScore {
            name,
            score,
            thresholds,
            decision,
        });
    let judgement = (
        prop::sample::select(vec![Decision::Pass, Decision::Reject, Decision::Review]),
        any::<[f32; 4]>().prop_filter("scores are finite", |all| all.iter().all(|v| v.is_finite())),
        thresholds(),
        name(),
        prop::collection::vec(rule, 0..4),
        prop::collection::vec(region(), 0..4),
    );
    let judged = judgement.prop_map(
        |(decision, scores, thresholds, decided_by, rules, regions)| {
            let [score, structural, logical, highest] = scores;
            Outcome::Judged(Judgement {
                decision,
                score: Score {
                    score,
                    structural,
                    logical,
                },
                thresholds,
                decided_by,
                highest,
                rules,
                dominant: AnomalyKind::of(structural, logical),
                regions,
            })
        },
    );
    let fault = (
        prop::sample::select(FaultReason::ALL.to_vec()),
        ".*",
        any::<bool>(),
    )
        .prop_map(|(reason, message, rejects)| Fault {
            reason,
            message,
            rejects,
        });
    let view = (1u64..9, 0u64..9, decision()).prop_map(|(sequence, frame_id, decision)| PartView {
        camera: camera("left"),
        sequence,
        frame_id,
        decision,
    });
    let part = (
        decision(),
        prop::collection::vec(view, 0..3),
        prop::option::of(fault.clone()),
    )
        .prop_map(|(decision, views, fault)| {
            Outcome::Part(PartDecision {
                decision,
                views,
                fault,
            })
        });
    prop_oneof![judged, fault.prop_map(Outcome::Fault), part]
}

fn tag() -> impl Strategy<Value = Option<Arc<PartTag>>> {
    let tag = (
        "[^\0]*",
        any::<Option<u128>>(),
        any::<Vec<u8>>(),
        "[a-z]*",
        any::<Option<bool>>(),
    );
    let tag = tag.prop_map(
        |(part_id, trigger, client_data, idempotency_key, names_recipe)| {
            Arc::new(PartTag {
                part_id,
                trigger: trigger.map(Uuid::from_u128),
                client_data,
                idempotency_key,
                names_recipe,
            })
        },
    );
    prop::option::of(tag)
}

prop_compose! {
    pub(super) fn verdict()(
        sequence in 1..u64::MAX / 2,
        times in prop::array::uniform3(0u64..1 << 61),
        stages in any::<[Option<u32>; 4]>(),
        names in prop::option::of("[a-z0-9_-]{1,64}"),
        group in prop::option::of("[a-z]{1,8}"),
        flags in any::<[bool; 2]>(),
        size in prop::option::of(any::<[u32; 2]>()),
        texts in (".*", ".*"),
        version in 0u8..4,
        tag in tag(),
        outcome in outcome(),
    ) -> Verdict {
        let stage = |at: usize| stages[at].map(|ns| Duration::from_nanos(u64::from(ns)));
        Verdict {
            sequence,
            run: RUN,
            captured: UNIX_EPOCH + Duration::from_nanos(times[0]),
            since_start: Duration::from_nanos(times[1]),
            recorded: UNIX_EPOCH + Duration::from_nanos(times[2]),
            evidence: flags[0],
            unconfirmed: !flags[0],
            subject: Subject {
                camera: names.map(|name| camera(&name)),
                group: group.map(Arc::from),
                frame_id: times[0],
                tag,
                stamp: stamp(version),
                simulated: flags[1],
                timings: Timings {
                    queue: stage(0),
                    preprocess: stage(1),
                    inference: stage(2),
                    judge: stage(3),
                    total: Duration::from_nanos(times[1]),
                },
                batch_size: u32::from(version),
                size,
                item: texts.0,
                truth: texts.1,
            },
            outcome,
        }
    }
}
