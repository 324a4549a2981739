"""A cost curve: what is measured at which values, and its result."""

import dataclasses
import json
import math
import os
import platform
import statistics
from collections.abc import Callable
from pathlib import Path

# The format of stored results. Results of other formats are measured again.
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Metric:
    """A cost. Metrics of one `panel` share an axis of the figure, and a unit."""

    key: str
    label: str
    unit: str
    panel: str
    # The cost of one unit of the line's output, such as CPU time per verdict. It is constant if the total is linear.
    each: bool = False
    # No cost, but a condition of the measurement: it is not compared, and not in the figure.
    fact: bool = False


@dataclasses.dataclass(frozen=True)
class Curve:
    name: str
    title: str
    # What the value is, with its unit.
    axis: str
    values: tuple
    metrics: tuple[Metric, ...]
    # (value, settings) -> cost by key, and "raw" with what the program printed.
    measure: Callable
    # (value, settings) -> estimated duration of one measurement, seconds.
    seconds: Callable
    full_values: tuple = ()
    # Each round measures all values once; they are measured in turns, because the speed of a machine varies.
    rounds: int = 1
    # (value) -> text of a value.
    label: Callable = "{:,}".format

    def chosen(self, settings):
        if settings.quick:
            return self.values[:2]
        return self.values + (self.full_values if settings.full else ())

    def chosen_rounds(self, settings):
        return 1 if settings.quick else self.rounds


def machine():
    """The machine, as far as it matters for a result."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"cpu": names[0] if names else platform.machine(), "cores": len(os.sched_getaffinity(0))}


def result(curve, settings, measurements):
    """The result of all measurements, which have a value, a round, and the costs."""
    points = []
    for value in curve.chosen(settings):
        own = [one["costs"] for one in measurements if one["value"] == value]
        point = {"value": value, "label": curve.label(value)}
        for metric in curve.metrics:
            costs = [costs[metric.key] for costs in own if costs.get(metric.key) is not None]
            if costs:
                point[metric.key] = {"median": statistics.median(costs), "low": min(costs), "high": max(costs)}
        points.append(point)
    return {
        "format": FORMAT,
        "curve": curve.name,
        "title": curve.title,
        "axis": curve.axis,
        "quick": settings.quick,
        "machine": machine(),
        "metrics": [dataclasses.asdict(metric) for metric in curve.metrics],
        "points": points,
        "measurements": measurements,
    }


def read(file):
    """A stored result; None if there is none of this format."""
    try:
        found = json.loads(file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return found if found.get("format") == FORMAT else None


def write(file, text):
    """Replaces a file: an interrupted run leaves the old one."""
    partial = file.with_name(file.name + ".partial")
    partial.write_text(text)
    partial.replace(file)


def is_finished(found, curve, settings):
    """Whether a stored result has all values that are wanted, with the wanted durations."""
    if not found or found["quick"] != settings.quick:
        return False
    measured = {point["value"] for point in found["points"]}
    return measured.issuperset(curve.chosen(settings))


def series(found, metric):
    """The points of a metric: value, text of the value, cost."""
    key = metric["key"]
    return [(point["value"], point["label"], point[key]) for point in found["points"] if key in point]


def exponent(before, after):
    """The exponent of the power law through two points (value, cost); None if it is not defined."""
    (x, y), (other_x, other_y) = before, after
    if min(x, y, other_x, other_y) <= 0 or x == other_x:
        return None
    return math.log(other_y / y) / math.log(other_x / x)
