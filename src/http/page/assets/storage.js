// Settings that this browser remembers. Browsers may refuse storage; the page then works without.

const PREFIX = "inspectd.";

/**
 * Reads a setting.
 * @template T
 * @param {string} name
 * @param {T} fallback returned if the setting is absent or not readable
 * @returns {T}
 */
export function recall(name, fallback) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? fallback : JSON.parse(text);
  } catch {
    return fallback;
  }
}

/** Writes a setting. @param {string} name @param {unknown} value undefined removes it */
export function remember(name, value) {
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // The setting holds until the page is closed.
  }
}
