// What all pages share: the session, the header, the live data and the banner.

import { endLiveAndSignOut, sessionArea } from "./session.js";
import { getSession, goToSignIn } from "./api.js";
import { h } from "./dom.js";
import { number, period } from "./format.js";
import { onLive, startLive } from "./live.js";
import { onStale, watchStale } from "./stale.js";
import { setBanner } from "./banner.js";
import { showLine } from "./line.js";
import "./theme.js";

/**
 * Prepares a page. Redirects to the sign-in page without a session.
 * @returns {Promise<{main: HTMLElement, session: Object}>}
 */
export async function startPage() {
  const session = await waitForSession();
  if (!session.signed_in) {
    goToSignIn();
    return new Promise(() => {});
  }
  const place = document.getElementById("session");
  place?.replaceChildren(...sessionArea(session, endLiveAndSignOut));
  const line = document.getElementById("line");
  if (line) showLine(line);
  showStale();
  showEvents();
  startLive();
  watchStale();
  return { main: document.getElementById("main"), session };
}

async function waitForSession() {
  for (;;) {
    try {
      const session = await getSession();
      setBanner("unreachable");
      return session;
    } catch (error) {
      setBanner("unreachable", `${error.message} This page tries again every 2 s.`, { kind: "fault" });
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

function showStale() {
  const isLivePage = ["overview", "wall"].includes(document.body.dataset.page);
  const what = isLivePage ? "the picture is old" : "live values are old";
  onStale((stale, silent) => {
    const text = stale ? `No data for ${period(silent)}: ${what}` : "";
    setBanner("stale", text, { kind: "fault", spoken: `No data: ${what}` });
  });
}

function showEvents() {
  let version = null;
  onLive("signed_out", goToSignIn);
  onLive("failed", (error) => setBanner("failed", `Live data ended: ${error.message}`));
  onLive("status", (status) => {
    setBanner("failed");
    if (version && version !== status.version) pageIsOutdated(status.version);
    version ??= status.version;
  });
  onLive("gap", (gap) => {
    const why = gap.reason === "GAP_REASON_LOST" ? "They were lost with a journal." : "This page was too slow.";
    setBanner("gap", `${number(gap.missed)} verdicts are missing here. ${why}`, {
      action: h("button", { type: "button", class: "quiet", onclick: () => setBanner("gap") }, "Close"),
    });
  });
}

function pageIsOutdated(version) {
  if (document.body.dataset.page === "wall") location.reload();
  setBanner("version", `The daemon was updated to version ${version}. Reload this page.`, {
    action: h("button", { type: "button", class: "quiet", onclick: () => location.reload() }, "Reload"),
  });
}
