#!/usr/bin/env python3
"""Draws the figures of the manual as SVG files in this folder.

    docs/drawings/draw.py            writes them
    docs/drawings/draw.py --check    exit code 1 if a file differs from what would be written
"""

import sys
from html import escape
from pathlib import Path

FOLDER = Path(__file__).resolve().parent

INK, SOFT, LIGHT, PART, WARM, BAD = "#1f2937", "#6b7280", "#f59e0b", "#cbd5e1", "#fde68a", "#b91c1c"
FONT = "DejaVu Sans, Helvetica, Arial, sans-serif"


class Drawing:
    """A figure: elements in the order in which they are drawn."""

    def __init__(self, title: str, width: int, height: int) -> None:
        self.title, self.width, self.height = title, width, height
        self.elements: list[str] = []

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = INK, width: float = 1.5,
             dashed: bool = False, arrow: bool = False) -> None:
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        head = f' marker-end="url(#head-{colour[1:]})"' if arrow else ""
        self.elements.append(f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" '
                             f'stroke-width="{width:g}"{dash}{head}/>')

    def rectangle(self, x: float, y: float, width: float, height: float, fill: str = "none", stroke: str = INK,
                  radius: float = 0) -> None:
        self.elements.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" '
                             f'fill="{fill}" stroke="{stroke}" stroke-width="1.5"/>')

    def path(self, data: str, fill: str = "none", stroke: str = INK, width: float = 1.5) -> None:
        self.elements.append(f'<path d="{data}" fill="{fill}" stroke="{stroke}" stroke-width="{width:g}"/>')

    def text(self, x: float, y: float, text: str, size: float = 13, colour: str = INK, anchor: str = "middle",
             bold: bool = False) -> None:
        weight = ' font-weight="bold"' if bold else ""
        self.elements.append(f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" '
                             f'text-anchor="{anchor}"{weight}>{escape(text)}</text>')

    def svg(self) -> str:
        heads = "".join(
            f'<marker id="head-{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>\n'
            for colour in (INK, SOFT, LIGHT, BAD))
        body = "\n".join(self.elements)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                f'width="{self.width}" height="{self.height}" role="img" font-family="{FONT}">\n'
                f"<title>{escape(self.title)}</title>\n<defs>\n{heads}</defs>\n"
                f'<rect width="{self.width}" height="{self.height}" rx="6" fill="#ffffff"/>\n{body}\n</svg>\n')


def camera(drawing: Drawing, x: float, y: float) -> None:
    """A camera that looks down, its lens ends at (x, y)."""
    drawing.rectangle(x - 22, y - 58, 44, 38, "#e5e7eb", radius=3)
    drawing.rectangle(x - 14, y - 20, 28, 20, "#9ca3af")


def optics() -> Drawing:
    drawing = Drawing("Sensor, lens, working distance and field of view", 720, 330)
    axis, lens_y, part_y = 300, 110, 280
    drawing.rectangle(axis - 45, 40, 90, 10, "#9ca3af")
    drawing.text(axis - 60, 49, "sensor", anchor="end")
    drawing.path(f"M{axis - 60} {lens_y}q60 -20 120 0q-60 20 -120 0z", "#dbeafe")
    drawing.text(axis - 74, lens_y + 4, "lens", anchor="end")
    drawing.rectangle(axis - 160, part_y, 320, 14, PART)
    drawing.text(axis - 172, part_y + 12, "part", anchor="end")
    for side in (-1, 1):
        drawing.line(axis + side * 45, 50, axis - side * 160, part_y, LIGHT)
    drawing.line(axis, 30, axis, part_y, SOFT, 1, dashed=True)
    for top, bottom, x, label in ((50, lens_y, 410, "focal length (approximately)"),
                                  (lens_y, part_y, 520, "working distance")):
        drawing.line(x, (top + bottom) / 2, x, top + 1, SOFT, arrow=True)
        drawing.line(x, (top + bottom) / 2, x, bottom - 1, SOFT, arrow=True)
        drawing.text(x + 12, (top + bottom) / 2 + 5, label, anchor="start")
    drawing.line(axis, 308, axis - 160, 308, SOFT, arrow=True)
    drawing.line(axis, 308, axis + 160, 308, SOFT, arrow=True)
    drawing.text(axis, 325, "field of view")
    drawing.line(axis + 172, part_y - 28, axis + 172, part_y, SOFT, arrow=True)
    drawing.line(axis + 172, part_y + 42, axis + 172, part_y + 14, SOFT, arrow=True)
    drawing.text(axis + 184, part_y + 12, "depth of field (sharp)", anchor="start")
    return drawing


