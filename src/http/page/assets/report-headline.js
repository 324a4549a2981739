// The headline numbers of a report.

import { durationText } from "./duration-text.js";
import { h } from "./dom.js";
import { milliseconds, number, percent } from "./format.js";
import { countsOf, shareOfPass, totalOf } from "./report-counts.js";

// Few parts are not none.
const shareText = (share) => (share > 0 && share < 0.0005 ? "less than 0.1 %" : percent(share));

/** Creates the numbers. @param {Object} report @returns {HTMLElement} */
export function headline(report) {
  const { client_images: images, standstills } = report;
  const parts = countsOf(report.parts);
  const total = totalOf(parts);
  const share = (count) => (total > 0 ? `${shareText(count / total)} of parts` : "no parts");
  const stopped = milliseconds(report.standstill_total) ?? 0;
  const cells = [
    ["Parts", number(total), totalOf(images) > 0 ? `and ${number(totalOf(images))} images of clients` : ""],
    ["Yield", shareOfPass(report.yield), report.yield === null || report.yield === undefined ? "no part was judged" : "PASS of judged parts"],
    ["PASS", number(parts.pass), share(parts.pass), "pass"],
    ["REVIEW", number(parts.review), share(parts.review), "review"],
    ["REJECT", number(parts.reject), share(parts.reject), "reject"],
    ["FAULT", number(parts.fault), share(parts.fault), "fault"],
    ["Standstill", durationText(stopped), standstills.length === 1 ? "1 time" : `${standstills.length < 100 ? number(standstills.length) : "100 or more"} times`],
  ];
  return h("section", { class: "counters headline", "aria-label": "Totals" },
    h("dl", {}, cells.map(([name, value, note, kind]) => h("div", { class: kind },
      h("dt", {}, name), h("dd", {}, value), h("dd", { class: "hint" }, note)))));
}
