// Draws regions and masks: outlines with patterns and names, and the corners and sides of the selected one.

import { elementList } from "./element-list.js";
import { fillOf, patternDefinitions, toneClass } from "./polygon-patterns.js";
import { middleOfSide, nameCorner, placeOf } from "./polygon-geometry.js";
import { set, setText, svg } from "./dom.js";

const SHORTEST_SIDE_WITH_MARK = 44;

/**
 * An area as it is drawn.
 * @typedef {Object} Shape
 * @property {"regions"|"masks"} kind
 * @property {number} index
 * @property {string} name
 * @property {import("./polygon-geometry.js").Corner[]} corners
 * @property {boolean} dimmed
 */

/** What an area is called: "Region 1 terminal" or "Mask belt". @param {{kind: string, index: number, name: string}} shape @returns {string} */
export const titleOf = ({ kind, index, name }) => (kind === "masks" ? `Mask ${name}` : `Region ${index + 1} ${name}`);

/**
 * Creates the drawing.
 * @returns {{element: SVGElement, extra: SVGElement, resize: function(number, number): void,
 *   show: function(Shape[], Shape|null, boolean): void, focusCorner: function(number): void,
 *   focusArea: function(Object): void}} `show` takes all areas, the selected one and whether it can be changed; `extra`
 *   is a layer for tools
 */
export function createPolygonView() {
  const [areas, names, sides, corners, extra] = ["areas", "names", "sides", "corners", "extra"].map((name) => svg("g", { class: name }));
  const element = svg("svg", { class: "polygons", role: "application", "aria-label": "Regions and masks", tabindex: -1 },
    patternDefinitions(), areas, names, sides, corners, extra);
  const size = { width: 1, height: 1, unit: 1 };
  const areaList = elementList(areas, () => areaItem(size));
  const nameList = elementList(names, () => nameItem(size));
  const sideList = elementList(sides, (index) => sideItem(index, size));
  const cornerList = elementList(corners, (index) => cornerItem(index, size));
  let last = [[], null, false];

  function show(shapes, selected, editable) {
    last = [shapes, selected, editable];
    // Masks hide regions, and the first region applies: what applies is drawn last.
    const order = [...shapes].reverse().sort((a, b) => Number(a.kind === "masks") - Number(b.kind === "masks"));
    areaList.show(order, selected);
    nameList.show(order, selected);
    const points = selected?.corners ?? [];
    sideList.show(editable ? points : [], points);
    cornerList.show(points, points, editable);
  }

  function resize(width, height) {
    const unit = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 15;
    Object.assign(size, { width, height, unit });
    element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    for (const pattern of element.querySelectorAll("pattern")) pattern.setAttribute("patternTransform", `scale(${unit})`);
    show(...last);
  }

  const isSame = (item, id) => item.element.dataset.kind === id.kind && Number(item.element.dataset.index) === id.index;
  return {
    element,
    extra,
    size,
    resize,
    show,
    focusCorner: (index) => cornerList.items[index]?.element.focus({ preventScroll: false }),
    focusArea: (id) => areaList.items.find((item) => isSame(item, id))?.element.focus(),
  };
}

const pointsOf = (corners, { width, height }) => corners.map(({ x, y }) => `${x * width},${y * height}`).join(" ");

function areaItem(size) {
  const fill = svg("polygon", { class: "area-fill" });
  const lines = ["area-halo", "area-edge"].map((name) => svg("polygon", { class: name }));
  const element = svg("g", { tabindex: 0, role: "button" }, fill, ...lines);
  function show(shape, selected) {
    const isSelected = shape === selected;
    const points = pointsOf(shape.corners, size);
    for (const polygon of [fill, ...lines]) polygon.setAttribute("points", points);
    fill.style.setProperty("fill", fillOf(shape.kind, shape.index));
    set(element, {
      class: `area ${shape.kind} ${toneClass(shape.kind, shape.index)}${isSelected ? " selected" : ""}${shape.dimmed ? " dimmed" : ""}`,
      "data-kind": shape.kind, "data-index": shape.index, "aria-pressed": String(isSelected),
      "aria-label": `${titleOf(shape)}, ${shape.corners.length} corners${shape.dimmed ? ", not for this camera" : ""}`,
    });
  }
  return { element, show };
}

function nameItem(size) {
  const element = svg("text", { "aria-hidden": "true" });
  function show(shape, selected) {
    if (shape.corners.length === 0) return setText(element, "");
    const text = shape.kind === "masks" ? shape.name : `${shape.index + 1} ${shape.name}`;
    const { x, y } = nameCorner(shape.corners);
    const [em, gap] = [14 * size.unit, 8 * size.unit];
    const left = Math.max(gap, Math.min(x * size.width + gap, size.width - text.length * em * 0.6 - gap));
    const top = Math.max(em, Math.min(y * size.height + em + gap * 0.6, size.height - gap * 0.6));
    set(element, { x: left, y: top, class: `area-name${shape === selected ? " selected" : ""}${shape.dimmed ? " dimmed" : ""}` });
    setText(element, text);
  }
  return { element, show };
}

// A wide line that cannot be seen takes the pointer; the mark in its middle shows that it does.
function sideItem(index, size) {
  const line = svg("line", { class: "side-line" });
  const mark = svg("path", { class: "side-mark" });
  const element = svg("g", { class: "side", "data-side": index }, line, mark);
  function show(from, corners) {
    const to = corners[(index + 1) % corners.length];
    const [x1, y1, x2, y2] = [from.x * size.width, from.y * size.height, to.x * size.width, to.y * size.height];
    set(line, { x1, y1, x2, y2 });
    const { x, y } = middleOfSide(corners, index);
    const half = 4 * size.unit;
    const isLong = Math.hypot(x2 - x1, y2 - y1) > SHORTEST_SIDE_WITH_MARK * size.unit;
    mark.setAttribute("d", isLong ? `M${x * size.width - half} ${y * size.height}h${2 * half}m${-half} ${-half}v${2 * half}` : "");
  }
  return { element, show };
}

function cornerItem(index, size) {
  const [target, body] = ["corner-target", "corner-body"].map((name) => svg("circle", { class: name }));
  const element = svg("g", { class: "corner", tabindex: 0, role: "button", "data-corner": index, "aria-roledescription": "corner" }, target, body);
  function show(corner, corners, editable) {
    const place = { cx: corner.x * size.width, cy: corner.y * size.height };
    set(target, { ...place, r: 14 * size.unit });
    set(body, { ...place, r: 5.5 * size.unit });
    set(element, { "aria-label": `Corner ${index + 1} of ${corners.length}: ${placeOf(corner)}`, "aria-disabled": String(!editable) });
  }
  return { element, show };
}
