// The picture of a verdict with its heat and outlines. The next picture is loaded off-screen and shown when it is
// complete, at most twice a second, and only while it is on the screen.

import { decisionKind, shape } from "./shapes.js";
import { drawOutlines } from "./outlines.js";
import { h, set } from "./dom.js";
import { loadImage } from "./image-loader.js";
import { pictureUrl } from "./api.js";
import { watchVisible } from "./visible.js";

const INTERVAL_MS = 500;

/** Whether a verdict has a frame that can be requested. @param {Object} verdict @returns {boolean} */
export const hasPicture = (verdict) => verdict.sequence > 0 && verdict.width > 0;

/**
 * Creates the element.
 * @param {{side: number, label: string, alwaysHeat?: boolean, onPoint?: function(number|null): void,
 *   onMissing?: function(string): void, onShown?: function(Object): void}} options `side`: the longer side of the
 *   pictures in pixels; `alwaysHeat`: also load the heat while it is not shown
 * @returns {{element: HTMLElement, show: function(Object): void, blend: function(number): void,
 *   end: function(): void}}
 */
export function createPicture({ side, label, alwaysHeat = false, onPoint, onMissing, onShown }) {
  const frameLayer = h("div", { class: "layer frame" });
  const heatLayer = h("div", { class: "layer heat" });
  const outlineLayer = h("div", { class: "layer" });
  const note = h("p", { class: "picture-note" }, "No picture yet");
  // The decision and the sequence of what is shown: the newest verdict can be a later one.
  const caption = h("p", { class: "picture-caption" });
  const element = h("div", { class: "picture" }, frameLayer, heatLayer, outlineLayer, note, caption);

  let wanted = null;
  let shown = null;
  let heatOf = null;
  let share = 0;
  let busy = false;
  let onScreen = false;
  let lastStart = -INTERVAL_MS;
  let timer = 0;

  const wantsHeat = (verdict) => (share > 0 || alwaysHeat) && Boolean(verdict.score);
  const isDone = () => wanted === shown && (!wantsHeat(wanted) || heatOf === shown);

  function pump() {
    if (busy || !wanted || !onScreen || document.visibilityState !== "visible" || isDone()) return;
    const wait = lastStart + INTERVAL_MS - performance.now();
    clearTimeout(timer);
    if (wait > 0) {
      timer = setTimeout(pump, wait);
      return;
    }
    busy = true;
    lastStart = performance.now();
    load(wanted).finally(() => {
      busy = false;
      pump();
    });
  }

  async function load(verdict) {
    if (!hasPicture(verdict)) return showNothing(verdict, "No frame");
    const { sequence } = verdict;
    const heat = wantsHeat(verdict);
    const [frameImage, heatImage] = await Promise.all([
      loadImage(pictureUrl(sequence, "frame", side)).catch(() => null),
      heat ? loadImage(pictureUrl(sequence, "heatmap", side)).catch(() => null) : null,
    ]);
    if (!frameImage) return showNothing(verdict, "Picture not kept", true);
    set(frameImage, { alt: `${label}, verdict ${sequence}` });
    frameLayer.replaceChildren(frameImage);
    heatLayer.replaceChildren(...(heatImage ? [heatImage] : []));
    if (shown !== verdict) outlineLayer.replaceChildren(drawOutlines(verdict, onPoint));
    note.hidden = true;
    showCaption(verdict);
    shown = verdict;
    heatOf = heat ? verdict : null;
    onShown?.(verdict);
  }

  function showNothing(verdict, text, missing = false) {
    for (const layer of [frameLayer, heatLayer, outlineLayer]) layer.replaceChildren();
    note.textContent = text;
    note.hidden = false;
    showCaption(verdict);
    shown = heatOf = verdict;
    if (missing) onMissing?.(pictureUrl(verdict.sequence, "frame", side));
    else onShown?.(verdict);
  }

  function showCaption({ decision, sequence }) {
    caption.replaceChildren(...(sequence ? [shape(decisionKind(decision)), String(sequence)] : []));
    caption.className = `picture-caption ${decisionKind(decision)}`;
  }

  const endWatch = watchVisible(element, (visible) => {
    onScreen = visible;
    pump();
  });
  document.addEventListener("visibilitychange", pump);

  return {
    element,
    show(verdict) {
      wanted = verdict;
      pump();
    },
    blend(value) {
      share = value;
      heatLayer.style.opacity = String(value);
      pump();
    },
    end() {
      endWatch();
      clearTimeout(timer);
      wanted = null;
      document.removeEventListener("visibilitychange", pump);
    },
  };
}
