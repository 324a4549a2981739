// Sets exposure and gain of a camera with the source `device`.

import { call } from "./api.js";
import { controlField } from "./camera-control-field.js";
import { errorState, h, setText } from "./dom.js";
import { fileOf } from "./tuning-text.js";
import { mayActAs } from "./session.js";
import { number } from "./format.js";
import { section } from "./fact-list.js";

const LONGEST_EXPOSURE_US = 10000000;
const EXPOSURE_RULE = {
  text: `Enter a whole number from 1 to ${number(LONGEST_EXPOSURE_US)}.`,
  isValid: (value) => Number.isInteger(value) && value >= 1 && value <= LONGEST_EXPOSURE_US,
};
const GAIN_RULE = { text: "Enter a number, such as 4.", isValid: Number.isFinite };

/**
 * Null: the camera's own.
 * @typedef {{exposure: number|null, gain: number|null}} Values
 */

/**
 * Creates the card.
 * @param {string} id of the camera
 * @param {Object} session
 * @returns {{element: HTMLElement, show: function(Object): void, showView: function(Object): void}} `show` takes a Camera,
 *   `showView` the fields of a view
 */
export function controlsCard(id, session) {
  const permitted = mayActAs(session, "engineer");
  const exposure = controlField("exposure", "Exposure", "µs", EXPOSURE_RULE, edited);
  const gain = controlField("gain", "Gain", "units of the driver", GAIN_RULE, edited);
  const apply = h("button", { type: "submit", class: "main", disabled: true }, "Apply");
  const reset = h("button", { type: "button", disabled: true, onclick: () => present && fill(present) }, "Reset");
  const undo = h("button", { type: "button", hidden: true, onclick: () => change(before, true) }, "Undo");
  const said = h("p", { role: "status" }, "Waiting for a frame");
  const problem = h("div", {});
  const form = h("form", { class: "controls-form", novalidate: true, onsubmit: submit },
    exposure.element, gain.element, h("div", { class: "buttons" }, apply, reset, undo), h("div", {}, said, problem),
    h("p", { class: "hint" }, "The camera is opened again with the values, and its parts are not inspected meanwhile. ",
      "They are saved in the active recipe if it sets them for this camera, otherwise in the configuration. ",
      "Scores depend on the exposure: check the thresholds afterwards."),
    !permitted && h("p", { class: "hint" }, "To set exposure and gain, the role engineer is required."));
  const element = section("Exposure and gain", form);
  element.hidden = true;
  /** The values of the newest view; null before the first one. @type {Values|null} */
  let present = null;
  /** What the Undo button restores. @type {Values|null} */
  let before = null;
  let dirty = false;
  let busy = false;

  function show(camera) {
    element.hidden = camera.source !== "device";
    enable();
  }

  function showView(view) {
    const next = { exposure: view.exposure_us ?? null, gain: view.gain ?? null };
    if (present === null) setText(said, "");
    if (present && next.exposure === present.exposure && next.gain === present.gain) return;
    present = next;
    if (!dirty && !busy) fill(next);
  }

  function fill(values) {
    exposure.show(values.exposure);
    gain.show(values.gain);
    dirty = false;
    enable();
  }

  function edited() {
    dirty = true;
    enable();
  }

  function enable() {
    for (const field of [exposure, gain]) field.enable(permitted && !busy);
    apply.disabled = !permitted || busy || !dirty;
    reset.disabled = !permitted || busy || !dirty || present === null;
    undo.disabled = !permitted || busy;
  }

  function submit(event) {
    event.preventDefault();
    const values = { exposure: exposure.read(), gain: gain.read() };
    if (Object.values(values).includes(undefined)) return;
    change(values, false);
  }

  async function change(values, undoing) {
    busy = true;
    enable();
    problem.replaceChildren();
    setText(said, "Applying ...");
    try {
      const answer = await call("LineService", "SetCameraControls", { camera_id: id, ...toRequest(values, present) });
      before = undoing ? null : { exposure: answer.previous_exposure_us ?? null, gain: answer.previous_gain ?? null };
      const now = { exposure: answer.exposure_us ?? null, gain: answer.gain ?? null };
      setText(said, `${undoing ? "Undone" : "Applied"}: ${describe(now)}. Saved in ${fileOf(answer)}.`);
      fill(now);
    } catch (error) {
      setText(said, "");
      problem.replaceChildren(errorState(undoing ? "The change was not undone" : "Exposure and gain were not changed", error));
    }
    busy = false;
    undo.hidden = before === null;
    enable();
    if (document.activeElement === document.body) (undo.hidden ? exposure.element.querySelector(":checked") : undo)?.focus();
  }

  return { element, show, showView };
}

/** A value that is not changed here is kept, because another client may have changed it since. */
function toRequest({ exposure, gain }, present) {
  return {
    ...(exposure === present?.exposure ? { keep_exposure: true } : exposure !== null && { exposure_us: exposure }),
    ...(gain === present?.gain ? { keep_gain: true } : gain !== null && { gain }),
  };
}

const describe = ({ exposure, gain }) =>
  `exposure ${exposure === null ? "the camera's own" : `${number(exposure)} µs`}, gain ${gain === null ? "the camera's own" : gain}`;
