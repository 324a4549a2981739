// What the chosen threshold would have decided, compared with the present one.

import { counted, interval, thresholdText } from "./tuning-text.js";
import { dateTime, number, percent } from "./format.js";
import { h, replaceIfChanged, setText } from "./dom.js";
import { section } from "./fact-list.js";
import { shape } from "./shapes.js";

/** Each row: its heading, and its content for an outcome. */
const ROWS = [
  [decision("pass"), (outcome) => frames(outcome, "pass")],
  [decision("review"), (outcome) => frames(outcome, "review")],
  [decision("reject"), (outcome) => frames(outcome, "reject")],
  [() => ["Newly rejected"], ({ newly_rejected: count }) => [number(count)]],
  [() => ["No longer rejected"], ({ no_longer_rejected: count }) => [number(count)]],
  [() => ["False rejects", note("of labelled good")], ({ false_rejects: share }) => estimate(share, "no labels")],
  [() => ["Misses", note("of labelled defective")], ({ misses: share }) => estimate(share, "no labels")],
  [() => ["Calibration", note("images above")], ({ calibration: share }) => estimate(share, "none")],
];

/**
 * Creates the section.
 * @param {import("./tuning-draft.js").Draft} draft
 * @returns {{element: HTMLElement, show: function(Object): void}} `show` takes an EvaluateThresholdsResponse
 */
export function outcomeSection(draft) {
  const headings = [h("th", { scope: "col", class: "number" }), h("th", { scope: "col", class: "number" })];
  const cells = ROWS.map(() => [h("td", { class: "number" }), h("td", { class: "number" })]);
  const table = h("table", { class: "small outcomes" },
    h("caption", { class: "only-spoken" }, "Verdicts with the present and the new threshold"),
    h("thead", {}, h("tr", {}, h("td", {}), headings)),
    h("tbody", {}, ROWS.map(([heading], index) => h("tr", {}, h("th", { scope: "row" }, heading()), cells[index]))));
  const basis = h("p", { class: "hint basis" });
  draft.onChange(compare);

  function compare() {
    const { present, outcome } = draft;
    if (!outcome) return;
    [present, outcome].forEach((one, column) => {
      const title = column === 0 ? "Present" : "New";
      replaceIfChanged(headings[column], thresholdText(one.threshold), () => [h("span", {}, title), note(thresholdText(one.threshold))]);
      ROWS.forEach(([, content], row) => replaceIfChanged(cells[row][column], JSON.stringify(one), () => content(one)));
    });
    table.classList.toggle("unchanged", !draft.isChanged);
  }

  return { element: section("What would change", table, basis), show: ({ journal }) => setText(basis, describe(journal)) };
}

function decision(kind) {
  return () => [h("span", { class: `badge ${kind}` }, shape(kind), h("span", { class: "word" }, kind.toUpperCase()))];
}

const note = (text) => h("span", { class: "cell-note soft" }, text);

function frames(outcome, kind) {
  const all = outcome.pass + outcome.review + outcome.reject;
  return [number(outcome[kind]), all > 0 && note(percent(outcome[kind] / all, 2))].filter(Boolean);
}

function estimate(share, without) {
  if (!share || share.total === 0) return [h("span", { class: "soft" }, without)];
  return [`${number(share.count)} of ${number(share.total)}`, note(interval(share))];
}

function describe(journal) {
  if (!journal) return "";
  const judged = journal.pass + journal.review + journal.reject;
  const left = [
    journal.other_model > 0 && `${number(journal.other_model)} of another model`,
    journal.without_score > 0 && `${number(journal.without_score)} without a score`,
  ].filter(Boolean);
  const since = journal.oldest_time ? ` since ${dateTime(journal.oldest_time)}` : "";
  const without = left.length > 0 ? ` Not counted: ${left.join(", ")}.` : "";
  return `${counted(judged, "verdict")}${since}.${without} Newly rejected: compared with the stored decisions. False rejects and misses include earlier labelled verdicts. Ranges: 95\u00a0% confidence.`;
}
