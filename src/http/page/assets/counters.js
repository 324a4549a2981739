// The counts of the line since the start of the daemon.

import { bytes, clock, dateTime, milliseconds, number, period, yieldOf } from "./format.js";
import { h, replaceIfChanged, setText } from "./dom.js";

/** Creates the counters. @returns {{element: HTMLElement, show: function(Object): void}} `show` takes a Status */
export function createCounters() {
  const cells = {};
  const cell = (name, title, kind = "") => {
    cells[name] = h("dd", {}, "-");
    return h("div", { class: kind }, h("dt", {}, title), cells[name]);
  };
  const notes = h("p", { class: "line-notes soft" });
  const element = h("section", { class: "counters", "aria-label": "Counts since the start" },
    h("dl", {}, cell("yield", "Yield"), cell("pass", "PASS", "pass"), cell("review", "REVIEW", "review"),
      cell("reject", "REJECT", "reject"), cell("fault", "FAULT", "fault"), cell("rate", "Frames"), cell("uptime", "Since start")),
    notes);

  function show(status) {
    setText(cells.yield, yieldOf(status.decisions));
    for (const name of ["pass", "review", "reject", "fault"]) setText(cells[name], number(status.decisions[name]));
    const rate = status.cameras.reduce((sum, camera) => sum + camera.frames_per_second, 0);
    setText(cells.rate, `${number(rate, 1)} /s`);
    setText(cells.uptime, period(milliseconds(status.uptime) ?? 0));
    cells.uptime.title = `Started ${dateTime(status.start_time)}, version ${status.version}`;
    const texts = notesOf(status);
    replaceIfChanged(notes, texts.join("\n"), () => texts.map((text) => h("span", {}, text)));
    notes.hidden = texts.length === 0;
  }

  return { element, show };
}

function notesOf(status) {
  const { journal, lock, configuration } = status;
  return [
    lock && `Changes are locked by ${lock.who} since ${clock(lock.since_time)}${lock.reason ? `: ${lock.reason}` : ""}`,
    configuration?.restart_required_keys?.length > 0 && `Restart required for ${configuration.restart_required_keys.join(", ")}`,
    !journal && "No journal: verdicts are not stored",
    journal?.unjournalled > 0 && `${number(journal.unjournalled)} verdicts could not be journalled`,
    journal?.evidence_kept > 0 && `Evidence of ${number(journal.evidence_kept)} verdicts, ${bytes(journal.evidence_bytes)}`,
  ].filter(Boolean);
}
