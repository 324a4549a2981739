// Repeats a call while the page is visible.

/**
 * Calls a function at an interval, and at once when the page becomes visible again. Calls do not overlap.
 * @param {function(): Promise<void>} load does not fail
 * @param {number} intervalMs from the end of a call to the next one
 * @returns {{now: function(): Promise<void>}} `now` resolves after a call that began later
 */
export function poll(load, intervalMs) {
  let timer = 0;
  let running = null;

  function run() {
    if (running) return running;
    clearTimeout(timer);
    if (document.visibilityState !== "visible") return Promise.resolve();
    running = load().finally(() => {
      running = null;
      timer = setTimeout(run, intervalMs);
    });
    return running;
  }

  async function now() {
    await running;
    await run();
  }

  document.addEventListener("visibilitychange", run);
  run();
  return { now };
}
