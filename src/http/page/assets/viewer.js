// The large picture of a verdict: picture, blend or heat, with outlines that show details.

import { blendControl } from "./blend-control.js";
import { createOutlineLayer, outlineSample } from "./outline-layer.js";
import { createPicture, hasPicture } from "./picture.js";
import { describeDefect, outlineLegend } from "./outlines.js";
import { describeOutline } from "./outline-text.js";
import { emptyState, h, setText } from "./dom.js";
import { number } from "./format.js";
import { whyNoPicture } from "./api.js";

const DRAWING_HINT = "Click the corners, then the first one again. Keys: arrows, with Shift in larger steps, and Space.";
const NO_PICTURE = "No picture is kept to draw over.";

/**
 * Creates the viewer.
 * @param {Object} verdict
 * @param {{onPoint: function(number|null): void, onOutline: function(number|null): void}} handlers receive the index of the
 *   defect, or of the drawn outline, that is pointed at
 * @returns {{element: HTMLElement, mark: function(number|null): void, markOutline: function(number|null): void,
 *   showOutlines: function(import("./outline-layer.js").DrawnOutline[]): void, cancelDrawing: function(): void,
 *   draw: function(): Promise<import("./polygon-geometry.js").Corner[]|null>, whenShown: Promise<string>}} `draw` lets
 *   the person draw an outline, null: it was cancelled; `whenShown` is empty, or why there is no picture
 */
export function createViewer(verdict, { onPoint, onOutline }) {
  if (!hasPicture(verdict)) return emptyViewer(verdict);
  const source = verdict.camera_id ? `Camera ${verdict.camera_id}` : "Image";
  let endLoading;
  const whenShown = new Promise((resolve) => (endLoading = resolve));
  const picture = createPicture({ side: 1600, label: source, alwaysHeat: true, onPoint, onMissing: showMissing, onShown: () => endLoading("") });
  picture.element.style.setProperty("--shape", String(verdict.width / verdict.height));
  const detail = h("p", { class: "picture-detail" });
  const spoken = h("p", { class: "only-spoken", role: "status" });
  const outlines = h("input", { type: "checkbox" });
  outlines.checked = true;
  outlines.addEventListener("change", showChecked);
  const drawnLegend = h("span", { class: "legend-entry" });
  const check = h("label", { class: "check" }, outlines, "Outlines ", outlineLegend(verdict.regions), drawnLegend);
  const heat = Boolean(verdict.score);
  const controls = h("div", { class: "toolbar" },
    heat ? blendControl("verdict-blend", 0.5, picture.blend) : h("span", { class: "soft" }, "No heat: the frame was not judged."), check);

  const layer = createOutlineLayer(verdict, { onPoint: onOutline, onEnd: endDrawing, say });
  const press = (title, shownKey, key) => h("button", { type: "button", onclick: () => layer.press(key) }, title, h("kbd", {}, shownKey));
  const tools = h("div", { class: "buttons outline-tools", role: "group", "aria-label": "Drawing of an outline", hidden: true },
    press("Complete", "Enter", "Enter"), press("Remove last corner", "⌫", "Backspace"), press("Cancel", "Esc", "Escape"));
  const element = h("div", { class: "viewer" }, picture.element, detail, spoken, tools, controls);
  picture.element.append(layer.element);
  let drawn = [];
  let onEnd = null;
  showOutlines([]);
  picture.show(verdict);

  async function showMissing(url) {
    endLoading(NO_PICTURE);
    const reason = await whyNoPicture(url);
    const text = reason && reason.code !== "NOT_FOUND" ? reason.message : "The frame and the anomaly map of this verdict are no longer kept. The verdict itself is complete.";
    element.replaceChildren(emptyState(reason && reason.code !== "NOT_FOUND" ? "The picture cannot be loaded" : "Evidence is no longer kept", text));
  }

  function showChecked() {
    picture.element.classList.toggle("without-outlines", !outlines.checked);
  }

  function say(text) {
    setText(detail, text);
    setText(spoken, text);
  }

  function showDetail(text) {
    if (onEnd) return;
    const idle = verdict.regions.length + drawn.length > 0 ? "Point at an outline or move to it with the Tab key for details." : "No defects.";
    setText(detail, text ?? idle);
  }

  function mark(index) {
    for (const outline of picture.element.querySelectorAll(".outline")) {
      outline.classList.toggle("marked", Number(outline.dataset.index) === index);
    }
    showDetail(index === null ? null : describeDefect(verdict.regions[index], index));
  }

  function markOutline(index) {
    layer.mark(index);
    showDetail(index === null || !drawn[index] ? null : describeOutline(drawn[index], index));
  }

  function showOutlines(next) {
    drawn = next;
    layer.show(drawn);
    check.hidden = verdict.regions.length + drawn.length === 0;
    drawnLegend.hidden = drawn.length === 0;
    drawnLegend.replaceChildren(outlineSample(), `${number(drawn.length)} drawn`);
    showDetail(null);
  }

  function draw() {
    outlines.checked = true;
    showChecked();
    tools.hidden = false;
    say(DRAWING_HINT);
    layer.draw();
    tools.scrollIntoView({ block: "nearest" });
    return new Promise((resolve) => (onEnd = resolve));
  }

  function endDrawing(corners) {
    const end = onEnd;
    onEnd = null;
    tools.hidden = true;
    setText(spoken, "");
    showDetail(null);
    end(corners);
  }

  return { element, mark, markOutline, showOutlines, draw, cancelDrawing: () => onEnd && layer.press("Escape"), whenShown };
}

function emptyViewer(verdict) {
  const isPart = verdict.views.length > 0;
  const text = isPart ? "The verdict of a part has no picture of its own. Open one of its views." : "No frame belongs to this verdict.";
  const nothing = () => {};
  return {
    element: h("div", { class: "viewer" }, emptyState("No picture", text)),
    mark: nothing,
    markOutline: nothing,
    showOutlines: nothing,
    draw: () => Promise.resolve(null),
    cancelDrawing: nothing,
    whenShown: Promise.resolve(isPart ? "Outlines are drawn on the views of the part." : NO_PICTURE),
  };
}
