"""The common slope of several series."""

import math


def slope(points):
    """The slope of lines through `points` (series, x, y) that have an intercept for each series, and its standard error;
    None if there are too few points."""
    series = {}
    for name, x, y in points:
        series.setdefault(name, []).append((x, y))
    centred = []
    for values in series.values():
        mean_x, mean_y = (sum(value[axis] for value in values) / len(values) for axis in (0, 1))
        centred += [(x - mean_x, y - mean_y) for x, y in values]
    spread = sum(x * x for x, _ in centred)
    free = len(points) - len(series) - 1
    if free < 1 or spread == 0:
        return None
    steepness = sum(x * y for x, y in centred) / spread
    rest = sum((y - steepness * x) ** 2 for x, y in centred)
    return [round(steepness, 3), round(math.sqrt(rest / free / spread), 3)]
