// What stands in a line of a list: a result, a node id. Called as functions, not as components,
// because scrolling makes thousands of them a second.

import { duration, parts, shape } from "./format.js";
import { html } from "./html.js";
import { Tag } from "./marks.js";
import { ATTEMPT, DURATION, NODEID, OUTCOME, PROBLEM, WORKER } from "./types.js";

/** @typedef {import("./types.js").Row} Row */

/**
 * One result as a line.
 * @param {{
 *   row: Row, href: string, history: string | null, isChosen: boolean, longest: number,
 *   mark: string | undefined, level?: number,
 * }} properties `history` is the link to the test's page, `level` how deep the line stands in a
 *   tree; 0 in a flat list
 */
export function resultLine({ row, href, history, isChosen, longest, mark, level = 0 }) {
  const outcome = row[OUTCOME];
  const share = longest > 0 ? Math.sqrt(row[DURATION] / longest) : 0;
  const nodeid = row[NODEID];
  return html`<a class=${`result level-${level}`} href=${href} aria-current=${isChosen ? "true" : null} title=${nodeid}>
    ${sign(outcome)}
    ${nodeId(nodeid, level > 0)}
    ${mark !== undefined && html`<${Tag} mark=${mark} />`}
    ${row[ATTEMPT] > 1 && html`<span class="quiet attempt" title=${`attempt ${row[ATTEMPT]}`}>↻${row[ATTEMPT]}</span>`}
    ${row[PROBLEM] !== null && html`<span class="quiet problem cut">${row[PROBLEM]}</span>`}
    ${row[WORKER] !== null && html`<span class="quiet where">${row[WORKER]}</span>`}
    ${took(row[DURATION], share)}
  </a>${historyLink(history)}`;
}

/** @param {string} outcome */
export function sign(outcome) {
  return html`<span class=${`outcome ${outcome}`} role="img" aria-label=${outcome}>${shape(outcome)}</span>`;
}

/** @param {number} seconds @param {number} share of the longest, as a bar behind it */
export function took(seconds, share) {
  return html`<span class="took" style=${{ "--share": `${100 * share}%` }}>${duration(seconds)}</span>`;
}

/** Beside a line that leads elsewhere. @param {string | null} href */
export function historyLink(href) {
  return (
    href !== null &&
    html`<a class="history" href=${href} tabindex="-1" title="This test over all runs (h)" aria-label="This test over all runs"></a>`
  );
}

/** Of a name that has to be cut, so many characters at its end stay. */
const TAIL = 12;

/**
 * A node id of which the test's own name stays: its path is cut in front, parameters and a
 * very long name in their middle.
 * @param {string} nodeid @param {boolean} [isInTree]
 */
export function nodeId(nodeid, isInTree = false) {
  const [path, name, parameters] = parts(nodeid);
  return html`<span class="nodeid">
    ${path && !isInTree && html`<span class="path"><bdi>${path}</bdi></span>`}
    ${cut("name", name)}
    ${parameters && cut("parameters", parameters)}
  </span>`;
}

/** @param {string} className @param {string} text */
function cut(className, text) {
  if (text.length <= 2 * TAIL) return html`<span class=${`${className} begin`}>${text}</span>`;
  let at = text.length - TAIL;
  // Not within a character of two units.
  if ((text.charCodeAt(at) & 0xfc00) === 0xdc00) at -= 1;
  return html`<span class=${className}><span class="begin">${text.slice(0, at)}</span><span class="end">${text.slice(at)}</span></span>`;
}
