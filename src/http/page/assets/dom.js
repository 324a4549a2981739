// Creates and updates elements. Text is always set as text, never parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Sets attributes, properties and event handlers of an element.
 * @param {Element} element
 * @param {Object<string, unknown>} attributes `onEVENT` with a function is a handler, `style` with an object sets
 *   properties of the style, true and false add and remove an attribute; null and undefined are skipped.
 */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const key in value) element.style.setProperty(key, value[key]);
    else if (value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * Creates an HTML element.
 * @param {string} tag
 * @param {Object<string, unknown>} [attributes] see `set`
 * @param {...(Node|string|number|null|undefined|false|Array)} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  set(element, attributes);
  append(element, children);
  return element;
}

/**
 * Creates an SVG element.
 * @param {string} tag
 * @param {Object<string, unknown>} [attributes] see `set`
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  set(element, attributes);
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Changes the text of an element if it differs. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Replaces the children of an element if the key differs from that of the last call.
 * @param {HTMLElement} element
 * @param {string} key describes what the children show
 * @param {function(): (Node|Node[]|null)} make creates the children
 */
export function replaceIfChanged(element, key, make) {
  if (shownKeys.get(element) === key) return;
  shownKeys.set(element, key);
  const made = make();
  element.replaceChildren(...(made === null ? [] : [made].flat()));
}

const shownKeys = new WeakMap();

/**
 * Makes elements the children of another one. Moves only what is in the wrong place, so that the focus is kept.
 * @param {Element} parent
 * @param {Element[]} items
 */
export function arrange(parent, items) {
  const keep = new Set(items);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  items.forEach((item, index) => {
    if (parent.children[index] !== item) parent.insertBefore(item, parent.children[index] ?? null);
  });
}

/**
 * Creates a message for a place that has nothing to show.
 * @param {string} title
 * @param {string} [text]
 * @returns {HTMLElement}
 */
export function emptyState(title, text = "") {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), text && h("p", {}, text));
}

/**
 * Creates an error message.
 * @param {string} title what could not be done
 * @param {Error|string} cause
 * @returns {HTMLElement}
 */
export function errorState(title, cause) {
  const text = cause instanceof Error ? cause.message : cause;
  return h("div", { class: "empty error", role: "alert" }, h("p", { class: "empty-title" }, title), h("p", {}, text));
}
