// The shared worker: one connection to the daemon for all open pages. Hidden pages receive nothing, so that no
// events queue up for them; they receive the newest state when they are visible again.

import { LiveSource } from "./live-source.js";

const FORGET_AFTER_MS = 300000;

/** @type {Map<MessagePort, {visible: boolean, heard: number}>} */
const pages = new Map();

const source = new LiveSource((event) => {
  for (const [port, page] of pages) {
    if (page.visible || event.kind === "signed_out") port.postMessage(event);
  }
});

function receive(port, message) {
  if (message.kind === "bye") pages.delete(port);
  else if (message.kind === "sign_out") {
    source.stop();
    for (const other of pages.keys()) if (other !== port) other.postMessage({ kind: "signed_out", data: {}, age: 0 });
  } else {
    const before = pages.get(port);
    pages.set(port, { visible: message.visible, heard: Date.now() });
    source.start();
    if (message.visible && !before?.visible) for (const event of source.snapshot()) port.postMessage(event);
  }
  if (pages.size === 0) source.stop();
}

self.onconnect = (event) => {
  const port = event.ports[0];
  port.onmessage = (message) => receive(port, message.data);
};

// A page that crashed does not say goodbye.
setInterval(() => {
  for (const [port, page] of pages) if (Date.now() - page.heard > FORGET_AFTER_MS) pages.delete(port);
  if (pages.size === 0) source.stop();
}, 60000);