def pixels() -> Drawing:
    drawing = Drawing("A scratch of one, three and six pixels width", 720, 240)
    cases = [(1, "1 pixel: lost in noise"), (3, "3 pixels: the minimum"), (6, "6 pixels: reliable")]
    for index, (width, label) in enumerate(cases):
        left, top, cell = 40 + index * 230, 20, 15
        for row in range(11):
            for column in range(12):
                # A scratch that leans by one pixel in four rows; its borders cover pixels by half.
                start = 6 - width / 2 - 0.5 + row / 4 - 1.2
                covered = max(0.0, min(column + 1, start + width) - max(column, start))
                level = round(225 - 150 * covered)
                drawing.elements.append(f'<rect x="{left + column * cell}" y="{top + row * cell}" width="{cell}" '
                                        f'height="{cell}" fill="rgb({level},{level},{level})" stroke="#f3f4f6"/>')
        drawing.text(left + 6 * cell, top + 11 * cell + 28, label)
    return drawing


def panel(drawing: Drawing, left: float, top: float, title: str, seen: str) -> float:
    """The frame of a setup; returns its axis."""
    drawing.rectangle(left, top, 220, 270, "#f9fafb", "#d1d5db", 6)
    drawing.text(left + 110, top + 24, title, 14, bold=True)
    drawing.text(left + 110, top + 258, seen, 11.5, SOFT)
    return left + 110


def part(drawing: Drawing, axis: float, y: float, half: float = 60) -> None:
    drawing.rectangle(axis - half, y, 2 * half, 12, PART)
    drawing.path(f"M{axis + 14} {y}l6 7l6 -7", "#ffffff")


def light_setups() -> Drawing:
    drawing = Drawing("Six ways to light a part", 720, 590)
    columns, rows = [15, 250, 485], [10, 300]

    axis, top = panel(drawing, columns[0], rows[0], "Bright field (ring light)", "matt parts: print, stains"), rows[0]
    camera(drawing, axis, top + 105)
    for side in (-1, 1):
        drawing.rectangle(axis + side * 42 - 14, top + 104, 28, 10, WARM)
        for target in (10, 40):
            drawing.line(axis + side * 42, top + 116, axis + side * target, top + 198, LIGHT, arrow=True)
    part(drawing, axis, top + 200)

    axis, top = panel(drawing, columns[1], rows[0], "Dark field (flat light)", "scratches and edges shine"), rows[0]
    camera(drawing, axis, top + 105)
    for side in (-1, 1):
        drawing.rectangle(axis + side * 88 - 10, top + 176, 20, 18, WARM)
        drawing.line(axis + side * 76, top + 187, axis + side * 10, top + 198, LIGHT, arrow=True)
        drawing.line(axis + side * 76, top + 183, axis + side * 34, top + 197, LIGHT, arrow=True)
    drawing.line(axis + 21, top + 204, axis + 6, top + 112, LIGHT, dashed=True, arrow=True)
    part(drawing, axis, top + 200)

    axis, top = panel(drawing, columns[2], rows[0], "Dome (diffuse light)", "shiny and curved parts, no glare"), rows[0]
    camera(drawing, axis, top + 92)
    drawing.path(f"M{axis - 85} {top + 190}a85 90 0 0 1 71 -88M{axis + 14} {top + 102}a85 90 0 0 1 71 88", stroke="#9ca3af", width=6)
    for x, y in ((-70, 150), (-40, 118), (40, 118), (70, 150)):
        drawing.line(axis + x, top + y, axis + x * 0.3, top + 197, LIGHT, arrow=True)
    part(drawing, axis, top + 200, 50)

    axis, top = panel(drawing, columns[0], rows[1], "Back light", "outline, holes, fill level, cracks"), rows[1]
    camera(drawing, axis, top + 105)
    part(drawing, axis, top + 168, 34)
    drawing.rectangle(axis - 75, top + 215, 150, 14, WARM)
    for x in (-60, -44, 44, 60):
        drawing.line(axis + x, top + 214, axis + x * 0.72, top + 128, LIGHT, arrow=True)
    for x in (-20, 0, 20):
        drawing.line(axis + x, top + 214, axis + x, top + 184, LIGHT, arrow=True)

    axis, top = panel(drawing, columns[1], rows[1], "Coaxial light", "flat, shiny parts: dents are dark"), rows[1]
    camera(drawing, axis, top + 105)
    drawing.line(axis - 32, top + 160, axis + 32, top + 120, "#60a5fa", 3)
    drawing.text(axis - 40, top + 168, "half mirror", 11, SOFT, "end")
    drawing.rectangle(axis + 82, top + 122, 14, 36, WARM)
    drawing.line(axis + 80, top + 140, axis + 4, top + 140, LIGHT, arrow=True)
    drawing.line(axis - 4, top + 144, axis - 4, top + 197, LIGHT, arrow=True)
    drawing.line(axis + 4, top + 197, axis + 4, top + 112, LIGHT, dashed=True, arrow=True)
    part(drawing, axis, top + 200)

    axis, top = panel(drawing, columns[2], rows[1], "Crossed polarisers", "plastic and glass without glare"), rows[1]
    camera(drawing, axis, top + 105)
    drawing.rectangle(axis - 20, top + 108, 40, 6, "#93c5fd")
    drawing.text(axis + 28, top + 116, "filter, vertical", 11, SOFT, "start")
    drawing.rectangle(axis - 98, top + 128, 20, 26, WARM)
    drawing.line(axis - 70, top + 132, axis - 62, top + 158, "#93c5fd", 5)
    drawing.text(axis - 98, top + 122, "filter, horizontal", 11, SOFT, "start")
    drawing.line(axis - 60, top + 149, axis - 6, top + 197, LIGHT, arrow=True)
    drawing.line(axis - 6, top + 197, axis - 2, top + 118, LIGHT, dashed=True, arrow=True)
    part(drawing, axis, top + 200)
    return drawing


