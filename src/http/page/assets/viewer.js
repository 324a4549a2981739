// The large picture of a verdict: picture, blend or heat, with outlines that show details.

import { blendControl } from "./blend-control.js";
import { createPicture, hasPicture } from "./picture.js";
import { describeDefect, outlineLegend } from "./outlines.js";
import { emptyState, h, setText } from "./dom.js";
import { whyNoPicture } from "./api.js";

/**
 * Creates the viewer.
 * @param {Object} verdict
 * @param {function(number|null): void} onPoint receives the index of the defect that is pointed at
 * @returns {{element: HTMLElement, mark: function(number|null): void}}
 */
export function createViewer(verdict, onPoint) {
  if (!hasPicture(verdict)) {
    const text = verdict.views.length > 0 ? "The verdict of a part has no picture of its own. Open one of its views." : "No frame belongs to this verdict.";
    return { element: h("div", { class: "viewer" }, emptyState("No picture", text)), mark: () => {} };
  }
  const source = verdict.camera_id ? `Camera ${verdict.camera_id}` : "Image";
  const picture = createPicture({ side: 1600, label: source, alwaysHeat: true, onPoint, onMissing: showMissing });
  picture.element.style.setProperty("--shape", String(verdict.width / verdict.height));
  const detail = h("p", { class: "picture-detail" });
  const idle = verdict.regions.length > 0 ? "Point at an outline or move to it with the Tab key for details." : "No defects.";
  const outlines = h("input", { type: "checkbox" });
  outlines.checked = true;
  outlines.addEventListener("change", () => picture.element.classList.toggle("without-outlines", !outlines.checked));
  const heat = Boolean(verdict.score);
  const controls = h("div", { class: "toolbar" },
    heat ? blendControl("verdict-blend", 0.5, picture.blend) : h("span", { class: "soft" }, "No heat: the frame was not judged."),
    verdict.regions.length > 0 && h("label", { class: "check" }, outlines, "Outlines ", outlineLegend(verdict.regions)));
  const element = h("div", { class: "viewer" }, picture.element, detail, controls);
  setText(detail, idle);
  picture.show(verdict);

  async function showMissing(url) {
    const reason = await whyNoPicture(url);
    const text = reason && reason.code !== "NOT_FOUND" ? reason.message : "The frame and the anomaly map of this verdict are no longer kept. The verdict itself is complete.";
    element.replaceChildren(emptyState(reason && reason.code !== "NOT_FOUND" ? "The picture cannot be loaded" : "Evidence is no longer kept", text));
  }

  function mark(index) {
    for (const outline of picture.element.querySelectorAll(".outline")) {
      outline.classList.toggle("marked", Number(outline.dataset.index) === index);
    }
    setText(detail, index === null ? idle : describeDefect(verdict.regions[index], index));
  }

  return { element, mark };
}
