// The changes in the period of a report, from the audit log.

import { dateTime, number, shortHash } from "./format.js";
import { h } from "./dom.js";
import { section } from "./fact-list.js";
import { wideTable } from "./wide-table.js";

const COLUMNS = ["Time", "Who", "Action", "Subject", "Before", "After"];

/**
 * Creates the section.
 * @param {Object} report
 * @param {boolean} permitted whether the daemon lists changes for this session
 * @returns {HTMLElement}
 */
export function changeSection({ changes, changes_left_out: leftOut }, permitted) {
  if (!permitted) return section("Changes", h("p", { class: "soft" }, "To see the changes of the audit log, the role engineer is required."));
  if (changes.length === 0) return section("Changes", h("p", { class: "soft" }, "No change of model, recipe, threshold, configuration or camera, and no start or stop."));
  return section("Changes",
    wideTable("Table of changes", h("table", { class: "small changes" }, h("caption", { class: "only-spoken" }, "Changes"),
      h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, changes.map(row)))),
    leftOut > 0 && h("p", { class: "soft" }, `${number(leftOut)} further changes are in the audit log.`));
}

function row({ time, who, action, subject, before, after }) {
  return h("tr", {}, h("th", { scope: "row" }, dateTime(time)), [who, action, subject].map((text) => h("td", {}, text || "-")),
    [before, after].map((text) => h("td", {}, value(text))));
}

const value = (text) => (/^[0-9a-f]{64}$/.test(text) ? h("code", { title: text }, shortHash(text)) : text || "-");
