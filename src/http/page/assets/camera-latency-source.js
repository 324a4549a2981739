// Receives the brightness of a camera's frames as they are delivered.

import { goToSignIn } from "./api.js";

const SILENCE_LIMIT_MS = 10000;

/**
 * Receives until it is closed or fails.
 * @param {string} id of the camera
 * @param {{onLevel: function(number, number): void, onFailed: function(string): void}} handlers `onLevel` takes the mean
 *   of the pixels, 0 to 255, and when it arrived, milliseconds of `performance.now()`
 * @returns {function(): void} closes
 */
export function watchBrightness(id, { onLevel, onFailed }) {
  const stream = new EventSource(`/cameras/${encodeURIComponent(id)}/brightness`);
  let silence = 0;

  function awaitFrame() {
    clearTimeout(silence);
    silence = setTimeout(() => fail("The camera delivers no frames."), SILENCE_LIMIT_MS);
  }

  // A stream that ends is opened again by the browser, unless it is closed.
  function close() {
    clearTimeout(silence);
    stream.close();
  }

  function fail(message) {
    close();
    onFailed(message);
  }

  stream.addEventListener("level", (event) => {
    const now = performance.now();
    awaitFrame();
    onLevel(Number(event.data), now);
  });
  stream.addEventListener("failed", (event) => {
    const { code, message } = JSON.parse(event.data);
    if (code === "UNAUTHENTICATED") goToSignIn();
    fail(message);
  });
  stream.onerror = () => fail("The daemon does not answer.");
  awaitFrame();
  return close;
}
