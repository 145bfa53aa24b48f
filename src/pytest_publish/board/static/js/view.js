// A list of the rows that fit a filter.

import { BAD } from "./format.js";
import { NODEID, OUTCOME, PROBLEM, SCOPE, WORKER } from "./types.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./types.js").Mark} Mark */
/**
 * @typedef {{
 *   q: string, outcome: string, worker: string, scope: string, mark: string, cause: string, bad: boolean,
 * }} Filter
 */

/** Milliseconds of a frame, and rows between two looks at the clock. */
const BUDGET = 20;
const PORTION = 2000;

/** @param {Filter} filter @param {Record<string, Mark>} marks @returns {(row: Row) => boolean} */
function fitting({ bad, outcome, worker, scope, mark, cause, q }, marks) {
  // No lower-case copy of each of a hundred thousand names at each letter.
  const wanted = q && new RegExp(q.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
  return (row) =>
    (!bad || BAD.has(row[OUTCOME])) &&
    (!outcome || row[OUTCOME] === outcome) &&
    (!worker || row[WORKER] === worker) &&
    (!scope || row[SCOPE] === scope) &&
    (!mark || marks[row[NODEID]]?.mark === mark) &&
    (!cause || String(marks[row[NODEID]]?.cause) === cause) &&
    (!wanted || wanted.test(row[NODEID]) || (row[PROBLEM] !== null && wanted.test(row[PROBLEM])));
}

/** A filtered list that grows with the rows; only what came new is looked at. */
export class View {
  /** @param {Filter} filter @param {string} key @param {Record<string, Mark>} marks of node ids */
  constructor(filter, key, marks) {
    this.filter = filter;
    this.fits = fitting(filter, marks);
    this.marks = filter.mark || filter.cause ? marks : null;
    this.key = key;
    /** @type {Row[]} */
    this.rows = [];
    this.seen = 0;
  }

  /**
   * Look at what is new, for so long that a frame is not late; the next frame goes on.
   * @param {Row[]} all
   */
  update(all) {
    const end = performance.now() + BUDGET;
    do {
      const next = Math.min(all.length, this.seen + PORTION);
      for (; this.seen < next; this.seen++) {
        const row = /** @type {Row} */ (all[this.seen]);
        if (this.fits(row)) this.rows.push(row);
      }
    } while (this.seen < all.length && performance.now() < end);
    return this.rows;
  }
}
