// A list of rows of equal height of which only the visible ones are drawn.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "./html.js";
import { duration, parts, shape } from "./format.js";
import { ATTEMPT, DURATION, FILE, NODEID, OUTCOME, PROBLEM, WORKER } from "./types.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {{ key: string, draw: () => any }} Line */

export const HEIGHT = 28;
/** Lines that are drawn above and below what is seen, so that scrolling finds them there. */
const SPARE = 10;

/**
 * @param {{
 *   count: number, line: (index: number) => Line, label: string, chosen: number,
 *   tellsNew?: boolean, empty: any,
 * }} properties
 */
export function List({ count, line, label, chosen, tellsNew = false, empty }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [seen, see] = useState({ top: 0, height: 600 });
  const read = useRef(0); // how many lines there were when the end was in view
  const told = useRef(false); // whether the lines before were all there already
  const look = () => {
    if (box.current) see({ top: box.current.scrollTop, height: box.current.clientHeight });
  };
  useLayoutEffect(look, []);
  useEffect(() => {
    const observer = new ResizeObserver(look);
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const element = box.current;
    if (chosen < 0 || !element) return;
    const top = chosen * HEIGHT;
    if (top < element.scrollTop) element.scrollTop = top - HEIGHT;
    else if (top + HEIGHT > element.scrollTop + element.clientHeight)
      element.scrollTop = top + 2 * HEIGHT - element.clientHeight;
  }, [chosen]);
  const first = Math.max(0, Math.floor(seen.top / HEIGHT) - SPARE);
  const last = Math.min(count, Math.ceil((seen.top + seen.height) / HEIGHT) + SPARE);
  const isAtEnd = seen.top + seen.height >= count * HEIGHT - HEIGHT;
  if (!told.current || isAtEnd || read.current > count) read.current = count;
  told.current = tellsNew;
  const fresh = count - read.current;
  const lines = [];
  for (let index = first; index < last; index++) lines.push(line(index));
  return html`<div class="list" ref=${box} onScroll=${look} role="list" aria-label=${label} tabindex="-1">
    ${count === 0 && empty}
    <div style=${{ height: `${count * HEIGHT}px` }}>
      <div style=${{ transform: `translateY(${first * HEIGHT}px)` }}>
        ${lines.map((one, index) => html`<div role="listitem" class="line" key=${one.key}
            aria-posinset=${first + index + 1} aria-setsize=${count}>${one.draw()}</div>`)}
      </div>
    </div>
    ${fresh > 0 &&
    html`<button class="fresh" onClick=${() => {
      if (box.current) box.current.scrollTop = count * HEIGHT;
    }}>${fresh} new</button>`}
  </div>`;
}

/**
 * One result as a line.
 * @param {{ row: Row, href: string, isChosen: boolean, longest: number, isInTree?: boolean }} properties
 */
export function ResultLine({ row, href, isChosen, longest, isInTree = false }) {
  const outcome = row[OUTCOME];
  const share = longest > 0 ? Math.sqrt(row[DURATION] / longest) : 0;
  return html`<a class="result" href=${href} aria-current=${isChosen ? "true" : null} title=${row[NODEID]}>
    <span class=${`outcome ${outcome}`}><span aria-hidden="true">${shape(outcome)}</span>
      <span class="unseen">${outcome}</span></span>
    <${NodeId} nodeid=${row[NODEID]} file=${isInTree ? row[FILE] : null} />
    ${row[ATTEMPT] > 1 && html`<span class="quiet attempt">↻${row[ATTEMPT]}</span>`}
    <span class="quiet problem cut">${row[PROBLEM]}</span>
    <span class="quiet where">${row[WORKER]}</span>
    <span class="took" style=${{ "--share": `${100 * share}%` }}>${duration(row[DURATION])}</span>
  </a>`;
}

/**
 * A node id that is cut in front, so that the test's own name stays.
 * @param {{ nodeid: string, file?: string | null }} properties
 */
export function NodeId({ nodeid, file = null }) {
  const [path, name, parameters] = parts(nodeid);
  const before = file !== null && path.startsWith(file) ? path.slice(file.length).replace(/^::/, "") : path;
  return html`<span class="nodeid">
    ${before && html`<span class="path">${before}</span>`}<span class="name">${name}</span><i>${parameters}</i>
  </span>`;
}

