// The reference picture with a layer for polygons, which can be enlarged and moved.

import { h, setText } from "./dom.js";

const LARGEST = 12;
const STEP = 1.25;
const SMALLEST_HEIGHT = 240;

/**
 * Creates the stage.
 * @param {SVGElement} drawing
 * @param {function(number, number): void} onSize receives the width and the height of the picture on the screen, in pixels
 * @returns {Object}
 */
export function createStage(drawing, onSize) {
  const frameLayer = h("div", { class: "layer" });
  const heatLayer = h("div", { class: "layer" });
  const note = h("p", { class: "picture-note" });
  const stage = h("div", { class: "stage" }, frameLayer, heatLayer, note, drawing);
  const scroll = h("div", { class: "stage-scroll" }, stage);
  const scale = h("output", { class: "zoom-scale", "aria-label": "Zoom" });
  const controls = h("div", { class: "buttons zoom", role: "group", "aria-label": "Zoom" },
    h("button", { type: "button", "aria-label": "Zoom out", onclick: () => zoomBy(1 / STEP) }, "−"), scale,
    h("button", { type: "button", "aria-label": "Zoom in", onclick: () => zoomBy(STEP) }, "+"),
    h("button", { type: "button", class: "quiet", onclick: fit }, "Fit"));
  let aspect = 4 / 3;
  let zoom = 1;

  // The largest size at which all of the picture is visible, times the zoom.
  function layout() {
    const width = scroll.parentElement?.clientWidth ?? 0;
    if (!width) return;
    const { maxHeight, paddingTop } = getComputedStyle(scroll);
    // Corners at the edge of the picture reach into the padding.
    const padding = 2 * Number.parseFloat(paddingTop);
    const height = Math.max(SMALLEST_HEIGHT, Number.parseFloat(maxHeight) || width) - padding;
    const fitted = Math.min(width - padding, height * aspect);
    const size = [Math.floor(fitted * zoom), Math.floor((fitted / aspect) * zoom)];
    stage.style.setProperty("width", `${size[0]}px`);
    stage.style.setProperty("height", `${size[1]}px`);
    scroll.style.setProperty("height", `${Math.ceil(fitted / aspect + padding)}px`);
    scroll.classList.toggle("enlarged", zoom > 1);
    setText(scale, `${Math.round(zoom * 100)} %`);
    onSize(...size);
  }

  /** @param {number} factor @param {{x: number, y: number}} [point] on the screen, which stays where it is */
  function zoomBy(factor, point) {
    const outer = scroll.getBoundingClientRect();
    const { x, y } = point ?? { x: outer.left + outer.width / 2, y: outer.top + outer.height / 2 };
    const before = stage.getBoundingClientRect();
    const share = { x: (x - before.left) / before.width, y: (y - before.top) / before.height };
    zoom = Math.min(LARGEST, Math.max(1, zoom * factor));
    if (Math.abs(zoom - 1) < 0.01) zoom = 1;
    layout();
    const after = stage.getBoundingClientRect();
    scroll.scrollLeft += after.left + share.x * after.width - x;
    scroll.scrollTop += after.top + share.y * after.height - y;
  }

  function fit() {
    zoom = 1;
    layout();
  }

  scroll.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? STEP : 1 / STEP, { x: event.clientX, y: event.clientY });
  }, { passive: false });
  const observer = new ResizeObserver(layout);
  addEventListener("resize", layout);

  return {
    element: scroll,
    controls,
    zoomBy,
    fit,
    step: STEP,
    pan(dx, dy) {
      scroll.scrollLeft -= dx;
      scroll.scrollTop -= dy;
    },
    /** Begins to follow the size of the element around the stage. */
    watch: () => observer.observe(scroll.parentElement),
    /** @param {CanvasImageSource|null} picture @param {number} shape width through height @param {string} text in place of a picture */
    showPicture(picture, shape, text = "") {
      frameLayer.replaceChildren(...(picture ? [picture] : []));
      heatLayer.replaceChildren();
      note.hidden = Boolean(picture);
      setText(note, text);
      aspect = shape;
      layout();
    },
    showHeat: (picture) => heatLayer.replaceChildren(picture),
    blend: (share) => heatLayer.style.setProperty("opacity", String(share)),
  };
}
