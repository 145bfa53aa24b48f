// A list of rows of equal height of which only the visible ones are drawn.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { duration, parts, shape } from "./format.js";
import { html } from "./html.js";
import { ATTEMPT, DURATION, NODEID, OUTCOME, PROBLEM, WORKER } from "./types.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./model.js").Model} Model */
/** @typedef {{ key: string, draw: () => any }} Line */

const HEIGHT = 28;
/** Lines that are drawn above and below what is seen, so that scrolling finds them there. */
const SPARE = 10;

/**
 * @param {{
 *   model: Model, count: number, line: (index: number) => Line, label: string,
 *   chosen?: number, known?: number, empty: any,
 * }} properties `chosen` is the line to keep in view, `known` the number of lines that were
 *   there when the page was loaded: those after it that were not in view yet are counted as new
 */
export function List({ model, count, line, label, chosen = -1, known = Number.POSITIVE_INFINITY, empty }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [seen, see] = useState({ top: 0, height: 600 });
  const read = useRef(0); // the lines that have been in view
  const look = () => {
    if (box.current) see({ top: box.current.scrollTop, height: box.current.clientHeight });
  };
  useLayoutEffect(look, []);
  useEffect(() => {
    const observer = new ResizeObserver(look);
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => keepInView(box.current, chosen), [chosen]);
  useEffect(() => {
    if (model.wantsFocus && focusOn(box.current, model.cursor)) model.wantsFocus = false;
  });
  const first = Math.max(0, Math.min(count, Math.floor(seen.top / HEIGHT)) - SPARE);
  const last = Math.min(count, Math.ceil((seen.top + seen.height) / HEIGHT) + SPARE);
  const inView = Math.min(count, Math.floor((seen.top + seen.height) / HEIGHT));
  read.current = Math.max(Math.min(count, known), Math.min(read.current, count), inView);
  const fresh = count - read.current;
  const lines = [];
  for (let index = first; index < last; index++) lines.push(line(index));
  const toEnd = () => {
    if (box.current) box.current.scrollTop = count * HEIGHT;
  };
  return html`<div class="shelf">
    <div class="list" ref=${box} onScroll=${look} role="list" aria-label=${label} tabindex="-1">
      ${count === 0 && empty}
      <div style=${{ height: `${count * HEIGHT}px` }}>
        <div style=${{ transform: `translateY(${first * HEIGHT}px)` }}>
          ${lines.map(
            (one, index) => html`<div role="listitem" class="line" key=${one.key} data-key=${one.key}
              aria-posinset=${first + index + 1} aria-setsize=${count}>${one.draw()}</div>`,
          )}
        </div>
      </div>
    </div>
    ${fresh > 0 && html`<button type="button" class="fresh" onClick=${toEnd}>${fresh} new ↓</button>`}
  </div>`;
}

/** @param {HTMLElement | null} box @param {number} index */
function keepInView(box, index) {
  if (box === null || index < 0) return;
  const top = index * HEIGHT;
  if (top < box.scrollTop) box.scrollTop = top - HEIGHT;
  else if (top + HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = top + 2 * HEIGHT - box.clientHeight;
}

/** @param {HTMLElement | null} box @param {string | null} key @returns {boolean} whether the line is drawn */
function focusOn(box, key) {
  if (box === null || key === null) return false;
  const line = box.querySelector(`[data-key="${CSS.escape(key)}"] > *`);
  if (line instanceof HTMLElement) line.focus({ preventScroll: true });
  return line !== null;
}

/**
 * One result as a line.
 * @param {{ row: Row, href: string, isChosen: boolean, longest: number, level?: number }} properties
 *   `level` is how deep it stands in a tree; 0 in a flat list
 */
export function ResultLine({ row, href, isChosen, longest, level = 0 }) {
  const outcome = row[OUTCOME];
  const share = longest > 0 ? Math.sqrt(row[DURATION] / longest) : 0;
  return html`<a class=${`result level-${level}`} href=${href} aria-current=${isChosen ? "true" : null} title=${row[NODEID]}>
    <span class=${`outcome ${outcome}`}><span aria-hidden="true">${shape(outcome)}</span>
      <span class="unseen">${outcome}</span></span>
    <${NodeId} nodeid=${row[NODEID]} isInTree=${level > 0} />
    ${row[ATTEMPT] > 1 && html`<span class="quiet attempt" title=${`attempt ${row[ATTEMPT]}`}>↻${row[ATTEMPT]}</span>`}
    <span class="quiet problem cut">${row[PROBLEM]}</span>
    ${row[WORKER] !== null && html`<span class="quiet where">${row[WORKER]}</span>`}
    <span class="took" style=${{ "--share": `${100 * share}%` }}>${duration(row[DURATION])}</span>
  </a>`;
}

/** Of a name that has to be cut, so many characters at its end stay. */
const TAIL = 12;

/**
 * A node id of which the test's own name stays: its path is cut in front, parameters and a
 * very long name in their middle.
 * @param {{ nodeid: string, isInTree?: boolean }} properties
 */
export function NodeId({ nodeid, isInTree = false }) {
  const [path, name, parameters] = parts(nodeid);
  return html`<span class="nodeid">
    ${path && !isInTree && html`<span class="path"><bdi>${path}</bdi></span>`}
    <${Cut} className="name" text=${name} />
    ${parameters && html`<${Cut} className="parameters" text=${parameters} />`}
  </span>`;
}

/** @param {{ className: string, text: string }} properties */
function Cut({ className, text }) {
  const characters = text.length > 2 * TAIL ? [...text] : null;
  if (characters === null) return html`<span class=${className}><span class="begin">${text}</span></span>`;
  const begin = characters.slice(0, -TAIL).join("");
  return html`<span class=${className}><span class="begin">${begin}</span><span class="end">${text.slice(begin.length)}</span></span>`;
}
