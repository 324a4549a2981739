// The strip with the state of the line, the model, the recipe and the alarms.

import { h, replaceIfChanged } from "./dom.js";
import { clock } from "./format.js";
import { modelVersion } from "./model-name.js";
import { onLive } from "./live.js";
import { lineBadge, shape } from "./shapes.js";
import { onStale } from "./stale.js";

/** Fills the strip and keeps it up to date. @param {HTMLElement} place */
export function showLine(place) {
  const state = h("div", { class: "line-state" }, lineBadge(""));
  const facts = h("div", { class: "line-facts" });
  const alarms = h("ul", { class: "alarms", "aria-label": "Alarms", hidden: true });
  place.replaceChildren(state, facts, alarms);
  let status = null;
  let stale = false;

  const render = () => {
    const name = stale ? "STALE" : status?.state ?? "";
    replaceIfChanged(state, name, () => lineBadge(name));
    if (!status) return;
    const { model, recipe } = status;
    replaceIfChanged(facts, JSON.stringify([model, recipe]), () => [
      fact("Model", model ? `${model.name} ${modelVersion(model)}` : "none"),
      fact("Recipe", recipe ? `${recipe.id} ${recipe.version}` : "none"),
    ]);
    const rows = alarmsOf(status);
    alarms.hidden = rows.length === 0;
    replaceIfChanged(alarms, JSON.stringify(rows), () => rows.map(alarmRow));
  };

  onLive("status", (data) => {
    status = data;
    render();
  });
  onStale((isStale) => {
    stale = isStale;
    render();
  });
}

const fact = (name, value) => h("span", { class: "fact", title: value }, h("span", { class: "soft" }, `${name} `), value);

function alarmRow({ title, text, since }) {
  return h("li", {}, shape("fault"), h("strong", {}, title), h("span", {}, text),
    since && h("span", { class: "soft" }, `since ${clock(since)}`));
}

function alarmsOf(status) {
  const rows = status.alarms.map((alarm) => ({
    title: [alarm.kind.replaceAll("_", " "), alarm.subject].filter(Boolean).join(": "),
    text: alarm.message,
    since: alarm.since_time,
  }));
  const add = (title, text, since) => text && rows.push({ title, text, since });
  add("journal", status.journal?.trouble, status.journal?.trouble_time);
  add("provider", status.engine?.fallback_reason);
  add("reload refused", status.configuration?.last_reload_error, status.configuration?.last_reload_error_time);
  return rows;
}
