"""The table of all curves, as Markdown."""

from .curve import exponent, series

# Above this, the cost per unit of the value is marked.
MARKED = 1.2
HEAD = """# Cost curves

Relative: the cost, compared with that at the smallest value. Per unit: the same for the cost divided by the value: above 1
the curve is worse than linear, and above {limit} it is bold. For a cost that is already per verdict, delivery or similar,
it is the relative cost. Added: the cost of one further unit of the value, from the row before to this one: for a linear cost
that starts above 0 it is constant. Exponent: that of the growth since the row before: 0 is constant, 1 linear, 2 quadratic.
"""


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def name(metric):
    return f"{metric['panel']}: {metric['label']}, {metric['unit']}"


def text(value, form):
    return "" if value is None else format(value, form)


def rows(found, metric):
    """The rows of a metric."""
    points = series(found, metric)
    first = before = None
    for value, label, cost in points:
        now = (value, cost["median"])
        first = first or now
        relative = now[1] / first[1] if first[1] else None
        each = relative if metric["each"] or relative is None else relative / (value / first[0])
        growth = exponent(before, now) if before else None
        added = (now[1] - before[1]) / (value - before[0]) if before and not metric["each"] else None
        spread = f" ({number(cost['low'])} to {number(cost['high'])})" if cost["low"] != cost["high"] else ""
        marked = "" if each is None else f"**{each:.2f}**" if each > MARKED else f"{each:.2f}"
        cells = [name(metric) if before is None else "", label, f"{number(now[1])}{spread}"]
        if metric["fact"]:
            cells += [""] * 4
        else:
            cells += [text(relative, ".2f"), marked, text(added, ".2g"), text(growth, ".2f")]
        yield f"| {' | '.join(cells)} |"
        before = now


def block(found):
    """The lines of a curve."""
    machine = found["machine"]
    yield f"\n## {found['title']}\n"
    loads = [one["load"] for one in found["measurements"]]
    short = "; short measurements (--quick), no results" if found["quick"] else ""
    load = f"load before a measurement {min(loads):.1f} to {max(loads):.1f}"
    yield f"{machine['cores']} cores of {machine['cpu']}; {load}{short}\n"
    yield f"![{found['title']}]({found['curve']}.svg)\n"
    yield f"| cost | {found['axis']} | median (lowest to highest round) | relative | per unit | added | exponent |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for metric in found["metrics"]:
        yield from rows(found, metric)


def summary(results):
    """The text of the file."""
    lines = [HEAD.format(limit=MARKED)]
    for found in results:
        lines += block(found)
    return "\n".join(lines) + "\n"
