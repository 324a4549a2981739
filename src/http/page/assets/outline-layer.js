// The drawn outlines of defects over the picture of a verdict, and the tool that draws another one.

import { cornerAt } from "./polygon-geometry.js";
import { createDrawTool } from "./polygon-draw.js";
import { describeOutline } from "./outline-text.js";
import { elementList } from "./element-list.js";
import { set, svg } from "./dom.js";

/** @typedef {import("./polygon-geometry.js").Corner} Corner */

/**
 * An outline as it is shown.
 * @typedef {Object} DrawnOutline
 * @property {Corner[]} corners
 * @property {boolean} saved
 */

/**
 * Creates the layer.
 * @param {{width: number, height: number}} frame its size in pixels
 * @param {{onPoint: function(number|null): void, onEnd: function(Corner[]|null): void, say: function(string): void}} handlers
 *   `onPoint` receives the index of the outline that is pointed at or focused; `onEnd` the corners of a new outline, null:
 *   it was cancelled
 * @returns {{element: SVGElement, show: function(DrawnOutline[]): void, mark: function(number|null): void,
 *   draw: function(): void, press: function(string): void}} `press` does in the drawing what a key does
 */
export function createOutlineLayer(frame, { onPoint, onEnd, say }) {
  const shapes = svg("g", { class: "drawn-outlines" });
  const extra = svg("g", {});
  const element = svg("svg", { class: "outline-layer", tabindex: -1 }, shapes, extra);
  const size = { width: 1, height: 1, unit: 1 };
  const items = elementList(shapes, (index) => outlineItem(index, size, onPoint));
  let shown = [];
  let drawing = false;
  const tool = createDrawTool({ extra, size }, { say, onDone: end, onCancel: () => end(null) });

  function end(corners) {
    drawing = false;
    removeEventListener("keydown", onKey, true);
    showMode();
    onEnd(corners);
  }

  function showMode() {
    element.classList.toggle("drawing", drawing);
    set(element, { role: drawing ? "application" : "group", "aria-label": drawing ? "Drawing of an outline" : "Drawn outlines" });
  }

  // Keys of the page, such as those that leave it, wait until the outline is complete.
  function onKey(event) {
    const { target, key } = event;
    if (event.ctrlKey || event.altKey || event.metaKey || key === "Tab" || key === "?" || target.closest?.("dialog")) return;
    event.stopPropagation();
    const isOnControl = target.closest?.("a, button, input, select, textarea") && key !== "Escape";
    if (!isOnControl && press(event)) event.preventDefault();
  }

  function press(event) {
    const isUsed = tool.key(event);
    if (["Backspace", "Delete"].includes(event.key)) say("Last corner removed");
    return isUsed;
  }

  // The drawing has the size that the picture has on the screen.
  function resize() {
    const box = element.getBoundingClientRect();
    const scale = Math.min(box.width / frame.width, box.height / frame.height);
    if (!scale) return;
    const unit = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 15;
    Object.assign(size, { width: frame.width * scale, height: frame.height * scale, unit });
    element.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
    items.show(shown);
    if (drawing) tool.render();
  }

  function pointOf(event) {
    const box = element.getBoundingClientRect();
    const [left, top] = [(box.width - size.width) / 2, (box.height - size.height) / 2];
    return cornerAt((event.clientX - box.left - left) / size.width, (event.clientY - box.top - top) / size.height);
  }

  element.addEventListener("pointerdown", (event) => {
    if (!drawing || event.button !== 0) return;
    // The focus stays.
    event.preventDefault();
    tool.add(pointOf(event));
  });
  element.addEventListener("pointermove", (event) => drawing && tool.point(pointOf(event)));
  new ResizeObserver(resize).observe(element);
  showMode();

  return {
    element,
    show(outlines) {
      shown = outlines;
      items.show(shown);
    },
    mark: (marked) => items.items.forEach((item, index) => item.element.classList.toggle("marked", index === marked)),
    draw() {
      drawing = true;
      addEventListener("keydown", onKey, true);
      showMode();
      tool.begin();
      element.focus({ preventScroll: true });
      element.scrollIntoView({ block: "nearest" });
    },
    press: (key) => press({ key }),
  };
}

function outlineItem(index, size, onPoint) {
  const lines = ["halo", "edge"].map((name) => svg("polygon", { class: name }));
  const corners = svg("path", { class: "corners" });
  const point = () => onPoint(index);
  const leave = () => onPoint(null);
  const element = svg("g", { tabindex: 0, role: "img", onpointerenter: point, onpointerleave: leave, onfocus: point, onblur: leave }, ...lines, corners);
  function show(outline) {
    const points = outline.corners.map(({ x, y }) => [x * size.width, y * size.height]);
    for (const line of lines) line.setAttribute("points", points.join(" "));
    const half = 2.5 * size.unit;
    corners.setAttribute("d", points.map(([x, y]) => `M${x - half} ${y - half}h${2 * half}v${2 * half}h${-2 * half}z`).join(""));
    element.classList.add("drawn-outline");
    element.classList.toggle("unsaved", !outline.saved);
    element.setAttribute("aria-label", describeOutline(outline, index));
  }
  return { element, show };
}

/** The line that marks drawn outlines, for legends and lists. @returns {SVGElement} */
export const outlineSample = () => svg("svg", { class: "outline-sample", viewBox: "0 0 24 16", "aria-hidden": "true" },
  ...["halo", "edge"].map((name) => svg("path", { class: name, d: "M3 12L8 3L20 5L18 13z" })),
  svg("path", { class: "corners", d: "M1.5 10.5h3v3h-3zM6.5 1.5h3v3h-3zM18.5 3.5h3v3h-3zM16.5 11.5h3v3h-3z" }));
