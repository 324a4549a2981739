//! Properties of reports of arbitrary verdicts.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn any_outcome() -> impl Strategy<Value = Outcome> {
    let reason = || prop::sample::select(FaultReason::ALL.to_vec());
    let decided = prop::sample::select(vec![Decision::Pass, Decision::Review, Decision::Reject]);
    prop_oneof![
        4 => decided.prop_map(judged),
        1 => (reason(), any::<bool>()).prop_map(|(reason, rejects)| fault(reason, rejects)),
        2 => prop::sample::select(Decision::ALL.to_vec()).prop_map(|all| part(all, None)),
    ]
}

fn any_verdict() -> impl Strategy<Value = (Verdict, Option<Label>)> {
    let id = |names: Vec<&'static str>| prop::sample::select(names);
    let kinds = vec![LabelKind::Good, LabelKind::Defective, LabelKind::Unsure];
    (
        0..LENGTH_S + 100,
        id(vec!["", "left", "right", "belt"]),
        id(vec!["", "cell"]),
        any_outcome(),
        (0u8..3, prop::option::of(id(vec!["juice", "beer"]))),
        prop::option::of(prop::sample::select(kinds)),
        0u64..1_000_000_000,
    )
        .prop_map(|(second, camera, group, outcome, made, kind, total_ns)| {
            let mut verdict = verdict(second, camera, group, outcome);
            verdict.subject.stamp = stamp(made.0, made.1);
            verdict.subject.timings.total = Duration::from_nanos(total_ns);
            (verdict, kind.map(|kind| label(kind, "scratch")))
        })
}

fn sum<'a>(all: impl IntoIterator<Item = &'a DecisionCounts>) -> DecisionCounts {
    let mut sum = DecisionCounts::default();
    for one in all {
        sum.pass += one.pass;
        sum.review += one.review;
        sum.reject += one.reject;
        sum.fault += one.fault;
    }
    sum
}

proptest! {
    #[test]
    fn sums_over_sources_intervals_recipes_and_models_are_the_parts(
        verdicts in prop::collection::vec(any_verdict(), 0..200),
    ) {
        let report = report_in(scope(), &verdicts);
        let in_period: Vec<_> = verdicts
            .iter()
            .map(|(verdict, _)| verdict)
            .filter(|verdict| verdict.recorded < at(LENGTH_S))
            .collect();
        let sources = report.sources.iter().map(|source| &source.parts);
        prop_assert_eq!(sum(sources), report.parts);
        let intervals = report.intervals.iter().map(|interval| &interval.parts);
        prop_assert_eq!(sum(intervals), report.parts);
        prop_assert_eq!(sum(report.recipes.iter().map(|(_, parts)| parts)), report.parts);
        prop_assert_eq!(sum(report.models.iter().map(|(_, parts)| parts)), report.parts);
        prop_assert!(report.intervals.len() <= 96);
        let views = in_period.iter().filter(|verdict| {
            verdict.subject.camera.is_some() && verdict.subject.group.is_some()
        });
        let counted = total(report.parts) + total(report.client_images) + views.count() as u64;
        prop_assert_eq!(counted, in_period.len() as u64);
        // Each rejected frame has a region, a branch, and a label or none.
        let rejected: u64 = report.regions.iter().map(|cause| cause.count).sum();
        let branches: u64 = report.branches.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(rejected, branches);
        let reviewed = report.reviewed;
        let labelled = reviewed.rejected_good + reviewed.rejected_defective;
        prop_assert!(labelled + reviewed.rejected_unlabelled <= rejected);
        prop_assert!(rejected <= labelled + reviewed.rejected_unlabelled + reviewed.unsure);
        let judged = in_period.iter().filter(|verdict| verdict.outcome.judgement().is_some());
        prop_assert_eq!(report.latency.count, judged.count() as u64);
    }

    #[test]
    fn counts_and_percentiles_do_not_depend_on_the_order_of_the_verdicts(
        (verdicts, shuffled) in prop::collection::vec(any_verdict(), 0..100)
            .prop_flat_map(|verdicts| (Just(verdicts.clone()), Just(verdicts).prop_shuffle())),
    ) {
        let without_standstills = |verdicts: &[_]| Report {
            standstills: Vec::new(),
            standstill_total: Duration::ZERO,
            ..report_in(scope(), verdicts)
        };
        prop_assert_eq!(without_standstills(&verdicts), without_standstills(&shuffled));
    }

    #[test]
    fn percentiles_of_a_report_are_within_one_per_cent_of_the_sorted_latencies(
        mut verdicts in prop::collection::vec(any_verdict(), 1..200),
    ) {
        for (second, (verdict, _)) in (0..).zip(&mut verdicts) {
            verdict.recorded = at(second);
        }
        let report = report_in(scope(), &verdicts);
        let judged = verdicts.iter().filter(|(verdict, _)| verdict.outcome.judgement().is_some());
        let mut sorted: Vec<Duration> =
            judged.map(|(verdict, _)| verdict.subject.timings.total).collect();
        sorted.sort_unstable();
        let found = report.latency;
        let by_share = BTreeMap::from([(50, found.p50), (95, found.p95), (99, found.p99)]);
        for (percent, percentile) in by_share {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            let exact = sorted.get(rank - 1).copied().unwrap_or_default();
            let difference = percentile.abs_diff(exact);
            prop_assert!(difference * 100 <= exact, "p{}: {:?}, not {:?}", percent, percentile, exact);
        }
    }
}
