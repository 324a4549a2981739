// Decisions and states as word, shape and colour. The shape and the word carry the meaning without the colour.

import { h, svg } from "./dom.js";

// Outlines and marks in a square of 24 by 24.
const SHAPES = {
  pass: ["M12 2a10 10 0 1 0 0 20a10 10 0 1 0 0-20z", "M7 12.5l3.5 3.5L17 9"],
  review: ["M12 1l11 11-11 11L1 12z", "M12 7v6M12 16v1"],
  reject: ["M8 2h8l6 6v8l-6 6H8l-6-6V8z", "M8.5 8.5l7 7M15.5 8.5l-7 7"],
  fault: ["M12 1.5L23.5 22H.5z", "M12 9v6M12 18v1"],
  idle: ["M3 3h18v18H3z", "M8 12h8"],
  paused: ["M3 3h18v18H3z", "M9 8v8M15 8v8"],
  busy: ["M4 2h16v4l-6 6 6 6v4H4v-4l6-6-6-6z", ""],
};

/** @type {Object<string, [string, string]>} word and kind of each decision */
const DECISIONS = {
  DECISION_PASS: ["PASS", "pass"],
  DECISION_REVIEW: ["REVIEW", "review"],
  DECISION_REJECT: ["REJECT", "reject"],
  DECISION_FAULT: ["FAULT", "fault"],
};

const LINE_STATES = {
  LINE_STATE_RUNNING: ["RUNNING", "pass"],
  LINE_STATE_DEGRADED: ["DEGRADED", "review"],
  LINE_STATE_STARTING: ["STARTING", "busy"],
  LINE_STATE_STOPPING: ["STOPPING", "idle"],
  STALE: ["STALE", "fault"],
};

const CAMERA_STATES = {
  CAMERA_STATE_RUNNING: ["RUNNING", "pass"],
  CAMERA_STATE_OPENING: ["OPENING", "busy"],
  CAMERA_STATE_WAITING: ["WAITING", "fault"],
  CAMERA_STATE_ENDED: ["ENDED", "idle"],
  CAMERA_STATE_PAUSED: ["PAUSED", "paused"],
};

const SHADOW_STATES = {
  SHADOW_STATE_LOADING: ["LOADING", "busy"],
  SHADOW_STATE_RUNNING: ["RUNNING", "pass"],
  SHADOW_STATE_FAILED: ["FAILED", "fault"],
};

const LABELS = {
  LABEL_KIND_GOOD: ["truly good", "pass"],
  LABEL_KIND_DEFECTIVE: ["truly defective", "reject"],
  LABEL_KIND_UNSURE: ["unsure", "review"],
};

/** The names of all decisions, most urgent first. */
export const DECISION_NAMES = ["DECISION_FAULT", "DECISION_REJECT", "DECISION_REVIEW", "DECISION_PASS"];

/** The kind of a decision: `pass`, `review`, `reject`, `fault` or `idle`. @param {string} decision @returns {string} */
export const decisionKind = (decision) => (DECISIONS[decision] ?? ["", "idle"])[1];

/** Draws a shape. @param {string} kind @returns {SVGElement} */
export function shape(kind) {
  const [outline, mark] = SHAPES[kind] ?? SHAPES.idle;
  return svg("svg", { class: "shape", viewBox: "0 0 24 24", "aria-hidden": "true" },
    svg("path", { class: "shape-body", d: outline }), svg("path", { class: "shape-mark", d: mark }));
}

function badge([word, kind], loud) {
  return h("span", { class: `badge ${kind}${loud ? " loud" : ""}` }, shape(kind), h("span", { class: "word" }, word));
}

/**
 * A decision.
 * @param {string} decision
 * @param {boolean} [loud] filled with the colour, for REJECT and FAULT
 * @returns {HTMLElement}
 */
export const decisionBadge = (decision, loud = false) => badge(DECISIONS[decision] ?? ["NO VERDICT", "idle"], loud);

/** The state of the line, or `STALE`. @param {string} state @returns {HTMLElement} */
export const lineBadge = (state) => badge(LINE_STATES[state] ?? ["UNKNOWN", "idle"], state !== "LINE_STATE_RUNNING");

/** The state of a camera. @param {string} state @returns {HTMLElement} */
export const cameraBadge = (state) => badge(CAMERA_STATES[state] ?? ["UNKNOWN", "idle"], false);

/** The state of the shadow. @param {string} state @returns {HTMLElement} */
export const shadowBadge = (state) => badge(SHADOW_STATES[state] ?? ["UNKNOWN", "idle"], false);

/** The result of the challenge. @param {{passed: boolean}} result @returns {HTMLElement} */
export const challengeBadge = ({ passed }) => badge(passed ? ["PASSED", "pass"] : ["FAILED", "fault"], false);

/** A label with its defect class. @param {{kind:string, defect_class:string}} label @returns {HTMLElement} */
export function labelBadge(label) {
  const [word, kind] = LABELS[label.kind] ?? ["no label", "idle"];
  return badge([label.defect_class ? `${word}: ${label.defect_class}` : word, kind], false);
}
