// The drawing with its tools: select, draw a region, draw a mask.

import { createDrawTool } from "./polygon-draw.js";
import { createPolygonView, titleOf } from "./polygon-view.js";
import { createStage } from "./polygon-stage.js";
import { h, setText } from "./dom.js";
import { useDrag } from "./polygon-drag.js";
import { useDrawingKeys } from "./polygon-keys.js";

const HINTS = {
  select: "Click a region or mask to select it. Drag it, its corners, or a side to insert a corner.",
  draw: "Click the corners, then the first one again or Enter. Escape cancels. Keys: arrows, Space.",
  read: "Click a region or mask for its settings.",
};

/**
 * Creates the editor.
 * @param {Object} handlers
 * @param {function(Object|null): void} handlers.onSelect
 * @param {function(Object, Object[], string): void} handlers.onChange receives an area, its corners, and a tag
 * @param {function("regions"|"masks", Object[]): void} handlers.onDraw receives the corners of a new area
 * @returns {Object}
 */
export function createPolygonEditor({ onSelect, onChange, onDraw }) {
  const view = createPolygonView();
  const stage = createStage(view.element, resize);
  const hint = h("p", { class: "picture-detail" });
  const spoken = h("p", { class: "only-spoken", role: "status" });
  let selected = null;
  let editable = false;
  let drawing = "";

  const say = (text) => {
    setText(spoken, text);
    setText(hint, text);
  };
  const tool = createDrawTool(view, {
    say,
    onCancel: () => use(""),
    onDone: (corners) => {
      const kind = drawing;
      use("");
      onDraw(kind, corners);
    },
  });
  const editor = {
    say,
    selected: () => selected,
    editable: () => editable,
    tool: () => (drawing ? tool : null),
    select: onSelect,
    change: (area, corners, tag) => onChange({ kind: area.kind, index: area.index }, corners, tag),
    focusCorner: view.focusCorner,
    focusArea: view.focusArea,
    pan: stage.pan,
  };
  useDrag(view.element, editor);
  useDrawingKeys(view.element, editor);

  const choices = [["", "Select"], ["regions", "Draw region"], ["masks", "Draw mask"]];
  const buttons = choices.map(([kind, title]) => h("button", { type: "button", "aria-pressed": "false", onclick: () => use(kind) }, title));
  const tools = h("div", { class: "buttons tools", role: "group", "aria-label": "Tool" }, buttons);

  function resize(width, height) {
    view.resize(width, height);
    if (drawing) tool.render();
  }

  function use(kind) {
    if (kind && !editable) return;
    drawing = kind;
    if (kind) {
      onSelect(null);
      tool.begin();
      view.element.focus({ preventScroll: true });
    } else {
      tool.end();
    }
    showMode();
  }

  function showMode() {
    buttons.forEach((button, index) => {
      button.setAttribute("aria-pressed", String(choices[index][0] === drawing));
      button.disabled = !editable && index > 0;
    });
    view.element.classList.toggle("drawing", Boolean(drawing));
    showHint();
  }

  function showHint() {
    setText(hint, drawing ? HINTS.draw : selected ? `${titleOf(selected)}${selected.dimmed ? ", not for the chosen camera" : ""}` : editable ? HINTS.select : HINTS.read);
  }

  showMode();
  return {
    stage,
    tools,
    hint,
    spoken,
    use,
    editor,
    bindings: [
      { keys: ["v"], shown: "v", text: "select", run: () => use("") },
      { keys: ["r"], shown: "r", text: "draw a region", run: () => use("regions") },
      { keys: ["m"], shown: "m", text: "draw a mask", run: () => use("masks") },
      { keys: ["+", "="], shown: "+", text: "zoom in; also the wheel with Ctrl", run: () => stage.zoomBy(stage.step) },
      { keys: ["-"], shown: "-", text: "zoom out", run: () => stage.zoomBy(1 / stage.step) },
      { keys: ["0"], shown: "0", text: "show the whole picture", run: stage.fit },
      { keys: [], shown: "← → ↑ ↓", text: "move the corner or polygon with the focus by 0.1 %, with Shift by 1 %" },
      { keys: [], shown: "i", text: "insert a corner after the one with the focus" },
      { keys: [], shown: "Delete", text: "delete the corner with the focus" },
    ],
    /** @param {import("./polygon-view.js").Shape[]} shapes @param {import("./polygon-view.js").Shape|null} area that is selected @param {boolean} mayChange */
    show(shapes, area, mayChange) {
      const changed = selected?.kind !== area?.kind || selected?.index !== area?.index || selected?.name !== area?.name || selected?.dimmed !== area?.dimmed;
      const modeChanged = editable !== mayChange;
      selected = area;
      editable = mayChange;
      if (!editable && drawing) use("");
      view.show(shapes, area, mayChange);
      if (modeChanged) showMode();
      else if (changed) showHint();
    },
  };
}
