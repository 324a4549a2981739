//! AUROC: how well scores rank anomalous parts above good ones.

/// Returns the exact area under the ROC curve: the probability that an anomalous part scores higher than a
/// good one, with ties counted half (the Mann-Whitney statistic). `None` if either list is empty or a score
/// is NaN.
pub fn auroc(good: &[f64], anomalous: &[f64]) -> Option<f64> {
    let unranked = good.iter().chain(anomalous).any(|score| score.is_nan());
    if good.is_empty() || anomalous.is_empty() || unranked {
        return None;
    }
    let mut sorted = good.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let halves_won: u64 = anomalous
        .iter()
        .map(|score| {
            let below = sorted.partition_point(|other| other < score);
            let not_above = sorted.partition_point(|other| other <= score);
            (below + not_above) as u64 // 2 for each lower score, 1 for each tie
        })
        .sum();
    let pairs = good.len() as f64 * anomalous.len() as f64;
    Some(halves_won as f64 / 2.0 / pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn auroc_of_small_cases() {
        let check = |good: &[f64], anomalous: &[f64], expected| {
            assert_eq!(auroc(good, anomalous), expected, "{good:?} {anomalous:?}");
        };
        check(&[1.0, 2.0], &[3.0, 4.0], Some(1.0));
        check(&[3.0, 4.0], &[1.0, 2.0], Some(0.0));
        check(&[1.0, 3.0], &[2.0, 4.0], Some(0.75));
        check(&[1.0], &[1.0], Some(0.5));
        check(&[-0.0], &[0.0], Some(0.5));
        check(&[f64::NEG_INFINITY], &[f64::INFINITY], Some(1.0));
        check(&[], &[1.0], None);
        check(&[1.0], &[], None);
        check(&[f64::NAN], &[1.0], None);
    }

    proptest! {
        #[test]
        fn auroc_is_the_share_of_pairs_in_the_right_order(
            good in prop::collection::vec(-4i8..4, 1..40),
            anomalous in prop::collection::vec(-3i8..6, 1..40),
        ) {
            let floats = |v: &[i8]| v.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let mut won = 0.0;
            for g in &good {
                for a in &anomalous {
                    won += match a.cmp(g) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    };
                }
            }
            let expected = won / (good.len() * anomalous.len()) as f64;
            prop_assert_eq!(auroc(&floats(&good), &floats(&anomalous)), Some(expected));
        }
    }
}
