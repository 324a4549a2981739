// Tells elements whether they are on the screen.

const handlers = new WeakMap();
const observer = new IntersectionObserver(
  (entries) => entries.forEach((entry) => handlers.get(entry.target)?.(entry.isIntersecting)),
  { rootMargin: "100px" },
);

/**
 * Watches an element until it is collected.
 * @param {Element} element
 * @param {function(boolean): void} handler receives whether the element is on the screen, or near it
 * @returns {function(): void} ends the watch
 */
export function watchVisible(element, handler) {
  handlers.set(element, handler);
  observer.observe(element);
  return () => observer.unobserve(element);
}
