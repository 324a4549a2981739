// The last verdicts that are REJECT or FAULT, newest first.

import { arrange, emptyState, h, setText } from "./dom.js";
import { number } from "./format.js";
import { thumbnail } from "./thumbnail.js";

const LENGTH = 12;

const isBad = (verdict) => verdict.decision === "DECISION_REJECT" || verdict.decision === "DECISION_FAULT";
const keyOf = (verdict) => (verdict.sequence ? `${verdict.run_id} ${verdict.sequence}` : `${verdict.camera_id} ${verdict.capture_time}`);

/**
 * Creates the strip.
 * @param {boolean} wall without links
 * @returns {{element: HTMLElement, add: function(Object[], number): void}} `add` takes verdicts and how many were left out
 */
export function recentStrip(wall) {
  const place = h("ol", { class: "strip" });
  const note = h("span", { class: "soft" });
  const none = emptyState("No REJECT and no FAULT yet");
  const element = h("section", { class: "recent", "aria-labelledby": "recent-title" },
    h("h2", { id: "recent-title" }, "Last rejects and faults"), note, place, none);
  /** @type {Map<string, {verdict: Object, item: HTMLElement}>} */
  let shown = new Map();
  let left = 0;

  function add(verdicts, missed = 0) {
    left += missed;
    setText(note, left ? `${number(left)} more were left out of the live data` : "");
    const all = new Map([...shown].map(([key, { verdict }]) => [key, verdict]));
    for (const verdict of verdicts.filter(isBad)) all.set(keyOf(verdict), verdict);
    // The views of a part are not shown next to the part.
    const views = new Set([...all.values()].flatMap((verdict) => verdict.views.map((view) => view.sequence)));
    const rows = [...all].filter(([, verdict]) => !verdict.sequence || !views.has(verdict.sequence))
      .sort(([, a], [, b]) => Date.parse(b.record_time ?? b.capture_time) - Date.parse(a.record_time ?? a.capture_time) || b.sequence - a.sequence)
      .slice(0, LENGTH);
    none.hidden = rows.length > 0;
    if (rows.map(([key]) => key).join() === [...shown.keys()].join()) return;
    shown = new Map(rows.map(([key, verdict]) => [key, shown.get(key) ?? { verdict, item: h("li", {}, thumbnail(verdict, wall)) }]));
    arrange(place, [...shown.values()].map(({ item }) => item));
  }

  return { element, add };
}
