// The text of a recipe in a field with line numbers, and its errors next to their lines.

import { h, replaceIfChanged, setText } from "./dom.js";

const TAB_SIZE = 8;
const LINES_ABOVE = 4;

/**
 * Creates the field.
 * @param {Object} recipe see createDocument
 * @param {boolean} mayEdit
 * @returns {{element: HTMLElement, show: function(Object): void, toLine: function(number): void}}
 */
export function textEditor(recipe, mayEdit) {
  const numbers = h("div", { class: "code-numbers", "aria-hidden": "true" });
  const marks = h("div", { class: "code-marks", "aria-hidden": "true" });
  const area = h("textarea", {
    class: "code-text", wrap: "off", spellcheck: "false", autocomplete: "off", autocapitalize: "off", "aria-label": "Text of the recipe", "aria-describedby": "faults",
  });
  const element = h("div", { class: "code" }, marks, numbers, area);

  area.addEventListener("input", () => recipe.changeText(area.value, "text"));
  area.addEventListener("blur", () => recipe.hurry());
  area.addEventListener("scroll", follow);

  function follow() {
    numbers.style.setProperty("transform", `translateY(${-area.scrollTop}px)`);
    marks.style.setProperty("transform", `translate(${-area.scrollLeft}px, ${-area.scrollTop}px)`);
  }

  let shown = {};

  function show({ entry }) {
    const { toml, pending, faults } = entry;
    if (toml === shown.toml && pending === shown.pending && faults === shown.faults) return;
    shown = { toml, pending, faults };
    // The field has line feeds only.
    const text = entry.toml.replaceAll("\r\n", "\n");
    if (area.value !== text) replace(text);
    area.readOnly = !mayEdit || entry.pending === "content";
    area.setAttribute("aria-invalid", String(entry.faults.length > 0));
    const lines = text.split("\n");
    element.style.setProperty("--digits", String(String(lines.length).length));
    setText(numbers, lines.map((_, index) => index + 1).join("\n"));
    const known = entry.faults.filter((fault) => fault.line > 0 && fault.line <= lines.length);
    replaceIfChanged(marks, JSON.stringify([known, known.map(({ line }) => widthOf(lines[line - 1]))]), () => markLines(known, lines));
  }

  // The caret goes to the end of what has changed.
  function replace(text) {
    const before = area.value;
    const scroll = area.scrollTop;
    let end = 0;
    while (end < Math.min(before.length, text.length) && before.at(-1 - end) === text.at(-1 - end)) end++;
    area.value = text;
    if (document.activeElement === area) area.setSelectionRange(text.length - end, text.length - end);
    area.scrollTop = scroll;
    follow();
  }

  function toLine(line) {
    const lines = area.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
    area.scrollTop = Math.max(0, line - 1 - LINES_ABOVE) * Number.parseFloat(getComputedStyle(area).lineHeight);
    area.scrollLeft = 0;
    follow();
  }

  return { element, show, toLine };
}

function widthOf(line) {
  let width = 0;
  for (const letter of line) width += letter === "\t" ? TAB_SIZE - (width % TAB_SIZE) : 1;
  return width;
}

function markLines(faults, lines) {
  const byLine = new Map();
  for (const fault of faults) byLine.set(fault.line, [...(byLine.get(fault.line) ?? []), fault]);
  return [...byLine].map(([line, those]) => h("div", { class: "code-mark", style: { "--line": String(line - 1), "--width": String(widthOf(lines[line - 1])) } },
    h("span", {}, those.map((fault) => fault.message).join("; "))));
}