def motion() -> Drawing:
    drawing = Drawing("Motion blur: the part moves while the shutter is open", 720, 170)
    drawing.line(30, 120, 690, 120, SOFT, 3)
    drawing.rectangle(120, 80, 120, 40, PART)
    drawing.rectangle(160, 80, 120, 40, "none", SOFT)
    drawing.line(300, 100, 380, 100, INK, arrow=True)
    drawing.text(390, 104, "line speed", anchor="start")
    drawing.line(140, 62, 120, 62, INK, arrow=True)
    drawing.line(140, 62, 160, 62, INK, arrow=True)
    drawing.line(120, 55, 120, 80, SOFT, 1, dashed=True)
    drawing.line(160, 55, 160, 80, SOFT, 1, dashed=True)
    drawing.text(140, 46, "path = speed x exposure")
    drawing.text(180, 148, "shutter opens", 12, SOFT)
    drawing.text(300, 148, "shutter closes", 12, SOFT)
    drawing.line(180, 136, 160, 122, SOFT, 1, arrow=True)
    drawing.line(290, 136, 281, 122, SOFT, 1, arrow=True)
    return drawing


def sequence(title: str, actors: list[str], steps: list[tuple], height: int) -> Drawing:
    """A sequence diagram. A step is (y, from, to, text) or (y, actor, text)."""
    width = 760
    drawing = Drawing(title, width, height)
    distance = (width - 160) / (len(actors) - 1)
    axis = [80 + index * distance for index in range(len(actors))]
    for x, name in zip(axis, actors, strict=True):
        half_box = max(62, 4.2 * len(name) + 6)
        drawing.rectangle(x - half_box, 12, 2 * half_box, 30, "#eef2ff", radius=4)
        drawing.text(x, 32, name, 13, bold=True)
        drawing.line(x, 42, x, height - 14, SOFT, 1, dashed=True)
    for step in steps:
        if len(step) == 3:
            y, actor, text = step
            lines = text.split("\n")
            half = 3.6 * max(map(len, lines)) + 8
            x = min(max(axis[actor], half + 4), width - half - 4)
            drawing.rectangle(x - half, y - 14, 2 * half, 10 + 15 * len(lines), "#fef9c3", "#d6c86a", 4)
            for index, line in enumerate(lines):
                drawing.text(x, y + 2 + 15 * index, line, 11.5)
        else:
            y, source, target, text = step
            colour = BAD if text.startswith("!") else INK
            drawing.line(axis[source], y, axis[target], y, colour, arrow=True)
            middle = (axis[source] + axis[target]) / 2
            drawing.text(middle, y - 6, text.removeprefix("!"), 11.5, colour)
    return drawing


