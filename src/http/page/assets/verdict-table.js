// The table of verdicts.

import { plain, score, shortTime, sourceOf } from "./format.js";
import { decisionBadge, decisionKind, labelBadge } from "./shapes.js";
import { h } from "./dom.js";

const COLUMNS = ["Sequence", "Captured", "Camera or group", "Part", "Decision", "Score / threshold", "Recipe", "Cause", "Label"];

/**
 * Creates the table.
 * @returns {{element: HTMLElement, show: function(Object[], Map<number, Object>|null, string): void,
 *   showLabels: function(Map<number, Object>|null): void, move: function(number): void}} `show` takes verdicts, labels
 *   and the query that the links to the verdicts carry; `move` moves the focus by a number of rows
 */
export function verdictTable() {
  const body = h("tbody", {});
  const head = COLUMNS.map((name) => h("th", { scope: "col", class: `${name.toLowerCase().split(" ")[0]}-column` }, name));
  const table = h("table", { class: "verdicts" },
    h("caption", { class: "only-spoken" }, "Verdicts"), h("thead", {}, h("tr", {}, head)), body);
  const element = h("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": "Table of verdicts" }, table);

  body.addEventListener("click", (event) => {
    const link = event.target.closest("tr")?.querySelector("a");
    if (link && !event.target.closest("a") && !getSelection().toString()) link.click();
  });

  function show(verdicts, query) {
    const focused = document.activeElement?.closest?.("tr")?.dataset.sequence;
    body.replaceChildren(...verdicts.map((verdict) => row(verdict, query)));
    if (focused) body.querySelector(`tr[data-sequence="${focused}"] a`)?.focus();
  }

  function showLabels(labels) {
    table.classList.toggle("without-labels", labels === null);
    for (const line of body.children) {
      const label = labels?.get(Number(line.dataset.sequence));
      line.lastChild.replaceChildren(...(label ? [labelBadge(label)] : []));
    }
  }

  function move(by) {
    const links = [...body.querySelectorAll("tr a")];
    const now = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
    const next = links[now < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, now + by))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }

  return { element, show, showLabels, move };
}

function row(verdict, query) {
  const { sequence, score: result } = verdict;
  const name = sequence ? h("a", { href: `/verdicts/${sequence}${query}` }, String(sequence)) : "not stored";
  return h("tr", { class: decisionKind(verdict.decision), "data-sequence": sequence },
    h("th", { scope: "row", class: "number" }, name),
    h("td", { class: "time" }, shortTime(verdict.capture_time)),
    h("td", {}, sourceOf(verdict), verdict.views.length > 0 && h("span", { class: "soft" }, ` ${verdict.views.length} views`)),
    h("td", {}, verdict.part_id || "-"),
    h("td", {}, decisionBadge(verdict.decision)),
    h("td", { class: "number" }, result ? [h("strong", {}, score(result.value)), h("span", { class: "soft" }, ` / ${score(result.threshold)}`)] : "-"),
    h("td", { class: "recipe-column" }, verdict.recipe ? `${verdict.recipe.id} ${verdict.recipe.version}` : "-"),
    h("td", { class: "cause", title: verdict.fault?.message ?? null }, causeOf(verdict)),
    h("td", { class: "label-column" }));
}

function causeOf(verdict) {
  if (verdict.fault) return plain(verdict.fault.reason, "FAULT_REASON_");
  if (verdict.views.length > 0) return verdict.views.filter((view) => view.decision === verdict.decision && view.decision !== "DECISION_PASS").map((view) => view.camera_id).join(", ");
  if (verdict.decision === "DECISION_PASS" || !verdict.score) return "";
  const kind = plain(verdict.score.dominant, "ANOMALY_KIND_");
  return verdict.score.decided_by ? `${verdict.score.decided_by}, ${kind}` : kind;
}
