// The list of the drawn outlines of a label, and the button that draws another one.

import { describeOutline } from "./outline-text.js";
import { elementList } from "./element-list.js";
import { h, setText } from "./dom.js";
import { outlineSample } from "./outline-layer.js";

/**
 * Creates the list.
 * @param {boolean} mayChange
 * @param {{onDraw: function(): void, onRemove: function(import("./outline-layer.js").DrawnOutline): void,
 *   onSave: function(import("./outline-layer.js").DrawnOutline): void, onPoint: function(number|null): void}} handlers
 * @returns {{element: HTMLElement, mark: function(number|null): void, focus: function(): void, say: function(string): void,
 *   show: function(import("./outline-layer.js").DrawnOutline[], boolean, string): void}} `show` takes the outlines, whether
 *   another one can be drawn, and a hint
 */
export function outlineList(mayChange, handlers) {
  const rows = h("ol", { class: "outline-list", "aria-label": "Outlines" });
  const items = elementList(rows, (index) => outlineRow(index, mayChange, handlers));
  const draw = h("button", { type: "button", onclick: handlers.onDraw }, "Draw outline", h("kbd", {}, "o"));
  const hint = h("p", { class: "hint" });
  const spoken = h("p", { class: "only-spoken", role: "status" });
  const element = h("div", { class: "outlines-of-label" }, rows, mayChange && h("div", { class: "buttons" }, draw, hint), mayChange && spoken);

  function show(outlines, canDraw, text) {
    const hadFocus = rows.contains(document.activeElement);
    items.show(outlines);
    rows.hidden = outlines.length === 0;
    draw.disabled = !canDraw;
    setText(hint, text);
    // The focus must not be lost with a row.
    if (hadFocus && !rows.contains(document.activeElement)) (rows.lastElementChild?.querySelector(".remove") ?? draw).focus();
  }

  return {
    element,
    show,
    mark: (marked) => items.items.forEach((item, index) => item.element.classList.toggle("marked", index === marked)),
    focus: () => draw.focus({ preventScroll: true }),
    say: (text) => setText(spoken, text),
  };
}

function outlineRow(index, mayChange, { onPoint, onRemove, onSave }) {
  let shown = null;
  const text = h("span", {});
  const point = () => onPoint(index);
  const leave = () => onPoint(null);
  const button = (title, run) => h("button", { type: "button", class: `quiet ${title.toLowerCase()}`, "aria-label": `${title} outline ${index + 1}`, onclick: () => run(shown), onfocus: point, onblur: leave }, title);
  const save = button("Save", onSave);
  const remove = button("Remove", onRemove);
  const element = h("li", { onpointerenter: point, onpointerleave: leave }, outlineSample(), text, mayChange && save, mayChange && remove);
  function show(outline) {
    shown = outline;
    setText(text, describeOutline(outline, index));
    save.hidden = outline.saved;
  }
  return { element, show };
}