def plc_trigger() -> Drawing:
    return sequence(
        "One part: trigger, result, acknowledgement", ["PLC", "gateway", "inspectd", "camera"],
        [(70, 0, 1, "TRIGGER on, part 4711"), (100, 1, 2, "TriggerInspection, wait"),
         (124, 2, 3, "next frame"), (152, 3, 2, "frame"), (184, 2, "judge, journal"),
         (216, 2, 1, "verdict: PASS"), (244, 1, 0, "OK on, READY on"), (272, 0, 1, "TRIGGER off (acknowledge)"),
         (300, 1, 0, "OK off, READY off")], 330)


def modbus_handshake() -> Drawing:
    return sequence(
        "One part over Modbus: the four phases", ["PLC", "inspectd-plc", "inspectd"],
        [(70, 0, 1, "COMMAND 7, PART_TEXT A17, TRIGGER on"), (98, 1, "BUSY on, key stored"),
         (130, 1, 2, "TriggerInspection, key, wait"), (158, 2, "judge, journal"), (190, 2, 1, "verdict: PASS"),
         (218, 1, "result registers, then in one step:\nRESULT_VALID and OK on, BUSY off"),
         (268, 0, 1, "reads: RESULT_VALID, OK, COMMAND_OUT 7"), (296, 0, 1, "ACKNOWLEDGE on"),
         (324, 1, 0, "RESULT_VALID and OK off"), (352, 1, 2, "AcknowledgeVerdicts"),
         (380, 0, 1, "TRIGGER and ACKNOWLEDGE off"), (408, 1, 0, "READY on")], 430)


def forward_batch() -> Drawing:
    return sequence(
        "Verdicts reach a receiver at least once", ["inspectd", "inspectd-forward", "receiver"],
        [(70, 0, "verdict 7 on disk"), (104, 0, 1, "verdict 7"), (132, 1, "batch, id box/run/7"),
         (164, 1, 2, "sends the batch"), (196, 2, "stores it"), (228, 2, 1, "confirms"), (256, 1, 0, "AcknowledgeVerdicts 7"),
         (320, 0, 1, "verdict 8"), (348, 1, 2, "sends 8"), (380, 2, "stores it"),
         (412, 1, "killed before the confirmation"), (446, 1, 0, "restart: stream of the consumer, after 7"),
         (474, 0, 1, "verdict 8 again"), (502, 1, 2, "sends 8 again, with the same id"), (534, 2, "known id: not stored twice"),
         (566, 2, 1, "confirms"), (594, 1, 0, "AcknowledgeVerdicts 8")], 616)


def opcua_job() -> Drawing:
    return sequence(
        "One part over OPC UA: a single job", ["MES", "inspectd-opcua", "inspectd"],
        [(70, 0, 1, "SelectModeAutomatic, PrepareRecipe"), (98, 1, 2, "PrepareRecipe"), (126, 2, 1, "id, version, SHA-256"),
         (154, 1, 0, "event RecipePrepared, state Ready"), (190, 0, 1, "StartSingleJob, PartId A17"),
         (222, 1, "state SingleExecution"), (254, 1, 2, "TriggerInspection, key, recipe and its SHA-256"),
         (282, 1, 0, "JobId, event JobStarted"), (314, 2, "judge, journal"), (346, 2, 1, "verdict: PASS"),
         (374, 1, 0, "event ResultReady: ResultId, Decision PASS"), (402, 1, 0, "event Ready: the next job may start"),
         (434, 0, "after an interruption"), (466, 0, 1, "GetResultListFiltered, GetResultById"),
         (494, 1, 2, "ListVerdicts"), (522, 1, 0, "the same results, from the journal")], 544)


