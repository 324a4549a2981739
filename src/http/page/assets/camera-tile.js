// The tile of a camera: its newest verdict with picture, its state and its counts of the present shift.

import { cameraBadge, decisionKind, shape } from "./shapes.js";
import { createPicture } from "./picture.js";
import { describeFault, term, tileParts } from "./tile-parts.js";
import { h, replaceIfChanged, setText } from "./dom.js";
import { number, score, yieldOf } from "./format.js";
import { outlineLegend } from "./outlines.js";
import { scoreBar } from "./score-bar.js";

const COUNTS = ["pass", "review", "reject", "fault"];

/** Creates the tile. @param {string} id of the camera @param {boolean} wall larger, without links @returns {Object} */
export function cameraTile(id, wall) {
  const parts = tileParts(id, `Camera ${id}`);
  const legend = h("span", {});
  const bar = scoreBar();
  const cells = Object.fromEntries(["rate", "queue", "yield", ...COUNTS].map((name) => [name, h("dd", {}, "-")]));
  const picture = createPicture({
    side: wall ? 1280 : 640,
    label: `Camera ${id}`,
    onShown: ({ regions }) => replaceIfChanged(legend, regions.map((region) => region.kind).join(), () => outlineLegend(regions)),
  });
  const drift = h("p", { class: "tile-note review", hidden: true });
  const link = h(wall ? "div" : "a", { class: "picture-link" }, picture.element);
  parts.element.append(link, h("p", { class: "picture-line" }, parts.age, legend), parts.problem, drift, bar.element,
    h("dl", { class: "facts-row" }, term("Rate", cells.rate), term("Latency", parts.latency), term("Queue", cells.queue), term("Yield", cells.yield)),
    h("dl", { class: "facts-row counts" }, COUNTS.map((name) => term(name.toUpperCase(), cells[name]))));

  let camera = null;
  const tile = { element: parts.element, showCamera, showVerdict, showAge: parts.showAge, blend: picture.blend, end: picture.end, verdict: null };

  function showCamera(next) {
    camera = next;
    replaceIfChanged(parts.state, camera.state, () => cameraBadge(camera.state));
    setText(cells.rate, `${number(camera.frames_per_second, 1)} /s`);
    setText(cells.queue, number(camera.queued));
    const { decisions, shift_decisions: counts } = camera;
    setText(cells.yield, counts ? yieldOf(counts) : "-");
    for (const name of COUNTS) {
      setText(cells[name], number(counts?.[name]));
      cells[name].title = `${number(decisions[name])} since the start of the daemon`;
    }
    drift.hidden = !isRising(camera.drift);
    replaceIfChanged(drift, JSON.stringify(camera.drift ?? null), () => driftNote(camera, wall));
    showProblem();
  }

  function showVerdict(verdict) {
    tile.verdict = verdict;
    parts.showVerdict(verdict);
    bar.show(verdict.score, decisionKind(verdict.decision));
    if (!wall) {
      if (verdict.sequence) link.href = `/verdicts/${verdict.sequence}`;
      else link.removeAttribute("href");
    }
    picture.show(verdict);
    showProblem();
  }

  function showProblem() {
    const stopped = camera !== null && camera.state !== "CAMERA_STATE_RUNNING";
    const fault = tile.verdict?.fault;
    // A verdict of a camera that has stopped says nothing about the part that is there now.
    parts.element.classList.toggle("old", stopped && !fault);
    parts.showProblem((stopped && camera.last_error) || describeFault(fault));
  }

  return tile;
}

// Lower scores are harmless.
const isRising = (drift) => Boolean(drift?.drifting) && drift.shift > 0;

/** That the scores of a camera have risen. @param {Object} camera @param {boolean} wall without a link @returns {Array} */
function driftNote({ id, drift }, wall) {
  if (!isRising(drift)) return [];
  const reference = drift.learned ? "those of the first frames with the recipe" : "in the calibration";
  const text = `Scores of passed frames are ${score(drift.shift)} higher than ${reference}.`;
  return [shape("review"), h("span", {}, `${text} `, !wall && h("a", { href: `/tuning?camera=${encodeURIComponent(id)}` }, "Tuning"))];
}
