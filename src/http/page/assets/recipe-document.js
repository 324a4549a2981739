// The recipe that is edited: its text and its content, with undo and redo. The daemon translates between text and
// content (DraftRecipe), a moment after the last change.

import { call } from "./api.js";
import { emptyContent } from "./recipe-content.js";

const DELAY_MS = 300;
const SAME_CHANGE_MS = 1000;
const LONGEST_HISTORY = 500;

/**
 * A state of the recipe.
 * @typedef {Object} Entry
 * @property {string} toml
 * @property {Object} content of the text, or of the last text that could be read
 * @property {boolean} broken whether the text cannot be read
 * @property {boolean} unread whether no text could be read yet
 * @property {Object[]} faults RecipeFault
 * @property {""|"text"|"content"} pending what was changed and is not translated yet
 * @property {string} note where the text comes from, for people
 */

/**
 * Creates the document.
 * @param {string} id of the recipe
 * @param {function(): void} onChange called after every change
 * @returns {Object}
 */
export function createDocument(id, onChange) {
  /** @type {Entry[]} */
  let entries = [{ toml: "", content: emptyContent(), broken: false, unread: true, faults: [], pending: "", note: "", tag: "", time: 0, revision: 0 }];
  let index = 0;
  let saved = { toml: "", sha256: "" };
  let timer = 0;
  let running = null;
  let problem = null;

  const now = () => entries[index];
  const isDirty = () => now().toml !== saved.toml || now().pending === "content" || saved.sha256 === "";

  function record(values, tag, within) {
    const last = now();
    const time = performance.now();
    const same = tag !== "" && tag === last.tag && time - last.time < within;
    if (same) {
      Object.assign(last, values, { time, revision: last.revision + 1 });
    } else {
      entries = [...entries.slice(Math.max(0, index + 2 - LONGEST_HISTORY), index + 1), { ...last, note: "", ...values, tag, time, revision: 0 }];
      index = entries.length - 1;
    }
    schedule(DELAY_MS);
    onChange();
  }

  function schedule(delay) {
    clearTimeout(timer);
    timer = setTimeout(run, delay);
  }

  function run() {
    clearTimeout(timer);
    running ??= translate().finally(() => {
      running = null;
      if (now().pending && !problem) schedule(0);
      onChange();
    });
    return running;
  }

  async function translate() {
    const entry = now();
    if (!entry.pending) return;
    const { pending, revision, toml, content } = entry;
    try {
      const answer = await call("RecipeService", "DraftRecipe", { id, toml, ...(pending === "content" && { content }) });
      problem = null;
      if (entry.revision === revision) apply(entry, answer);
    } catch (error) {
      problem = error;
    }
  }

  function apply(entry, answer) {
    if (entry.pending === "content") {
      entry.toml = answer.toml;
      entry.broken = false;
    } else {
      entry.broken = !answer.content;
    }
    if (answer.content) entry.content = answer.content;
    entry.unread &&= entry.broken;
    entry.faults = answer.faults;
    entry.pending = "";
  }

  function go(by) {
    if (!entries[index + by]) return;
    index += by;
    // The next change is one of its own.
    now().tag = "";
    if (now().pending) schedule(0);
    onChange();
  }

  return {
    id,
    now,
    isDirty,
    canUndo: () => index > 0,
    canRedo: () => index < entries.length - 1,
    undo: () => go(-1),
    redo: () => go(1),
    /** Why the last translation failed. @returns {Error|null} */
    problem: () => problem,
    retry: () => schedule(0),
    /** Whether the content can be changed: it belongs to the text. @returns {boolean} */
    hasContent: () => !now().broken && now().pending !== "text",
    savedHash: () => saved.sha256,

    /**
     * Starts with a text, without a history.
     * @param {string} toml
     * @param {{toml: string, sha256: string}} file as it is saved
     * @param {{content: Object|null, faults: string[]}} read what the text sets, and its errors if it cannot be read
     */
    start(toml, file, { content, faults }) {
      saved = file;
      const known = content ? { content, unread: false } : { broken: true, pending: "text", faults: faults.map((message) => ({ line: 0, key: "", message })) };
      entries = [{ ...entries[0], ...known, toml }];
      index = 0;
      return run();
    },

    /** Starts as a recipe without a text. */
    startEmpty() {
      entries = [{ ...entries[0], content: emptyContent(), unread: false, pending: "content" }];
      index = 0;
      return run();
    },

    /** What the file is now. @param {{toml: string, sha256: string}} file */
    setSaved(file) {
      saved = file;
      onChange();
    },

    /**
     * Changes the content.
     * @param {function(Object): Object} change
     * @param {string} [tag] changes with the same tag that follow each other are undone together
     * @param {number} [within] how soon they have to follow, milliseconds
     * @returns {boolean} whether it could be changed
     */
    changeContent(change, tag = "", within = SAME_CHANGE_MS) {
      if (now().broken || now().pending === "text") return false;
      record({ content: change(now().content), pending: "content" }, tag, within);
      return true;
    },

    /**
     * Changes the text.
     * @param {string} toml
     * @param {string} [tag] as above
     * @param {string} [note] where the text comes from
     */
    changeText(toml, tag = "", note = "") {
      record({ toml, pending: "text", note }, tag, SAME_CHANGE_MS);
    },

    /** Waits until text and content agree. @returns {Promise<void>} rejected if the daemon cannot translate */
    async settle() {
      while (now().pending) {
        await run();
        if (problem) throw problem;
      }
    },

    /** Translates without delay. */
    hurry: () => now().pending && run(),
  };
}
