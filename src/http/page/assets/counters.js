// The counts of the line in the present shift.

import { bytes, clock, dateTime, hourMinute, milliseconds, number, period, yieldOf } from "./format.js";
import { h, replaceIfChanged, setText } from "./dom.js";

const COUNTS = ["pass", "review", "reject", "fault"];

/** Creates the counters. @returns {{element: HTMLElement, show: function(Object): void}} `show` takes a Status */
export function createCounters() {
  const cells = {};
  const cell = (name, title, kind, ...more) => {
    cells[name] = h("dd", {}, "-");
    return h("div", { class: kind }, h("dt", {}, title), cells[name], more);
  };
  const end = h("span", {});
  const counting = h("dd", { class: "hint", hidden: true }, "counting earlier verdicts");
  const notes = h("p", { class: "line-notes soft" });
  const element = h("section", { class: "counters", "aria-label": "Counts of the shift" },
    h("dl", {}, cell("yield", "Yield"), COUNTS.map((name) => cell(name, name.toUpperCase(), name)), cell("rate", "Frames"),
      cell("shift", ["Shift", end], null, counting)),
    notes);

  function show(status) {
    const { shift } = status;
    const counts = shift?.decisions;
    setText(cells.yield, counts ? yieldOf(counts) : "-");
    for (const name of COUNTS) setText(cells[name], number(counts?.[name]));
    const rate = status.cameras.reduce((sum, camera) => sum + camera.frames_per_second, 0);
    setText(cells.rate, `${number(rate, 1)} /s`);
    setText(cells.shift, shift ? `since ${hourMinute(shift.start_time)}` : "-");
    setText(end, shift ? ` ends ${hourMinute(shift.end_time)}` : "");
    cells.shift.title = shift ? `${dateTime(shift.start_time)} to ${dateTime(shift.end_time)}` : "";
    counting.hidden = !shift?.counting;
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
    journal?.wal_bytes >= 32 * 1024 * 1024 && `The write-ahead log of the journal has ${bytes(journal.wal_bytes)}`,
    journal?.evidence_kept > 0 && `Evidence of ${number(journal.evidence_kept)} verdicts, ${bytes(journal.evidence_bytes)}`,
    sinceStart(status),
  ].filter(Boolean);
}

function sinceStart({ decisions, uptime, version }) {
  const counts = COUNTS.map((name) => `${name.toUpperCase()} ${number(decisions[name])}`);
  return `Since the start ${period(milliseconds(uptime) ?? 0)} ago (version ${version}): ${counts.join(", ")}`;
}
