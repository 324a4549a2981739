// Loads the present frames of a camera, one request at a time.

import { goToSignIn } from "./api.js";

const INTERVAL_MS = 200;
const TIMEOUT_MS = 15000;
const LONGEST_PAUSE_MS = 5000;

/** The longer side of the live picture, pixels. */
const SIDE = 1280;

/**
 * @typedef {Object} LoadedView
 * @property {Blob} blob the frame as captured, JPEG
 * @property {Object} view the fields of GetCameraViewResponse without the frame
 */

/**
 * Loads the next frame of a camera.
 * @param {string} id
 * @param {number} side the longer side in pixels, at most; 0: full size
 * @returns {Promise<LoadedView>}
 */
async function loadView(id, side) {
  const url = `/cameras/${encodeURIComponent(id)}/view?side=${side}`;
  const options = { credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) };
  const response = await fetch(url, options).catch(() => {
    throw failure("UNREACHABLE", "The daemon does not answer.");
  });
  if (response.ok) return { view: JSON.parse(response.headers.get("x-view")), blob: await response.blob() };
  if (response.status === 401) goToSignIn();
  const body = await response.json().catch(() => null);
  throw failure(body?.code ?? "UNKNOWN", body?.message || `The daemon answered with status ${response.status}.`);
}

const failure = (code, message) => Object.assign(new Error(message), { code });

/**
 * Loads frames until the end, about five per second at most, and none while the page is hidden.
 * @param {string} id
 * @param {{onView: function(LoadedView): (Promise<void>|void), onError: function(Error): void}} handlers
 * @returns {{loadFull: function(): Promise<LoadedView>, wake: function(): void, hold: function(boolean): void, end: function(): void}}
 *   `loadFull` loads one frame in full size, between two others; `wake` tries again at once after an error; `hold` stops
 *   and continues the loading
 */
export function watchView(id, { onView, onError }) {
  let turn = Promise.resolve();
  let timer = 0;
  let busy = false;
  let ended = false;
  let held = false;
  let failures = 0;

  function inTurn(side) {
    const load = turn.then(() => loadView(id, side));
    turn = load.catch(() => null);
    return load;
  }

  async function next() {
    clearTimeout(timer);
    if (busy || ended || held || document.visibilityState !== "visible") return;
    busy = true;
    const started = performance.now();
    let pause = 0;
    try {
      const loaded = await inTurn(SIDE);
      if (!ended && !held) await onView(loaded);
      failures = 0;
      pause = INTERVAL_MS - (performance.now() - started);
    } catch (error) {
      if (!ended && !held) onError(error);
      pause = Math.min(1000 * 2 ** failures++, LONGEST_PAUSE_MS);
    }
    busy = false;
    timer = setTimeout(next, Math.max(0, pause));
  }

  document.addEventListener("visibilitychange", next);
  next();
  return {
    loadFull: () => inTurn(0),
    wake: next,
    hold(on) {
      held = on;
      next();
    },
    end() {
      ended = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", next);
    },
  };
}
