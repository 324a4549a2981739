// Draws a new polygon, corner by corner, with the pointer or with the keys.

import { MIN_CORNERS, cornerAt, placeOf } from "./polygon-geometry.js";
import { svg } from "./dom.js";

const STEP = 0.01;
const LARGE_STEP = 0.05;
const CLOSE_DISTANCE = 12;
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Creates the tool.
 * @param {{extra: SVGElement, size: {width: number, height: number, unit: number}}} view
 * @param {{onDone: function(import("./polygon-geometry.js").Corner[]): void, onCancel: function(): void,
 *   say: function(string): void}} handlers
 * @returns {Object}
 */
export function createDrawTool(view, { onDone, onCancel, say }) {
  let corners = [];
  let cursor = null;

  function render() {
    const { width, height, unit } = view.size;
    const at = ({ x, y }) => [x * width, y * height];
    const path = [...corners, ...(cursor && corners.length > 0 ? [cursor] : [])].map((corner) => at(corner).join(" "));
    const cross = cursor && at(cursor);
    const arm = 11 * unit;
    view.extra.replaceChildren(
      svg("path", { class: "new-line halo", d: path.length > 1 ? `M${path.join("L")}` : "" }),
      svg("path", { class: "new-line", d: path.length > 1 ? `M${path.join("L")}` : "" }),
      ...corners.map((corner, index) => {
        const [cx, cy] = at(corner);
        return svg("circle", { class: `new-corner${index === 0 && corners.length >= MIN_CORNERS ? " closes" : ""}`, cx, cy, r: (index === 0 ? 7 : 4.5) * unit });
      }),
      ...(cross ? [svg("path", { class: "new-cursor halo", d: crossPath(cross, arm) }), svg("path", { class: "new-cursor", d: crossPath(cross, arm) })] : []));
  }

  function begin() {
    corners = [];
    cursor = { x: 0.5, y: 0.5 };
    render();
  }

  function end() {
    corners = [];
    cursor = null;
    view.extra.replaceChildren();
  }

  function close() {
    if (corners.length < MIN_CORNERS) return say(`A polygon needs at least ${MIN_CORNERS} corners.`);
    const done = corners;
    end();
    onDone(done);
  }

  function closes(point) {
    const { width, height, unit } = view.size;
    const distance = Math.hypot((point.x - corners[0].x) * width, (point.y - corners[0].y) * height);
    return corners.length >= MIN_CORNERS && distance < CLOSE_DISTANCE * unit;
  }

  function add(point) {
    if (corners.length > 0 && closes(point)) return close();
    const last = corners.at(-1);
    // The second press of a double click.
    if (last && last.x === point.x && last.y === point.y) return;
    corners.push(point);
    say(`Corner ${corners.length}: ${placeOf(point)}`);
    render();
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the key is one of the tool's */
  function key(event) {
    const move = MOVES[event.key];
    if (move) {
      const step = event.shiftKey ? LARGE_STEP : STEP;
      cursor = cornerAt((cursor?.x ?? 0.5) + move[0] * step, (cursor?.y ?? 0.5) + move[1] * step);
      say(placeOf(cursor));
      render();
    } else if (event.key === " ") add(cornerAt(cursor?.x ?? 0.5, cursor?.y ?? 0.5));
    else if (event.key === "Enter") close();
    else if (event.key === "Backspace" || event.key === "Delete") {
      corners.pop();
      render();
    } else if (event.key === "Escape") {
      end();
      onCancel();
    } else return false;
    return true;
  }

  return {
    begin,
    end,
    render,
    add,
    key,
    point(point) {
      cursor = point;
      render();
    },
  };
}

const crossPath = ([x, y], arm) => `M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}`;
