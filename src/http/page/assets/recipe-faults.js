// The errors of a recipe as a list, each with the way to its line and to its field.

import { areaOf } from "./recipe-content.js";
import { h, replaceIfChanged } from "./dom.js";
import { shape } from "./shapes.js";
import { titleOf } from "./polygon-view.js";

const KINDS = { regions: "regions", ignore: "masks" };

/**
 * The field that a key names.
 * @param {string} key such as `regions[0].polygon`
 * @param {Object} content
 * @returns {{title: string, tab: string, area?: Object, camera?: string, field: string}|null}
 */
function fieldOf(key, content) {
  const area = /^(regions|ignore)\[(\d+)\](?:\.(\w+))?/.exec(key);
  if (area) {
    const id = { kind: KINDS[area[1]], index: Number(area[2]) };
    const found = areaOf(content, id);
    return found ? { title: titleOf({ ...id, name: found.name }), tab: "regions", area: id, field: area[3] ?? "name" } : null;
  }
  const camera = /^cameras\.([^.]+)(?:\.(.+))?$/.exec(key);
  if (camera) {
    const found = content.cameras.some((one) => one.camera_id === camera[1]);
    return found ? { title: `Camera ${camera[1]}`, tab: "cameras", camera: camera[1], field: camera[2] ?? "threshold" } : null;
  }
  return key in content && !(key in KINDS) ? { title: "General", tab: "general", field: key } : null;
}

/**
 * Creates the list.
 * @param {{toLine: function(number): void, toField: function(Object): void}} actions
 * @returns {{element: HTMLElement, show: function(Object): void}}
 */
export function faultList({ toLine, toField }) {
  const element = h("section", { class: "card faults", id: "faults", "aria-label": "Errors" });
  function show({ entry }) {
    const { faults, content } = entry;
    element.hidden = faults.length === 0;
    replaceIfChanged(element, JSON.stringify([faults, faults.map((fault) => fieldOf(fault.key, content))]), () => [
      h("h2", {}, countOf(faults)),
      h("ol", {}, faults.map((fault) => row(fault, fieldOf(fault.key, content)))),
    ]);
  }
  const row = (fault, field) => h("li", {},
    h("span", { class: "reject" }, shape("reject")),
    h("p", {}, fault.key && !fault.message.startsWith(fault.key) && h("code", {}, fault.key), " ", fault.message),
    h("span", { class: "buttons" },
      fault.line > 0 && h("button", { type: "button", class: "quiet", onclick: () => toLine(fault.line) }, `Line ${fault.line}`),
      field && h("button", { type: "button", class: "quiet", onclick: () => toField(field) }, field.title)));
  return { element, show };
}

/** How many errors there are. @param {Object[]} faults @returns {string} */
export const countOf = (faults) => (faults.length === 1 ? "1 error" : `${faults.length} errors`);
