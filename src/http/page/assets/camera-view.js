// The set-up view of a camera: its live picture, aids for focus, exposure and the inspected area, and its controls.

import { areaCard } from "./camera-view-area.js";
import { cameraBadge } from "./shapes.js";
import { controlsCard } from "./camera-view-controls.js";
import { createLivePicture } from "./camera-view-picture.js";
import { errorText, pauseText, sizeText } from "./cameras-table.js";
import { exposureAid } from "./camera-view-exposure.js";
import { factList, section } from "./fact-list.js";
import { focusAid } from "./camera-view-focus.js";
import { h, replaceIfChanged } from "./dom.js";
import { latencyCard } from "./camera-view-latency.js";
import { number } from "./format.js";
import { pauseCard } from "./camera-view-pause.js";
import { referenceCard } from "./camera-view-reference.js";
import { watchView } from "./camera-view-source.js";

const HELD = "The live picture is paused while the latency is measured.";

/**
 * Creates the view.
 * @param {string} id of the camera
 * @param {Object} session
 * @returns {{element: HTMLElement, show: function(Object[], Object|null): void, end: function(): void}} `show` takes all
 *   cameras and the active recipe
 */
export function createCameraView(id, session) {
  const area = areaCard(id, (rotate) => picture.rotate(rotate));
  const picture = createLivePicture(id, area.overlay);
  const focus = focusAid();
  const exposure = exposureAid(picture.mark);
  const controls = controlsCard(id, session);
  const latency = latencyCard(id, holdPicture);
  const pause = pauseCard(id, session);
  const facts = h("div", {});
  const state = h("span", { class: "view-state" });
  const others = h("nav", { "aria-label": "Cameras" });
  let camera = null;
  let holding = false;

  const source = watchView(id, {
    async onView({ blob, view }) {
      area.show(view);
      await picture.show(blob, view, area.rotation());
      if (holding) picture.showProblem(HELD);
      focus.show(view.sharpness);
      exposure.show(view);
      controls.showView(view);
    },
    onError: (error) => picture.showProblem(problemText(error, camera)),
  });
  const ageTimer = setInterval(picture.checkAge, 1000);

  const element = h("div", {},
    h("div", { class: "verdict-head" }, h("h1", {}, `Camera ${id}`), state, others,
      h("div", { class: "buttons" }, h("a", { href: "/cameras" }, "All cameras"))),
    h("div", { class: "verdict-columns set-up" },
      h("div", { class: "verdict-left" }, h("div", { class: "viewer" }, picture.element)),
      h("div", { class: "verdict-right" }, focus.element, exposure.element, controls.element, area.element, referenceCard(id, source.loadFull), latency.element, pause.element, facts)));

  function show(cameras, recipe) {
    const before = camera;
    camera = cameras.find((one) => one.id === id);
    replaceIfChanged(state, camera.state, () => cameraBadge(camera.state));
    replaceIfChanged(others, cameras.map((one) => one.id).join(), () => (cameras.length > 1 ? cameras.map((one) => link(one.id)) : null));
    controls.show(camera);
    latency.show(camera);
    pause.show(camera);
    area.showRecipe(recipe);
    const known = factsOf(camera);
    replaceIfChanged(facts, JSON.stringify(known), () => section("Facts", factList(known)));
    if (before && before.state !== camera.state) source.wake();
  }

  const link = (other) => h("a", { href: `/cameras?camera=${encodeURIComponent(other)}`, "aria-current": other === id ? "true" : null }, other);

  function holdPicture(on) {
    holding = on;
    source.hold(on);
    if (on) picture.showProblem(HELD);
  }

  function end() {
    latency.end();
    source.end();
    clearInterval(ageTimer);
  }

  return { element, show, end };
}

function problemText(error, camera) {
  if (camera?.pause) return pauseText(camera.pause);
  const cause = camera && camera.state !== "CAMERA_STATE_RUNNING" ? camera.last_error : "";
  return [error.message, cause].filter(Boolean).join(". ");
}

function factsOf(camera) {
  return [
    ["Source", camera.source],
    ["Mode", camera.triggered ? "every frame counts" : "only the latest frame counts"],
    ["Size", sizeText(camera)],
    ["Frames", `${number(camera.frames_per_second, 1)} /s`],
    ["Captured", number(camera.frames.captured)],
    ["Lost by the driver", camera.frames.lost > 0 && number(camera.frames.lost)],
    ["Opened", camera.opened === 1 ? "once" : `${number(camera.opened)} times`],
    ["Last error", errorText(camera) || "none since the start"],
  ];
}
