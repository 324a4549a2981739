// The part of the header that shows who is signed in.

import { endLive } from "./live.js";
import { h } from "./dom.js";
import { signOut } from "./api.js";
import { themeButton } from "./theme.js";

const RANKS = { viewer: 0, operator: 1, engineer: 2 };

/**
 * Whether a session has at least a role.
 * @param {{role:string}} session
 * @param {"viewer"|"operator"|"engineer"} role
 * @returns {boolean}
 */
export const mayActAs = (session, role) => (RANKS[session.role] ?? -1) >= RANKS[role];

/**
 * Creates the elements.
 * @param {{name:string, role:string, method:string}} session
 * @param {function(): void} onSignOut
 * @returns {HTMLElement[]}
 */
export function sessionArea(session, onSignOut) {
  const who = session.name && session.name !== session.role ? `${session.name}, ${session.role}` : session.role;
  const elements = [h("span", { class: "who", title: `Signed in by ${session.method}` }, who), themeButton()];
  if (session.method === "token") {
    elements.push(h("button", { type: "button", class: "quiet", onclick: onSignOut }, "Sign out"));
  }
  return elements;
}

/** Ends the session in all pages of this browser. */
export async function endLiveAndSignOut() {
  await signOut().catch(() => null);
  endLive();
  location.assign("/sign-in");
}
