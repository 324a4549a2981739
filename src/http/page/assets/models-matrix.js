// The frames that were judged by both, by the decision of the line and that of the shadow.

import { decisionBadge } from "./shapes.js";
import { h, replaceIfChanged } from "./dom.js";
import { number, percent } from "./format.js";

const ALWAYS = ["DECISION_PASS", "DECISION_REVIEW", "DECISION_REJECT"];

/** Creates the table. @returns {{element: HTMLElement, show: function(Object[]): void}} `show` takes DecisionPairs */
export function decisionMatrix() {
  const element = h("div", { class: "table-scroll matrix", tabindex: 0, role: "region", "aria-label": "Table: frames by both decisions" });
  return { element, show: (pairs) => replaceIfChanged(element, JSON.stringify(pairs), () => tableOf(pairs)) };
}

function tableOf(pairs) {
  const hasFault = pairs.some(({ active, shadow }) => active === "DECISION_FAULT" || shadow === "DECISION_FAULT");
  const decisions = hasFault ? [...ALWAYS, "DECISION_FAULT"] : ALWAYS;
  const sum = (wanted) => pairs.filter(wanted).reduce((all, { count }) => all + count, 0);
  const all = sum(() => true);
  const cell = (count, kind) => h("td", { class: `number ${kind}` }, number(count), count > 0 && h("span", { class: "share soft" }, shareText(count / all)));
  return h("table", { class: "small" },
    h("caption", { class: "only-spoken" }, "Frames by the decision of the line (rows) and of the shadow (columns)"),
    h("thead", {},
      h("tr", {}, h("th", { scope: "col", rowspan: 2 }, "Line"), h("th", { scope: "colgroup", colspan: decisions.length }, "Shadow"),
        h("th", { scope: "col", rowspan: 2, class: "number" }, "All")),
      h("tr", {}, decisions.map((shadow) => h("th", { scope: "col", class: "number" }, decisionBadge(shadow))))),
    h("tbody", {},
      decisions.map((active) => h("tr", {}, h("th", { scope: "row" }, decisionBadge(active)),
        decisions.map((shadow) => {
          const count = sum((pair) => pair.active === active && pair.shadow === shadow);
          return cell(count, active === shadow ? "same" : count > 0 ? "differs" : "soft");
        }),
        cell(sum((pair) => pair.active === active), ""))),
      h("tr", {}, h("th", { scope: "row" }, "All"), decisions.map((shadow) => cell(sum((pair) => pair.shadow === shadow), "")), cell(all, ""))));
}

/** A share as percent: few frames are not none, and not all. @param {number} share 0 to 1 @returns {string} */
export const shareText = (share) => (share > 0 && share < 0.0005 ? "less than 0.1 %" : percent(share < 1 ? Math.min(share, 0.999) : 1));
