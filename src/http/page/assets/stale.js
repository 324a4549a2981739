// Marks the page as old when no event has arrived for five seconds. An old picture must not look like the present one.

import { silence } from "./live.js";

const LIMIT_MS = 5000;
const GRACE_MS = 700;

const handlers = [];
let since = 0;
let stale = false;

/**
 * Registers a handler that is called twice a second while the page is old, and once when it is fresh again.
 * @param {function(boolean, number): void} handler receives whether the page is old, and the silence in milliseconds
 */
export const onStale = (handler) => handlers.push(handler);

/** Starts the check. */
export function watchStale() {
  // A page that becomes visible first receives the newest state.
  document.addEventListener("visibilitychange", () => (since = performance.now()));
  setInterval(check, 500);
}

function check() {
  if (document.visibilityState !== "visible" || performance.now() - since < GRACE_MS) return;
  const before = stale;
  stale = silence() > LIMIT_MS;
  document.body.toggleAttribute("data-stale", stale);
  if (stale || before) for (const handler of handlers) handler(stale, silence());
}
