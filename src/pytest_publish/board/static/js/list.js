// A list of lines of equal height of which only the visible ones are drawn.

import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "./html.js";
import { find, keepInView, useFocus, useSeen } from "./scrolling.js";

/** @typedef {import("./model.js").Model} Model */
/** The list that keys go through. @typedef {{ count: number, keyOf: (index: number) => string, opens: boolean }} Shown */

const HEIGHT = 28;
/** Lines that are drawn above and below what is seen, so that scrolling finds them there. */
const SPARE = 4;

/**
 * @param {{
 *   model: Model, count: number, keyOf: (index: number) => string, draw: (index: number) => any,
 *   label: string, empty: any, opens?: boolean, known?: number, height?: number,
 * }} properties `opens` tells that a line's key is the result that it opens, `known` is the
 *   number of lines that were there when the page was loaded: those after it that were not in
 *   view yet are counted as new
 */
export function List({
  model,
  count,
  keyOf,
  draw,
  label,
  empty,
  opens = false,
  known = Number.POSITIVE_INFINITY,
  height = HEIGHT,
}) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [seen, look] = useSeen(box);
  const read = useRef(0); // the lines that have been in view
  const wanted = (opens ? model.route.test : null) ?? model.cursor.key;
  const chosen = useRef(-1);
  chosen.current = find(wanted, chosen.current, count, keyOf);
  model.list = { count, keyOf, opens };
  useLayoutEffect(() => keepInView(box.current, chosen.current, height), [chosen.current]);
  const hold = useFocus(model, box);
  const first = Math.max(0, Math.min(count, Math.floor(seen.top / height)) - SPARE);
  const last = Math.min(count, Math.ceil((seen.top + seen.height) / height) + SPARE);
  const inView = Math.min(count, Math.floor((seen.top + seen.height) / height));
  read.current = Math.max(Math.min(count, known), Math.min(read.current, count), inView);
  const fresh = count - read.current;
  // A line that comes into view takes the elements of one that went, and one that stays in view
  // is left alone: scrolling makes little garbage.
  const places = Math.ceil(seen.height / height) + 2 * SPARE + 1;
  const drawn = useRef({ draw, places, lines: /** @type {any[]} */ ([]) });
  if (drawn.current.draw !== draw || drawn.current.places !== places) drawn.current = { draw, places, lines: [] };
  const lines = [];
  for (let index = first; index < last; index++) {
    const place = index % places;
    let line = drawn.current.lines[place];
    if (line?.props["aria-posinset"] !== index + 1) {
      line = html`<div role="listitem" class="line" key=${place} data-key=${keyOf(index)}
        aria-posinset=${index + 1} aria-setsize=${count}>${draw(index)}</div>`;
      drawn.current.lines[place] = line;
    }
    lines.push(line);
  }
  const toEnd = () => {
    if (box.current) box.current.scrollTop = count * height;
  };
  return html`<div class="shelf">
    <div class="list" ref=${box} onScroll=${look} onFocusIn=${hold} role="list" aria-label=${label} tabindex="-1">
      ${count === 0 && empty}
      <div style=${{ height: `${count * height}px` }}>
        <div style=${{ transform: `translateY(${first * height}px)`, "--height": `${height}px` }}>${lines}</div>
      </div>
    </div>
    ${fresh > 0 && html`<button type="button" class="fresh" onClick=${toEnd}>${fresh} new ↓</button>`}
  </div>`;
}
