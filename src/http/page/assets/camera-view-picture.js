// The live picture of a camera, rotated as it is inspected, with cross-hair and grid.

import { h, setText, svg } from "./dom.js";
import { markExtremes } from "./camera-view-marks.js";
import { number, period } from "./format.js";
import { rotatedSize } from "./camera-view-geometry.js";

const OLD_AFTER_MS = 5000;

/**
 * Creates the picture.
 * @param {string} id of the camera
 * @param {HTMLElement} overlay lies over the picture
 * @returns {{element: HTMLElement, show: function(Blob, Object, number): Promise<void>, showProblem: function(string): void,
 *   checkAge: function(): void, mark: function(boolean): void, rotate: function(number): void}} `show` takes the frame, its fields and
 *   the rotation
 */
export function createLivePicture(id, overlay) {
  const canvas = h("canvas", { role: "img", "aria-label": `Live picture of camera ${id}`, hidden: true });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const note = h("p", { class: "picture-note" }, "Waiting for a frame");
  const crossHair = lines("cross-hair", [50]);
  const grid = lines("grid", [12.5, 25, 37.5, 50, 62.5, 75, 87.5]);
  const picture = h("div", { class: "picture live" }, canvas, grid, crossHair, overlay, note);
  const facts = h("span", {}, "No frame yet");
  const age = h("span", { class: "live-age", hidden: true });
  const element = h("div", {}, picture, h("p", { class: "picture-detail" }, age, facts),
    h("div", { class: "choices" }, toggle("Cross-hair", crossHair), toggle("Grid", grid)));
  let shownAt = null;
  let problem = "";
  let marking = false;
  let last = null;
  let turned = 0;

  async function show(blob, view, rotate) {
    const bitmap = await createImageBitmap(blob);
    last?.close();
    last = bitmap;
    turned = rotate;
    draw();
    const time = new Date(view.capture_time);
    const fine = Number.isNaN(time.getTime()) ? "-" : `${time.toLocaleTimeString("en-GB")}.${String(time.getMilliseconds()).padStart(3, "0")}`;
    setText(facts, [`Frame ${number(view.frame_id)}`, `captured ${fine}`, `${view.width} x ${view.height} px as captured`,
      rotate > 0 && `shown rotated by ${rotate}°`].filter(Boolean).join(", "));
    shownAt = performance.now();
    problem = "";
    checkAge();
  }

  function draw() {
    const { width, height } = rotatedSize(last, turned);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    picture.style.setProperty("--shape", String(width / height));
    context.setTransform(1, 0, 0, 1, width / 2, height / 2);
    context.rotate((turned * Math.PI) / 180);
    context.drawImage(last, -last.width / 2, -last.height / 2);
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (marking) markExtremes(context, width, height);
    canvas.hidden = false;
  }

  function showProblem(text) {
    problem = text;
    checkAge();
  }

  // An old picture must not look like the present one.
  function checkAge() {
    const old = shownAt !== null && (problem !== "" || performance.now() - shownAt > OLD_AFTER_MS);
    picture.classList.toggle("old", old);
    age.hidden = !old;
    if (old) setText(age, `This picture is ${period(performance.now() - shownAt)} old. ${problem}`);
    note.hidden = shownAt !== null;
    if (shownAt === null) setText(note, problem || "Waiting for a frame");
  }

  function mark(on) {
    marking = on;
    if (last) draw();
  }

  function rotate(degrees) {
    turned = degrees;
    if (last) draw();
  }

  return { element, show, showProblem, checkAge, mark, rotate };
}

// Lines at these places, per cent, in both directions.
function lines(kind, places) {
  const path = places.map((at) => `M${at} 0V100M0 ${at}H100`).join("");
  return svg("svg", { class: `view-lines ${kind}`, viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true", hidden: true },
    svg("path", { class: "halo", d: path }), svg("path", { class: "edge", d: path }));
}

function toggle(name, drawing) {
  const box = h("input", { type: "checkbox" });
  box.addEventListener("change", () => drawing.toggleAttribute("hidden", !box.checked));
  return h("label", { class: "check" }, box, name);
}
