// The sign-in page.

import { getSession, signIn } from "./api.js";
import { h } from "./dom.js";
import { themeButton } from "./theme.js";

// Only paths of this server.
function nextPage() {
  const next = new URLSearchParams(location.search).get("next") ?? "/";
  try {
    const url = new URL(next, location.origin);
    return url.origin === location.origin && next.startsWith("/") ? url.pathname + url.search : "/";
  } catch {
    return "/";
  }
}

const leave = () => location.replace(nextPage());

function show() {
  const problem = h("p", { class: "form-error", role: "alert", id: "problem" });
  const field = h("input", {
    type: "password", id: "token", name: "token", autocomplete: "current-password", required: true,
    spellcheck: "false", "aria-describedby": "problem hint",
  });
  const button = h("button", { type: "submit", class: "main" }, "Sign in");
  const submit = async (event) => {
    event.preventDefault();
    const token = field.value.trim();
    if (!token) return;
    button.disabled = true;
    problem.textContent = "";
    try {
      await signIn(token);
      leave();
    } catch (error) {
      problem.textContent = error.status === 401 ? "This token is not valid. It may be wrong, expired or revoked." : error.message;
      field.setAttribute("aria-invalid", "true");
      field.select();
      field.focus();
    } finally {
      button.disabled = false;
    }
  };
  const form = h("form", { class: "sign-in", onsubmit: submit, novalidate: true },
    h("h1", {}, "Sign in"),
    h("label", { for: "token" }, "Token"), field, problem, button,
    h("p", { class: "hint", id: "hint" }, "A token starts with ", h("code", {}, "inspectd_"), ". An engineer creates it with ",
      h("code", {}, "inspectd token create --name NAME --role ROLE"), " and adds it to the file of clients. See docs/access.md."));
  document.getElementById("main").replaceChildren(form);
  field.focus();
}

document.getElementById("session")?.replaceChildren(themeButton());
show();
getSession().then((session) => session.signed_in && leave(), () => null);
