// The page of the models: the active one, the last installation, and the shadow.

import { activeModelCard } from "./models-active.js";
import { call } from "./api.js";
import { disagreementCard } from "./models-disagreements.js";
import { emptyState, errorState, h, replaceIfChanged } from "./dom.js";
import { installationCard } from "./models-installation.js";
import { mayActAs } from "./session.js";
import { noShadowCard } from "./models-none.js";
import { onLive } from "./live.js";
import { poll } from "./poll.js";
import { shadowCard } from "./models-shadow.js";
import { startPage } from "./shell.js";

const INTERVAL_MS = 2000;

const { main, session } = await startPage();
const isEngineer = mayActAs(session, "engineer");

const active = activeModelCard();
const installation = installationCard(isEngineer, () => polling.now());
const shadow = shadowCard(isEngineer, reset);
const disagreements = disagreementCard(new URLSearchParams(location.search).get("camera") ?? "", (camera) => {
  history.replaceState(null, "", location.pathname + (camera ? `?${new URLSearchParams({ camera })}` : ""));
});
const message = h("div", {}, emptyState("Loading the shadow"));
const content = h("div", { class: "shadow-content", hidden: true }, shadow.element, disagreements.element);
/** When the shadow was loaded the last time; empty: not yet. */
let loadedAt = "";

main.replaceChildren(h("h1", {}, "Models"),
  h("div", { class: "models" }, h("div", { class: "model-cards" }, active.element, installation.element), message, content));
onLive("status", (status) => {
  active.show(status);
  disagreements.showCameras(status.cameras.map((camera) => camera.id));
});
const polling = poll(() => Promise.all([installation.load(), loadShadow()]), INTERVAL_MS);

async function loadShadow() {
  try {
    const answer = await call("ModelService", "GetShadow");
    loadedAt = new Date().toISOString();
    showContent(true);
    shadow.show(answer.shadow);
    await disagreements.refresh(answer.shadow);
  } catch (error) {
    showError(error);
  }
}

function showContent(hasShadow) {
  content.hidden = !hasShadow;
  message.hidden = hasShadow;
}

function showError(error) {
  const notConfigured = error.code === "FAILED_PRECONDITION";
  if (loadedAt && !notConfigured) return shadow.showOld(error, loadedAt);
  loadedAt = "";
  showContent(false);
  replaceIfChanged(message, error.message, () => (notConfigured ? noShadowCard() : errorState("The shadow cannot be loaded", error)));
}

async function reset() {
  await call("ModelService", "ResetShadow");
  disagreements.restart();
  await polling.now();
}
