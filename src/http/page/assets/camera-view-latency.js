// Measures the latency of a camera by changes of the light: flashes of this screen, or changes by hand.

import { copyBlock } from "./copy-block.js";
import { errorState, h, setText } from "./dom.js";
import { latencyLines, LatencyMeter, REPEAT, suggestion } from "./camera-latency.js";
import { number } from "./format.js";
import { section } from "./fact-list.js";
import { watchBrightness } from "./camera-latency-source.js";

const CHECK_INTERVAL_MS = 250;

/** Only these sources have `latency_ms`. */
const SOURCES = ["device", "url", "gstreamer"];

/**
 * How the light is changed.
 * @typedef {Object} Way
 * @property {HTMLElement} element
 * @property {function(LatencyMeter): void} open shows it
 * @property {function(number): void} showLevel shows the brightness
 * @property {function(): void} showPhase shows the phase of the meter
 * @property {function(): (string|null)} failure why it cannot continue
 * @property {function(): Promise<void>} close hides it; afterwards, the page can take the focus
 */

/**
 * Creates the card.
 * @param {string} id of the camera
 * @param {function(boolean): void} holdPicture stops and continues the live picture, whose frames delay the measurement
 * @returns {{element: HTMLElement, show: function(Object): void, end: function(): void}} `show` takes a Camera
 */
export function latencyCard(id, holdPicture) {
  const said = h("p", { role: "status" });
  const byHand = handWay(said, cancel);
  const withScreen = screenWay(id, cancel);
  const screenButton = h("button", { type: "button", "aria-describedby": "latency-screen", onclick: () => begin(withScreen) }, "With this screen");
  const handButton = h("button", { type: "button", "aria-describedby": "latency-hand", onclick: () => begin(byHand) }, "By hand");
  const ways = h("div", { class: "latency-ways" },
    screenButton, h("p", { class: "hint", id: "latency-screen" },
      "Point the camera at this screen, or hold the screen in its view. The screen flashes about once a second: flashing light can harm people with photosensitive epilepsy."),
    handButton, h("p", { class: "hint", id: "latency-hand" }, "Press a button and change the light at the same moment, with a lamp or a hand in front of the lens."));
  const pausedNote = h("p", { hidden: true }, "The camera is paused. Resume it to measure.");
  const problem = h("div", {});
  const values = valueList();
  const lines = copyBlock("Lines for the configuration");
  const screenNote = h("p", { class: "hint" }, "The values also contain the delay of the screen, a few tens of milliseconds; a value that is too large is safe.");
  const result = h("div", { class: "latency-result", hidden: true },
    h("p", { class: "hint" }, "latency_ms is the largest value plus a tenth of it, rounded up to 5 ms. ",
      "This changes nothing by itself: replace these lines in the configuration and restart."),
    lines.element, screenNote);
  const element = section("Latency", h("div", { class: "latency" },
    h("p", { class: "hint" }, `The time from the exposure of a frame to its delivery, measured ${REPEAT} times by a change of the light that the camera sees.`),
    ways, pausedNote, h("div", {}, said, problem), byHand.element, values.element, result), withScreen.element);

  /** The measurement. @type {{way: Way, meter: LatencyMeter, closeSource: function(): void, timer: number}|null} */
  let run = null;

  function begin(way) {
    problem.replaceChildren();
    setText(said, "");
    result.hidden = true;
    screenNote.hidden = way !== withScreen;
    ways.hidden = way === byHand;
    const meter = new LatencyMeter();
    values.show(meter.values);
    holdPicture(true);
    run = {
      way, meter,
      closeSource: watchBrightness(id, { onLevel, onFailed: fail }),
      timer: setInterval(check, CHECK_INTERVAL_MS),
    };
    way.open(meter);
  }

  function onLevel(level, now) {
    const { way, meter } = run;
    way.showLevel(level);
    if (!meter.level(level, now)) return;
    values.show(meter.values);
    if (meter.phase === "done") finish(meter.values);
    else way.showPhase();
  }

  function check() {
    const failure = run.way.failure() ?? run.meter.failure(performance.now());
    if (failure) fail(failure);
  }

  function finish(measured) {
    stop();
    setText(said, `The frame with the new light was delivered after ${number(Math.max(...measured))} ms at most.`);
    lines.show(latencyLines(id, suggestion(measured)));
    result.hidden = false;
  }

  function fail(message) {
    stop();
    setText(said, "");
    problem.replaceChildren(errorState("The latency was not measured", message));
  }

  function cancel() {
    if (!run) return;
    stop();
    setText(said, "Cancelled");
  }

  function stop() {
    if (!run) return;
    const { way, meter, closeSource, timer } = run;
    run = null;
    closeSource();
    clearInterval(timer);
    const focused = way.element.contains(document.activeElement);
    way.close().then(() => focused && !run && (way === byHand ? handButton : screenButton).focus());
    ways.hidden = false;
    values.element.hidden = meter.values.length === 0;
    holdPicture(false);
  }

  function show(camera) {
    const paused = Boolean(camera.pause);
    element.hidden = !SOURCES.includes(camera.source);
    pausedNote.hidden = !paused;
    if (paused && run) fail("The camera is paused.");
    screenButton.disabled = handButton.disabled = paused;
  }

  return { element, show, end: stop };
}

