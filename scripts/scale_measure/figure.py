"""The figure of a curve, as SVG: one plot for each group of metrics."""

import math

from .curve import series

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 30, 44
LEGEND_LINE = 16
HEAD = 34
COLUMNS = 2
# A longer axis of values is logarithmic, and then that of the costs as well: a power law is a straight line.
LOG_FROM = 10
# A logarithmic axis has at least this length.
SHORTEST = 4
TICKS = 5
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#888888")
STYLE = (
    "text{fill:#222}.back{fill:#fff}.grid{stroke:#ddd}.axis{stroke:#888;fill:none}.linear{stroke:#888;stroke-dasharray:5 4}"
    "@media (prefers-color-scheme: dark){text{fill:#ddd}.back{fill:#16181c}.grid{stroke:#3a3d42}}"
)


class Axis:
    """Places numbers between the pixels `start` and `end`."""

    def __init__(self, numbers, start, end, log):
        self.log = log and min(numbers) > 0
        self._start, self._end = start, end
        if self.log:
            margin = max(1.2, math.sqrt(SHORTEST * min(numbers) / max(numbers)))
            self.low, self.high = min(numbers) / margin, max(numbers) * margin
        else:
            self.low, self.high = 0, 1.1 * max(numbers) or 1

    def __call__(self, number):
        if self.log:
            share = math.log(number / self.low) / math.log(self.high / self.low)
        else:
            share = (number - self.low) / (self.high - self.low)
        return self._start + share * (self._end - self._start)

    def ticks(self):
        if not self.log:
            step = 10 ** math.floor(math.log10(self.high / TICKS))
            step *= next(factor for factor in (1, 2, 5, 10) if self.high / (factor * step) <= TICKS)
            return [index * step for index in range(int(self.high / step) + 1)]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        factors = (1,) if len(decades) > 3 else (1, 2, 5)
        ticks = [factor * 10**decade for decade in decades for factor in factors]
        return [tick for tick in ticks if self.low <= tick <= self.high]


def short(number):
    """A number with at most three digits."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.3g}"


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def text(x, y, words, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escaped(words)}</text>'


def panels(found):
    """The metrics that were measured, by plot."""
    groups = {}
    for metric in found["metrics"]:
        if series(found, metric) and not metric["fact"]:
            groups.setdefault(metric["panel"], []).append(metric)
    return groups


def plot(found, name, metrics, number):
    """The parts of one plot."""
    points = {metric["key"]: series(found, metric) for metric in metrics}
    values = {value: label for of_metric in points.values() for value, label, _ in of_metric}
    costs = [cost[end] for of_metric in points.values() for _, _, cost in of_metric for end in ("low", "high")]
    x = Axis(list(values), LEFT, WIDTH - RIGHT, max(values) >= LOG_FROM * min(values))
    y = Axis(costs, HEIGHT - BOTTOM, TOP, x.log)
    yield text(LEFT - 48, 18, f"{name}, {metrics[0]['unit']}", more=' font-weight="bold"')
    yield f'<clipPath id="plot{number}"><path d="M{LEFT} {TOP}H{WIDTH - RIGHT}V{HEIGHT - BOTTOM}H{LEFT}Z"/></clipPath>'
    for tick in y.ticks():
        yield f'<path class="grid" d="M{LEFT} {y(tick):.1f}H{WIDTH - RIGHT}"/>'
        yield text(LEFT - 6, y(tick) + 4, short(tick), "end")
    for value, label in values.items():
        yield f'<path class="grid" d="M{x(value):.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        yield text(x(value), HEIGHT - BOTTOM + 16, label if "x" in label else short(value), "middle")
    yield text(WIDTH - RIGHT, HEIGHT - 10, found["axis"], "end")
    yield f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>'
    yield from linear(points, metrics, x, y, number)
    for index, metric in enumerate(metrics):
        yield from line(points[metric["key"]], COLOURS[index % len(COLOURS)], x, y)
        height = HEIGHT + 4 + LEGEND_LINE * index
        yield f'<circle cx="{LEFT}" cy="{height - 4}" r="4" fill="{COLOURS[index % len(COLOURS)]}"/>'
        yield text(LEFT + 10, height, metric["label"])


def linear(points, metrics, x, y, number):
    """The line of a cost that grows as the value does, from the first point."""
    totals = [metric for metric in metrics if not metric["each"]]
    if not (x.log and y.log and totals):
        return
    value, _, cost = points[totals[0]["key"]][0]
    last = max(value for of_metric in points.values() for value, _, _ in of_metric)
    ends = f"M{x(value):.1f} {y(cost['median']):.1f}L{x(last):.1f} {y(cost['median'] * last / value):.1f}"
    yield f'<path class="linear" clip-path="url(#plot{number})" d="{ends}"/>'


def line(points, colour, x, y):
    places = [(x(value), y(cost["median"]), y(cost["low"]), y(cost["high"])) for value, _, cost in points]
    path = " ".join(f"{across:.1f},{up:.1f}" for across, up, _, _ in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
    for across, up, low, high in places:
        yield f'<path d="M{across:.1f} {low:.1f}V{high:.1f}" stroke="{colour}"/>'
        yield f'<circle cx="{across:.1f}" cy="{up:.1f}" r="3" fill="{colour}"/>'


def figure(found):
    """The text of the file."""
    groups = list(panels(found).items())
    rows = [groups[first : first + COLUMNS] for first in range(0, len(groups), COLUMNS)]
    heights = [HEIGHT + 12 + LEGEND_LINE * max(len(metrics) for _, metrics in row) for row in rows]
    across, down = COLUMNS * WIDTH + 20, HEAD + sum(heights) + 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across} {down}" font-family="sans-serif" font-size="12">',
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{across}" height="{down}"/>',
        text(16, 22, found["title"], more=' font-size="15" font-weight="bold"'),
    ]
    for number, (name, metrics) in enumerate(groups):
        row, column = divmod(number, COLUMNS)
        parts.append(f'<g transform="translate({column * WIDTH} {HEAD + sum(heights[:row])})">')
        parts += [*plot(found, name, metrics, number), "</g>"]
    note = "Medians; bars: lowest and highest round. Dashed: growth in proportion, from the first point of the first curve."
    parts += [text(16, down - 10, note), "</svg>"]
    return "\n".join(parts) + "\n"
