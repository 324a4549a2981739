// The page of one verdict.

import { asVerdict } from "./part-tile.js";
import { createViewer } from "./viewer.js";
import { decisionBadge } from "./shapes.js";
import { defectSection } from "./defect-section.js";
import { emptyState, errorState, h } from "./dom.js";
import { factSection } from "./verdict-facts.js";
import { findVerdict, othersOfPart, sequenceAfter, sequenceBefore } from "./neighbours.js";
import { labelSection } from "./label-section.js";
import { listLabels } from "./labels.js";
import { mayActAs } from "./session.js";
import { plain, sourceOf } from "./format.js";
import { readFilter, writeFilter } from "./filter.js";
import { scoreSection } from "./score-section.js";
import { section } from "./fact-list.js";
import { startPage } from "./shell.js";
import { thumbnail } from "./thumbnail.js";
import { timingSection } from "./timing-section.js";
import { useKeys } from "./keys.js";

const sequence = Number(location.pathname.split("/").pop());
// Previous and next stay within what the table showed.
const filter = readFilter(location.search);
const query = writeFilter(filter);

const { main, session } = await startPage();
main.replaceChildren(heading(null), emptyState("Loading the verdict"));
try {
  const verdict = await findVerdict(sequence);
  if (verdict) await show(verdict);
  else main.replaceChildren(heading(null), emptyState("This verdict is not kept", "It may have been removed from the journal, or its sequence was never assigned."));
} catch (error) {
  main.replaceChildren(heading(null), error.code === "FAILED_PRECONDITION"
    ? emptyState("Verdicts are not stored", `${error.message} See [journal] in docs/configuration.md.`)
    : errorState("The verdict cannot be loaded", error));
}

function heading(verdict, ...controls) {
  return h("div", { class: "verdict-head" },
    h("h1", {}, `Verdict ${sequence}`),
    verdict && decisionBadge(verdict.decision, true),
    verdict && h("span", { class: "soft" }, [sourceOf(verdict), verdict.part_id && `part ${verdict.part_id}`].filter(Boolean).join(", ")),
    h("div", { class: "buttons" }, h("a", { href: `/verdicts${location.search}` }, "All verdicts"), controls));
}

async function show(verdict) {
  const mark = (index) => {
    viewer.mark(index);
    defects?.mark(index);
  };
  const markOutline = (index) => {
    viewer.markOutline(index);
    label?.markOutline(index);
  };
  const viewer = createViewer(verdict, { onPoint: mark, onOutline: markOutline });
  const defects = verdict.regions.length > 0 ? defectSection(verdict, mark) : null;
  const labels = await listLabels([sequence]).catch(() => null);
  const label = labels && labelSection(sequence, labels.get(sequence), mayActAs(session, "operator"), viewer, markOutline);

  const previous = h("a", { class: "button", "aria-disabled": "true" }, "Previous", h("kbd", {}, "←"));
  const next = h("a", { class: "button", "aria-disabled": "true" }, "Next", h("kbd", {}, "→"));
  const follow = (link) => (link.href ? link.click() : false);
  const keys = useKeys([
    { keys: ["ArrowLeft"], shown: "←", text: "previous verdict", run: () => follow(previous) },
    { keys: ["ArrowRight"], shown: "→", text: "next verdict", run: () => follow(next) },
    ...(label?.bindings ?? []),
  ]);

  const { fault } = verdict;
  const neighbours = h("div", {});
  main.replaceChildren(
    heading(verdict, previous, next, keys),
    ...(fault ? [h("p", { class: "fault-text" }, h("strong", {}, plain(fault.reason, "FAULT_REASON_")), `: ${fault.message}`)] : []),
    h("div", { class: "verdict-columns" },
      h("div", { class: "verdict-left" }, viewer.element, views(verdict), neighbours),
      h("div", { class: "verdict-right" }, label?.element, verdict.score && scoreSection(verdict), defects?.element,
        timingSection(verdict.timings, verdict.batch_size), factSection(verdict))));

  const point = (link, other) => {
    if (!other) return;
    link.href = `/verdicts/${other}${query}`;
    link.removeAttribute("aria-disabled");
  };
  sequenceBefore(verdict, filter).then((other) => point(previous, other), () => null);
  sequenceAfter(verdict, filter).then((other) => point(next, other), () => null);
  showNeighbours(neighbours, verdict);
}

function views(verdict) {
  if (verdict.views.length === 0) return null;
  const items = verdict.views.map((view) => h("li", {}, thumbnail({ ...asVerdict(view), capture_time: verdict.capture_time })));
  return section("Views of the part", h("ol", { class: "strip" }, items));
}

async function showNeighbours(place, verdict) {
  const others = await othersOfPart(verdict).catch(() => []);
  if (others.length === 0) return;
  place.append(section(`Other verdicts of part ${verdict.part_id} within a day`,
    h("ol", { class: "strip" }, others.map((other) => h("li", {}, thumbnail(other))))));
}
