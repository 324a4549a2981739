// Pauses the capture of a camera, and resumes it.

import { call } from "./api.js";
import { errorState, h, replaceIfChanged } from "./dom.js";
import { mayActAs } from "./session.js";
import { pauseText } from "./cameras-table.js";
import { section } from "./fact-list.js";

/**
 * Creates the card.
 * @param {string} id of the camera
 * @param {Object} session
 * @returns {{element: HTMLElement, show: function(Object): void}} `show` takes a Camera
 */
export function pauseCard(id, session) {
  const permitted = mayActAs(session, "operator");
  const place = h("div", { role: "status" });
  const problem = h("div", {});
  const reason = h("input", { type: "text", id: "pause-reason", maxlength: 256, autocomplete: "off", "aria-describedby": "pause-hint" });
  const pause = h("button", { type: "submit" }, "Pause camera");
  const resume = h("button", { type: "button", class: "main", onclick: () => change("ResumeCamera", {}) }, "Resume camera");
  const form = h("form", { class: "pause-form", onsubmit: submit },
    h("label", { for: "pause-reason" }, "Reason"),
    h("div", { class: "buttons" }, reason, pause),
    h("p", { class: "hint", id: "pause-hint" }, "Parts of a paused camera are not inspected, and the line is degraded. The pause is kept across restarts and recorded in the audit log."));
  const element = section("Pause", place, form, h("div", { class: "buttons" }, resume),
    !permitted && h("p", { class: "hint" }, "To pause or resume a camera, the role operator is required."), problem);
  for (const control of [reason, pause, resume]) control.disabled = !permitted;

  function submit(event) {
    event.preventDefault();
    change("PauseCamera", { reason: reason.value.trim() });
  }

  async function change(method, body) {
    problem.replaceChildren();
    pause.disabled = resume.disabled = true;
    try {
      await call("LineService", method, { camera_id: id, ...body });
      reason.value = "";
    } catch (error) {
      problem.replaceChildren(errorState(method === "PauseCamera" ? "The camera was not paused" : "The camera was not resumed", error));
    }
    pause.disabled = resume.disabled = false;
  }

  function show(camera) {
    const paused = Boolean(camera.pause);
    replaceIfChanged(place, JSON.stringify(camera.pause ?? null), () => (paused ? h("p", {}, pauseText(camera.pause)) : null));
    form.hidden = paused;
    resume.hidden = !paused;
  }

  return { element, show };
}