/**
 * A person changes the light, and presses a button at the same moment.
 * @param {HTMLElement} said where the phase is stated
 * @param {function(): void} onCancel
 * @returns {Way}
 */
function handWay(said, onCancel) {
  const changed = h("button", { type: "button", class: "main", "aria-disabled": "true" }, "Light changed");
  const level = levelBar();
  const element = h("div", { class: "latency-hand", hidden: true },
    h("div", { class: "buttons" }, changed, h("button", { type: "button", onclick: onCancel }, "Cancel")), level.element,
    h("p", { class: "hint" }, "If the button is pressed before the light changes, the value is too large; if afterwards, too small."));
  let meter = null;

  // The moment is that of the press: a click comes when the button or key is released.
  const isKey = ({ key }) => key === "Enter" || key === " ";
  changed.addEventListener("pointerdown", (event) => event.button === 0 && press(event));
  changed.addEventListener("keydown", (event) => {
    if (!isKey(event)) return;
    event.preventDefault();
    if (!event.repeat) press(event);
  });
  changed.addEventListener("keyup", (event) => isKey(event) && event.preventDefault());
  changed.addEventListener("click", (event) => event.detail === 0 && press(event));
  element.addEventListener("keydown", (event) => event.key === "Escape" && onCancel());

  function press(event) {
    if (meter.change(event.timeStamp)) showPhase();
  }

  function showPhase() {
    const texts = {
      settling: "wait until the light is steady.",
      ready: "the light is steady. Press the button and change the light at the same moment.",
      changing: "waiting for a frame with the new light.",
    };
    const last = meter.phase === "settling" && meter.values.length > 0 ? `${number(meter.values.at(-1))} ms. ` : "";
    const before = meter.early ? "The light changed before the button was pressed. " : last;
    setText(said, `${before}Measurement ${meter.values.length + 1} of ${REPEAT}: ${texts[meter.phase]}`);
    changed.setAttribute("aria-disabled", String(meter.phase !== "ready"));
  }

  function open(next) {
    meter = next;
    meter.start(performance.now());
    level.show(null);
    element.hidden = false;
    showPhase();
    changed.focus();
  }

  async function close() {
    element.hidden = true;
  }

  return { element, open, showLevel: level.show, showPhase, failure: () => null, close };
}

/**
 * The whole screen changes between black and white.
 * @param {string} id of the camera
 * @param {function(): void} onCancel
 * @returns {Way}
 */
