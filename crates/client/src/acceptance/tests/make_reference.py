#!/usr/bin/env python3
"""Writes reference.json: reference values of the statistics of an acceptance study, computed with NumPy and SciPy.

    pip install numpy==2.2.6 scipy==1.15.3
    python3 make_reference.py > reference.json

The gauge data are the example of AIAG, Measurement Systems Analysis, 4th edition: ten parts, three appraisers, three
trials. The sums of squares of parts and in total that are printed with its analysis of variance are checked here.
"""

import json
import math
import sys

import numpy as np
from scipy import stats

# [appraiser][trial][part]
AIAG = [
    [
        [0.29, -0.56, 1.34, 0.47, -0.80, 0.02, 0.59, -0.31, 2.26, -1.36],
        [0.41, -0.68, 1.17, 0.50, -0.92, -0.11, 0.75, -0.20, 1.99, -1.25],
        [0.64, -0.58, 1.27, 0.64, -0.84, -0.21, 0.66, -0.17, 2.01, -1.31],
    ],
    [
        [0.08, -0.47, 1.19, 0.01, -0.56, -0.20, 0.47, -0.63, 1.80, -1.68],
        [0.25, -1.22, 0.94, 1.03, -1.20, 0.22, 0.55, 0.08, 2.12, -1.62],
        [0.07, -0.68, 1.34, 0.20, -1.28, 0.06, 0.83, -0.34, 2.19, -1.50],
    ],
    [
        [0.04, -1.38, 0.88, 0.14, -1.46, -0.29, 0.02, -0.46, 1.77, -1.49],
        [-0.11, -1.13, 1.09, 0.20, -1.07, -0.67, 0.01, -0.56, 1.45, -1.77],
        [-0.15, -0.96, 0.67, 0.11, -1.45, -0.49, 0.21, -0.49, 1.87, -2.16],
    ],
]
# Sum of squares of parts, and in total, as printed.
AIAG_PARTS, AIAG_TOTAL = 88.3619, 94.6471


def gauge(parts: list[list[float]]) -> dict:
    """The analysis of variance with one factor: F and p by SciPy, the rest by NumPy."""
    f, p = stats.f_oneway(*parts)
    everything = np.concatenate([np.asarray(part) for part in parts])
    between = sum(len(part) * (np.mean(part) - everything.mean()) ** 2 for part in parts)
    within = sum(float(np.sum((np.asarray(part) - np.mean(part)) ** 2)) for part in parts)
    freedom = [len(parts) - 1, len(everything) - len(parts)]
    squares = [between / freedom[0], within / freedom[1]]
    each = (len(everything) - sum(len(part) ** 2 for part in parts) / len(everything)) / freedom[0]
    ev = math.sqrt(squares[1])
    pv = math.sqrt(max(0.0, (squares[0] - squares[1]) / each))
    return {
        "parts": parts,
        "between": float(between),
        "within": within,
        "freedom": freedom,
        "f": float(f),
        "p": float(p),
        "ev": ev,
        "pv": pv,
        "tv": math.hypot(ev, pv),
        "ev_percent": 100 * ev / math.hypot(ev, pv),
        "categories": math.floor(1.41 * pv / ev),
    }


def type1(scores: list[float], threshold: float, good_mean: float, reference: float) -> dict:
    """Cg, Cgk and Q_MS with T = 2 (threshold - mean of good parts), and the interval of the standard deviation."""
    tolerance = 2 * (threshold - good_mean)
    deviation = float(np.std(scores, ddof=1))
    bias = float(np.mean(scores)) - reference
    freedom = len(scores) - 1
    uncertainty = math.sqrt(deviation**2 + bias**2 / 3)
    return {
        "scores": scores,
        "threshold": threshold,
        "good_mean": good_mean,
        "reference": reference,
        "mean": float(np.mean(scores)),
        "deviation": deviation,
        "interval": [
            deviation * math.sqrt(freedom / stats.chi2.ppf(0.975, freedom)),
            deviation * math.sqrt(freedom / stats.chi2.ppf(0.025, freedom)),
        ],
        "cg": 0.2 * tolerance / (6 * deviation),
        "cgk": (0.1 * tolerance - abs(bias)) / (3 * deviation),
        "q_ms_percent": 100 * 2 * 2 * uncertainty / tolerance,
    }


