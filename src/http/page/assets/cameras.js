// The page of the cameras: their list, or with `?camera=` the set-up view of one.

import { call } from "./api.js";
import { createCameraList } from "./cameras-list.js";
import { createCameraView } from "./camera-view.js";
import { emptyState, errorState, h } from "./dom.js";
import { onLive } from "./live.js";
import { startPage } from "./shell.js";

const id = new URLSearchParams(location.search).get("camera");
const { main, session } = await startPage();

/** The shown list or view; null before the cameras are known. @type {{show: function(Object[], Object|null): void}|null} */
let content = null;

main.replaceChildren(heading(), emptyState("Loading the cameras"));
onLive("status", (status) => show(status.cameras, status.recipe ?? null));
try {
  const { cameras } = await call("LineService", "ListCameras");
  if (!content) show(cameras, null);
} catch (error) {
  if (!content) main.replaceChildren(heading(), errorState("The cameras cannot be loaded", error));
}

function heading() {
  return h("h1", {}, id ? `Camera ${id}` : "Cameras");
}

function show(cameras, recipe) {
  if (id && !cameras.some((camera) => camera.id === id)) return showUnknown();
  if (!content) {
    content = id ? createCameraView(id, session) : createCameraList(session);
    main.replaceChildren(content.element);
  }
  content.show(cameras, recipe);
}

function showUnknown() {
  content?.end();
  content = null;
  main.replaceChildren(heading(), emptyState("This camera is not configured"), h("p", {}, h("a", { href: "/cameras" }, "All cameras")));
}
