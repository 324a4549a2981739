// Live data for a page: `status`, `verdicts`, `gap`, `failed` and `signed_out`, and how long nothing has arrived.

import { LiveSource } from "./live-source.js";

const PING_MS = 30000;
const RENEW_AFTER_MS = 20000;

const handlers = new Map();
let lastEvent = performance.now();
let lastMessage = performance.now();
let say = () => {};
let own = null;

/**
 * Registers a handler for a kind of events.
 * @param {"status"|"verdicts"|"gap"|"failed"|"signed_out"} kind
 * @param {function(Object): void} handler receives the data of the event
 */
export function onLive(kind, handler) {
  handlers.set(kind, [...(handlers.get(kind) ?? []), handler]);
}

/** How long no event has arrived. @returns {number} milliseconds */
export const silence = () => performance.now() - lastEvent;

function deliver({ kind, data, age }) {
  lastMessage = performance.now();
  if (kind !== "failed" && kind !== "signed_out") lastEvent = Math.max(lastEvent, performance.now() - age);
  for (const handler of handlers.get(kind) ?? []) handler(data);
}

const isVisible = () => document.visibilityState === "visible";

function connectWorker() {
  const worker = new SharedWorker("/assets/live-worker.js", { type: "module", name: "inspectd-live-1" });
  worker.onerror = () => connectHere();
  worker.port.onmessage = (message) => deliver(message.data);
  say = (kind) => worker.port.postMessage({ kind, visible: isVisible() });
  say("hello");
}

function connectHere() {
  if (own) return;
  own = new LiveSource(deliver);
  say = (kind) => (kind === "bye" || kind === "sign_out" ? own.stop() : own.start());
  say("hello");
}

/** Starts the live data of this page. */
export function startLive() {
  if (typeof SharedWorker === "undefined") connectHere();
  else connectWorker();
  document.addEventListener("visibilitychange", () => say("visible"));
  addEventListener("pagehide", () => say("bye"));
  addEventListener("pageshow", (event) => event.persisted && say("hello"));
  setInterval(() => say("ping"), PING_MS);
  setInterval(renew, 5000);
}

/** Ends the live data of all pages of this browser, because the session ends. */
export const endLive = () => say("sign_out");

// A worker that crashed sends nothing; a new connection starts another one.
function renew() {
  if (own || !isVisible() || performance.now() - lastMessage < RENEW_AFTER_MS) return;
  lastMessage = performance.now();
  say("bye");
  connectWorker();
}
