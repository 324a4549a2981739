// What the tiles of cameras and of groups have in common.

import { decisionBadge, decisionKind } from "./shapes.js";
import { h, replaceIfChanged, setText } from "./dom.js";
import { milliseconds, ms, period, plain } from "./format.js";
import { serverNow } from "./api.js";

/** Creates the elements. @param {string} name @param {string} label @returns {Object} */
export function tileParts(name, label) {
  const badge = h("div", { class: "tile-decision" }, decisionBadge(""));
  const state = h("span", { class: "tile-state soft" });
  const age = h("span", {}, "no verdict yet");
  const latency = h("dd", {}, "-");
  const problem = h("p", { class: "tile-problem", hidden: true });
  const head = h("header", { class: "tile-head" }, h("h2", {}, name), state, badge);
  const element = h("article", { class: "tile", "aria-label": label }, head);
  let time = null;

  const showAge = () => time && setText(age, `${period(serverNow() - Date.parse(time))} ago`);

  function showProblem(text) {
    setText(problem, text);
    problem.hidden = !text;
  }

  function showVerdict(verdict) {
    element.dataset.decision = decisionKind(verdict.decision);
    replaceIfChanged(badge, verdict.decision, () => decisionBadge(verdict.decision, true));
    setText(latency, ms(milliseconds(verdict.timings?.total)));
    time = verdict.capture_time;
    showAge();
  }

  return { element, state, age, latency, problem, showAge, showProblem, showVerdict };
}

/** A fault in words, empty without one. @param {Object|null} fault @returns {string} */
export const describeFault = (fault) => (fault ? `${plain(fault.reason, "FAULT_REASON_")}: ${fault.message}` : "");

/** A term with its value. @param {string} name @param {HTMLElement} value @returns {HTMLElement} */
export const term = (name, value) => h("div", {}, h("dt", {}, name), value);