function screenWay(id, onCancel) {
  const startButton = h("button", { type: "button", autofocus: true, onclick: start }, "Start");
  const before = h("div", { class: "light-before" },
    h("h2", { id: "light-title" }, `Latency of camera ${id}`),
    h("p", {}, "Point the camera at this screen, or hold the screen in its view. Do not move them afterwards."),
    h("p", {}, h("strong", {}, "The screen will flash black and white, about once a second."), " Flashing light can harm people with photosensitive epilepsy."));
  const count = h("p", { role: "status" });
  const phase = h("p", {});
  const level = levelBar();
  const field = h("div", { class: "light-surface", tabindex: -1 }, before,
    h("div", { class: "light-text" }, count, phase, level.element,
      h("div", { class: "buttons" }, startButton, h("button", { type: "button", onclick: onCancel }, "Cancel"))));
  const element = h("dialog", { class: "light-field", "aria-labelledby": "light-title" }, field);
  /** Null while the dialog is closed. @type {LatencyMeter|null} */
  let meter = null;
  let frame = 0;

  // Escape closes the dialog; in full screen, it leaves full screen first.
  element.addEventListener("close", () => meter && !element.open && onCancel());
  field.addEventListener("fullscreenchange", () => meter && document.fullscreenElement !== field && onCancel());

  function open(next) {
    meter = next;
    before.hidden = startButton.hidden = false;
    element.dataset.light = "black";
    level.show(null);
    showPhase();
    element.showModal();
    // The dialog fills the page where the browser does not permit the full screen.
    field.requestFullscreen?.().then(() => element.open || leaveFullScreen(), () => null);
  }

  function start() {
    before.hidden = startButton.hidden = true;
    field.focus();
    meter.start(performance.now());
    showPhase();
  }

  function showPhase() {
    const texts = { idle: "", settling: "Waiting until the light is steady", ready: "", changing: "Waiting for a frame with the new light" };
    setText(count, meter.phase === "idle" ? "" : [`${meter.values.length + 1} of ${REPEAT}`, ...meter.values.map((value) => `${number(value)} ms`)].join(", "));
    setText(phase, texts[meter.phase]);
    if (meter.phase === "ready") frame = requestAnimationFrame(flip);
  }

  // Just before the frame of the screen that shows the change.
  function flip() {
    if (meter?.phase !== "ready") return;
    element.dataset.light = element.dataset.light === "black" ? "white" : "black";
    meter.change(performance.now());
    showPhase();
  }

  async function close() {
    meter = null;
    cancelAnimationFrame(frame);
    const left = document.fullscreenElement === field && leaveFullScreen();
    element.close();
    await left;
  }

  const failure = () => (document.visibilityState === "visible" ? null : "The page was hidden, so the screen did not flash.");

  return { element, open, showLevel: level.show, showPhase, failure, close };
}

const leaveFullScreen = () => document.exitFullscreen().catch(() => null);

/** The brightness as number and bar. @returns {{element: HTMLElement, show: function(number|null): void}} */
function levelBar() {
  const value = h("strong", {}, "-");
  const fill = h("div", { class: "bar-fill busy" });
  const element = h("div", { class: "latency-level" }, h("span", {}, "Brightness"), value, h("div", { class: "bar-track", "aria-hidden": "true" }, fill));
  return {
    element,
    show(level) {
      setText(value, number(level));
      fill.style.width = `${((level ?? 0) / 255) * 100}%`;
    },
  };
}

/** What was measured, each value with a bar. @returns {{element: HTMLElement, show: function(number[]): void}} */
function valueList() {
  const rows = Array.from({ length: REPEAT }, (_, index) => {
    const fill = h("div", { class: "bar-fill busy" });
    const value = h("span", { class: "number" });
    return { fill, value, element: h("li", {}, h("span", { class: "soft" }, index + 1), h("div", { class: "bar-track", "aria-hidden": "true" }, fill), value) };
  });
  const element = h("ol", { class: "latency-values", "aria-label": "Measured values", hidden: true }, rows.map((row) => row.element));
  return {
    element,
    show(values) {
      element.hidden = false;
      rows.forEach(({ fill, value }, index) => {
        setText(value, values[index] === undefined ? "-" : `${number(values[index])} ms`);
        fill.style.width = `${((values[index] ?? 0) / Math.max(1, ...values)) * 100}%`;
      });
    },
  };
}
