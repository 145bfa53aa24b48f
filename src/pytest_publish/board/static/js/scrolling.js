// What part of a list is seen, and where the keyboard's focus is in it.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** @typedef {import("./model.js").Model} Model */
/** @typedef {{ current: HTMLElement | null }} Box */

/** @param {Box} box @returns {[{ top: number, height: number }, () => void]} */
export function useSeen(box) {
  const [seen, see] = useState({ top: 0, height: 600 });
  const look = () => {
    if (box.current) see({ top: box.current.scrollTop, height: box.current.clientHeight });
  };
  useLayoutEffect(look, []);
  useEffect(() => {
    const observer = new ResizeObserver(look);
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return [seen, look];
}

/**
 * The index of a line; -1 without it.
 * @param {string | null} key @param {number} before where it was @param {number} count
 * @param {(index: number) => string} keyOf
 */
export function find(key, before, count, keyOf) {
  if (key === null) return -1;
  if (before >= 0 && before < count && keyOf(before) === key) return before;
  for (let index = 0; index < count; index++) if (keyOf(index) === key) return index;
  return -1;
}

/** @param {HTMLElement | null} box @param {number} index @param {number} height of a line */
export function keepInView(box, index, height) {
  if (box === null || index < 0) return;
  const top = index * height;
  if (top < box.scrollTop) box.scrollTop = top - height;
  else if (top + height > box.scrollTop + box.clientHeight) box.scrollTop = top + 2 * height - box.clientHeight;
}

/** @param {Model} model @param {Box} box @returns {(event: FocusEvent) => void} to be told where the focus goes */
export function useFocus(model, box) {
  const held = useRef(/** @type {string | null} */ (null));
  // Of what is drawn: until the next drawing, the address may be another page's already.
  const { place, wantsFocus } = model.cursor;
  useLayoutEffect(() => {
    const key = keyAt(document.activeElement, box.current);
    if (key === null || key === held.current) return;
    // These elements show another line now: the focus goes with its own, or waits in the list.
    if (!focusOn(box.current, held.current)) box.current?.focus({ preventScroll: true });
  });
  useEffect(() => {
    if (wantsFocus && focusOn(box.current, model.cursor.key)) model.cursor.wantsFocus = false;
  });
  return (event) => {
    held.current = keyAt(event.target, box.current);
    if (held.current !== null) model.cursor.reach(held.current, place);
  };
}

/** @param {EventTarget | null} element @param {HTMLElement | null} box @returns {string | null} the key of its line */
function keyAt(element, box) {
  if (!(element instanceof Element) || !box?.contains(element)) return null;
  return element.closest("[data-key]")?.getAttribute("data-key") ?? null;
}

/** @param {HTMLElement | null} box @param {string | null} key @returns {boolean} whether the line is drawn */
function focusOn(box, key) {
  if (box === null || key === null) return false;
  const line = box.querySelector(`[data-key="${CSS.escape(key)}"] > *`);
  if (line instanceof HTMLElement) line.focus({ preventScroll: true });
  return line !== null;
}
