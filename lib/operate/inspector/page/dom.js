// Making and changing elements. Text goes in as text: nothing here, or anywhere on this page, parses markup.

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * The page's own element of that id.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [type]
 * @returns {T}
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!found || (type && !(found instanceof type))) throw new Error(`the page has no ${id}`);
  return /** @type {T} */ (found);
}

/**
 * Where nothing changes nothing is touched: a selection stays, and a screen reader stays quiet.
 *
 * @param {Element} at
 * @param {string} text
 */
export function setText(at, text) {
  if (at.textContent !== text) at.textContent = text;
}

/**
 * @param {Element} at
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(at, name, value) {
  if (at.getAttribute(name) !== value) at.setAttribute(name, value);
}

/**
 * Makes the children of an element those of the keys, in their order. One that is there already stays what it is: open,
 * focused, selected.
 *
 * @template Item
 * @param {Element} parent
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => HTMLElement} make
 * @param {(item: Item, child: HTMLElement) => void} [update]
 */
export function keyed(parent, items, keyOf, make, update) {
  const there = new Map([...parent.children].map((child) => [child.getAttribute('data-key') ?? '', child]));
  /** @type {Element | null} */
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let child = /** @type {HTMLElement | undefined} */ (there.get(key));
    there.delete(key);
    if (!child) {
      child = make(item);
      child.setAttribute('data-key', key);
    }
    update?.(item, child);
    if (child === next) next = child.nextElementSibling;
    else parent.insertBefore(child, next);
  }
  for (const child of there.values()) child.remove();
}
