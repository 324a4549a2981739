// A small picture of a verdict with its decision, as a link to the verdict.

import { clock, plain, score, sourceOf } from "./format.js";
import { decisionBadge, decisionKind } from "./shapes.js";
import { h } from "./dom.js";
import { hasPicture } from "./picture.js";
import { loadImage } from "./image-loader.js";
import { pictureUrl } from "./api.js";

const SIDE = 160;

/** Creates the element. @param {Object} verdict @param {boolean} [wall] without a link @returns {HTMLElement} */
export function thumbnail(verdict, wall = false) {
  const place = h("span", { class: "thumbnail-picture" });
  const linked = !wall && verdict.sequence > 0;
  const detail = verdict.fault ? plain(verdict.fault.reason, "FAULT_REASON_") : score(verdict.score?.value);
  const element = h(linked ? "a" : "div", { class: `thumbnail ${decisionKind(verdict.decision)}`, href: linked ? `/verdicts/${verdict.sequence}` : null },
    place,
    h("span", { class: "thumbnail-line" }, decisionBadge(verdict.decision), h("span", {}, detail)),
    h("span", { class: "thumbnail-line soft" }, h("span", {}, sourceOf(verdict)), h("span", {}, clock(verdict.capture_time))));
  showFrame(place, pictureOf(verdict), SIDE);
  return element;
}

// The picture of a part is that of its worst view.
function pictureOf(verdict) {
  if (hasPicture(verdict)) return verdict.sequence;
  const views = verdict.views.filter((view) => view.sequence && view.frame_id);
  return (views.find((view) => view.decision === verdict.decision) ?? views[0])?.sequence ?? 0;
}

/**
 * Shows the frame of a verdict in a place, or why there is none.
 * @param {HTMLElement} place
 * @param {number} sequence 0: there is no frame
 * @param {number} side the longer side in pixels, at most
 * @param {string} [alt] a description of the picture
 */
export async function showFrame(place, sequence, side, alt = "") {
  place.textContent = sequence ? "" : "No frame";
  if (!sequence) return;
  try {
    const image = await loadImage(pictureUrl(sequence, "frame", side), () => place.isConnected);
    image.alt = alt;
    place.replaceChildren(image);
  } catch {
    place.textContent = "Not kept";
  }
}