def plc_deadline() -> Drawing:
    return sequence(
        "A part whose judgement is late", ["PLC", "gateway", "inspectd", "engine"],
        [(70, 0, 1, "TRIGGER on, part 4712"), (98, 1, 2, "TriggerInspection, wait"), (124, 2, 3, "frame"),
         (156, 2, "deadline_ms has passed"), (190, 2, 1, "!FAULT deadline_missed"),
         (218, 1, 0, "!OK stays off, FAULT on"), (246, 3, 2, "result: too late"), (276, 2, "counted as late,\nno second verdict"),
         (324, 0, "rejects the part")], 350)


def plc_repeat() -> Drawing:
    return sequence(
        "A lost answer: the request is repeated with its key", ["PLC", "gateway", "inspectd", "camera"],
        [(70, 0, 1, "TRIGGER on, part 4713"), (98, 1, 2, "TriggerInspection, key 1-4713"), (124, 2, 3, "next frame"),
         (150, 3, 2, "frame"), (178, 1, "connection lost"), (214, 1, 2, "the same request, key 1-4713"),
         (242, 2, "known: not\ninspected again"), (302, 2, 1, "the same verdict"),
         (328, 1, 0, "OK on, READY on")], 350)


def plc_wiring() -> Drawing:
    drawing = Drawing("Fail-safe outputs: a part passes only while READY and OK are on and ALIVE changes", 760, 250)
    drawing.rectangle(30, 40, 150, 150, "#eef2ff", radius=6)
    drawing.text(105, 62, "gateway", 14, bold=True)
    drawing.rectangle(560, 40, 170, 150, "#ecfdf5", radius=6)
    drawing.text(645, 62, "PLC", 14, bold=True)
    for y, name, meaning in ((90, "READY", "a verdict is there"), (118, "OK", "on only for PASS"),
                             (146, "FAULT", "not judged: call a person"), (174, "ALIVE", "changes every 500 ms")):
        drawing.line(180, y, 558, y, INK, arrow=True)
        drawing.text(170, y + 4, name, 13, anchor="end", bold=True)
        drawing.text(370, y - 5, meaning, 12)
    drawing.text(645, 96, "good part =", 12)
    drawing.text(645, 116, "READY and OK", 12)
    drawing.text(645, 132, "and not FAULT", 12)
    drawing.text(645, 148, "and ALIVE", 12)
    drawing.text(645, 168, "else: reject", 12, BAD, bold=True)
    drawing.text(380, 222, "A broken wire, a stopped program and a power failure all read as 0: the part is rejected.", 13)
    return drawing


def plc_timing() -> Drawing:
    drawing = Drawing("The time between camera and reject station", 760, 230)
    drawing.line(30, 120, 730, 120, SOFT, 4)
    for x, label in ((110, ""), (330, ""), (590, "")):
        drawing.rectangle(x - 24, 86, 48, 32, PART)
    camera(drawing, 110, 76)
    drawing.path("M590 40l0 36M574 60l16 18l16 -18", stroke=BAD, width=3)
    drawing.text(590, 30, "reject station")
    drawing.line(350, 152, 112, 152, INK, arrow=True)
    drawing.line(350, 152, 588, 152, INK, arrow=True)
    drawing.text(350, 172, "480 mm at 400 mm/s = 1200 ms")
    blocks = [(110, 160, "exposure and transfer", "#dbeafe"), (270, 110, "deadline_ms", WARM), (380, 80, "network", "#dbeafe"),
              (460, 128, "PLC and actuator", "#dcfce7")]
    for x, width, label, fill in blocks:
        drawing.rectangle(x, 188, width, 24, fill)
        drawing.text(x + width / 2, 204, label, 11)
    return drawing


FIGURES = {
    "optics": optics, "pixels": pixels, "light-setups": light_setups, "motion": motion, "plc-trigger": plc_trigger,
    "plc-deadline": plc_deadline, "plc-repeat": plc_repeat, "plc-wiring": plc_wiring, "plc-timing": plc_timing,
    "modbus-handshake": modbus_handshake, "forward-batch": forward_batch, "opcua-job": opcua_job,
}


def main() -> None:
    differing = []
    for name, draw in FIGURES.items():
        file, text = FOLDER / f"{name}.svg", draw().svg()
        if "--check" in sys.argv[1:]:
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                differing.append(file.name)
        else:
            file.write_text(text, encoding="utf-8")
    if differing:
        sys.exit(f"{', '.join(differing)}: out of date: run docs/drawings/draw.py")


if __name__ == "__main__":
    main()
