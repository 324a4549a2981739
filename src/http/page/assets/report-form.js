// The controls of a report: period, cameras and groups, and the forms in which it leaves the page.

import { PERIODS } from "./report-period.js";
import { h, set } from "./dom.js";

/**
 * Creates the controls.
 * @param {import("./report-period.js").Selection} first
 * @param {function(import("./report-period.js").Selection): void} onChange
 * @returns {{element: HTMLElement, showSources: function(string[]): void, showFiles: function(string|null): void}}
 *   `showFiles` takes the query of the files, null without a report
 */
export function reportForm(first, onChange) {
  let selection = first;
  const buttons = Object.entries(PERIODS).map(([period, name]) =>
    h("button", { type: "button", "data-period": period, onclick: () => change({ period, from: "", to: "" }) }, name));
  const from = h("input", { type: "datetime-local", name: "from" });
  const to = h("input", { type: "datetime-local", name: "to" });
  const sources = h("div", { class: "choices" });
  const sourceSet = h("fieldset", { hidden: true }, h("legend", {}, "Cameras and groups (none checked: all)"), sources);
  const print = h("button", { type: "button", onclick: () => window.print() }, "Print");
  const [csv, json] = ["CSV", "JSON"].map((name) => h("a", { class: "button", download: true }, name));

  const element = h("form", { class: "filters report-controls", "aria-label": "Report", onsubmit: submit },
    h("fieldset", {}, h("legend", {}, "Period"), h("div", { class: "buttons" }, buttons)),
    h("fieldset", {}, h("legend", {}, "Other period"),
      h("div", { class: "fields" }, h("label", {}, "From", from), h("label", {}, "To", to), h("button", { type: "submit" }, "Show"))),
    sourceSet,
    h("fieldset", {}, h("legend", {}, "This report"), h("div", { class: "buttons" },
      h("button", { type: "button", onclick: () => change({}) }, "Update"), print, csv, json)));

  function submit(event) {
    event.preventDefault();
    if (!from.value && !to.value) return from.focus();
    change({ period: "other", from: toUtc(from.value), to: toUtc(to.value) });
  }

  function change(next) {
    selection = { ...selection, ...next };
    show();
    onChange(selection);
  }

  function show() {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.period === selection.period));
    from.value = toLocal(selection.from);
    to.value = toLocal(selection.to);
  }

  function showSources(ids) {
    const all = [...new Set([...ids, ...selection.ids])];
    sourceSet.hidden = all.length === 0;
    const shown = [...sources.querySelectorAll("input")].map((box) => box.value);
    if (shown.join() === all.join()) return;
    sources.replaceChildren(...all.map((id) => {
      const box = h("input", { type: "checkbox", name: "id", value: id, onchange: readSources });
      box.checked = selection.ids.includes(id);
      return h("label", { class: "check" }, box, id);
    }));
  }

  function readSources() {
    change({ ids: [...sources.querySelectorAll(":checked")].map((box) => box.value) });
  }

  function showFiles(query) {
    print.disabled = query === null;
    for (const [link, path] of [[csv, "/report.csv"], [json, "/report.json"]]) {
      set(link, query === null ? { href: false, role: "link", "aria-disabled": "true" } : { href: path + query, role: false, "aria-disabled": false });
    }
  }

  show();
  showSources([]);
  showFiles(null);
  return { element, showSources, showFiles };
}

// The fields show local time, the address and the requests UTC.
function toLocal(text) {
  if (!text) return "";
  const time = new Date(text);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

const toUtc = (local) => (local ? new Date(local).toISOString().replace(".000Z", "Z") : "");
