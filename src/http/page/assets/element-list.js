// A list of elements that follows a list of values. Elements are kept by their place, so that the focus stays.

/**
 * Creates the list.
 * @template T
 * @param {Element} parent
 * @param {function(number): {element: Element, show: function(T, ...unknown): void}} make receives the place
 * @returns {{items: Array<Object>, show: function(T[], ...unknown): void}}
 */
export function elementList(parent, make) {
  const items = [];
  function show(values, ...rest) {
    for (const item of items.splice(values.length)) item.element.remove();
    while (items.length < values.length) {
      const item = make(items.length);
      items.push(item);
      parent.append(item.element);
    }
    items.forEach((item, index) => item.show(values[index], ...rest));
  }
  return { items, show };
}
