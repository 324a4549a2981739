// The history of thresholds, from the audit log.

import { dateTime } from "./format.js";
import { emptyState, errorState, h } from "./dom.js";
import { listThresholdChanges } from "./tuning-calls.js";
import { section, smallTable } from "./fact-list.js";

const SHOWN = 20;

/**
 * Creates the section.
 * @param {boolean} mayRead whether the role permits the audit log
 * @returns {{element: HTMLElement, load: function(): Promise<void>}}
 */
export function historySection(mayRead) {
  const place = h("div", {}, h("p", { class: "soft" }, mayRead ? "Loading the history" : "The history requires the role engineer."));

  async function load() {
    if (!mayRead) return;
    try {
      const entries = await listThresholdChanges();
      place.replaceChildren(entries.length > 0 ? table(entries.slice(0, SHOWN)) : h("p", { class: "soft" }, "No change of a threshold among the last 200 entries of the audit log."));
    } catch (error) {
      place.replaceChildren(error.code === "FAILED_PRECONDITION"
        ? emptyState("Changes are not recorded", `${error.message} See journal.folder in docs/configuration.md.`)
        : errorState("The history cannot be loaded", error));
    }
  }

  return { element: section("History", place), load };
}

function table(entries) {
  const rows = entries.map((entry) => [dateTime(entry.time), entry.who || entry.role, h("code", {}, entry.subject), entry.before || "not set", entry.after || "not set"]);
  return h("div", { class: "table-scroll history", role: "region", "aria-label": "History of thresholds", tabindex: 0 },
    smallTable("Changes of thresholds, newest first", ["Time", "By", "Key", "Before", "After"], rows));
}