def rates() -> list[dict]:
    """Intervals of rates by SciPy's exact and Wilson methods, and one-sided upper bounds."""
    found = []
    for events, count in [(0, 30), (1, 30), (3, 50), (50, 50), (7, 200), (0, 149)]:
        for confidence in (0.9, 0.95, 0.99):
            result = stats.binomtest(events, count)
            one_sided = stats.binomtest(events, count, alternative="less")
            found.append(
                {
                    "events": events,
                    "count": count,
                    "confidence": confidence,
                    "exact": list(map(float, result.proportion_ci(confidence, "exact"))),
                    "wilson": list(map(float, result.proportion_ci(confidence, "wilson"))),
                    "upper_bound": float(one_sided.proportion_ci(confidence, "exact").high),
                }
            )
    return found


def fleiss(subjects: list[list[int]]) -> float:
    """Fleiss' kappa, by counting agreeing pairs of ratings."""
    agreeing = pairs = 0.0
    observed = []
    for subject in subjects:
        ratings = [category for category, count in enumerate(subject) for _ in range(count)]
        together = [one == other for i, one in enumerate(ratings) for other in ratings[i + 1 :]]
        observed.append(sum(together) / len(together))
        agreeing += sum(together)
        pairs += len(together)
    shares = np.sum(subjects, axis=0) / np.sum(subjects)
    expected = float(np.sum(shares**2))
    return (float(np.mean(observed)) - expected) / (1 - expected)


def cohen(table: list[list[int]]) -> float:
    """Cohen's kappa, by the disagreements that chance explains."""
    counts = np.asarray(table, dtype=float)
    chance = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    wrong = 1 - np.eye(len(table))
    return 1 - float((counts * wrong).sum() / (chance * wrong).sum())


def main() -> int:
    values = np.asarray(AIAG)
    parts = values.transpose(2, 0, 1).reshape(10, 9)
    between = float(np.sum(9 * (parts.mean(axis=1) - parts.mean()) ** 2))
    total = float(np.sum((parts - parts.mean()) ** 2))
    if abs(between - AIAG_PARTS) > 5e-4 or abs(total - AIAG_TOTAL) > 5e-4:
        print(f"the data are not those of AIAG: {between} {total}", file=sys.stderr)
        return 1
    random = np.random.default_rng(20261130)
    still = [round(float(score), 6) for score in random.normal(0.312, 0.004, 50)]
    moved = [round(float(score), 6) for score in random.normal(0.318, 0.007, 30)]
    unequal = [[round(float(score), 6) for score in random.normal(mean, 0.02, count)]
               for mean, count in [(0.2, 3), (0.25, 5), (0.4, 2), (0.31, 4)]]
    # Wikipedia's example of Fleiss' kappa: 14 raters, 5 categories, kappa 0.210.
    psychiatrists = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
                     [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]
    trials = [[3, 0], [3, 0], [2, 1], [0, 3], [1, 2], [0, 3], [3, 0], [0, 3]]
    reference = {
        "type1": [
            type1(still, 0.5, 0.3, float(np.mean(still))),
            type1(moved, 0.5, 0.3, float(np.mean(still))),
        ],
        "gauges": [
            gauge([list(map(float, part)) for part in parts]),
            gauge([list(map(float, part)) for part in values[0].T]),
            gauge(unequal),
        ],
        "rates": rates(),
        "fleiss": [
            {"subjects": psychiatrists, "kappa": fleiss(psychiatrists)},
            {"subjects": trials, "kappa": fleiss(trials)},
        ],
        "cohen": [
            {"table": table, "kappa": cohen(table)}
            for table in ([[20, 5], [10, 15]], [[87, 3], [2, 58]], [[45, 15], [25, 15]])
        ],
    }
    json.dump(reference, sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
