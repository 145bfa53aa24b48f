// The rows of one run: kept small, filtered as they come, grouped by worker and file.

import { DURATION, FILE, ID, KEY, NODEID, OUTCOME, PROBLEM, SCOPE, WORKER } from "./types.js";
import { BAD } from "./format.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {{ q: string, outcome: string, worker: string, scope: string, bad: boolean }} Filter */

/** @param {Filter} filter @param {Row} row */
function fits(filter, row) {
  if (filter.bad && !BAD.has(row[OUTCOME])) return false;
  if (filter.outcome && row[OUTCOME] !== filter.outcome) return false;
  if (filter.worker && (row[WORKER] ?? "") !== filter.worker) return false;
  if (filter.scope && row[SCOPE] !== filter.scope) return false;
  if (!filter.q) return true;
  const wanted = filter.q.toLowerCase();
  return row[NODEID].toLowerCase().includes(wanted) || (row[PROBLEM] ?? "").toLowerCase().includes(wanted);
}

/** A filtered list that grows with the rows; only what came new is looked at. */
class View {
  /** @param {Filter} filter */
  constructor(filter) {
    this.filter = filter;
    this.key = JSON.stringify(filter);
    /** @type {Row[]} */
    this.rows = [];
    this.seen = 0;
  }

  /** @param {Row[]} all */
  update(all) {
    for (; this.seen < all.length; this.seen++) {
      const row = /** @type {Row} */ (all[this.seen]);
      if (fits(this.filter, row)) this.rows.push(row);
    }
    return this.rows;
  }
}

export class Rows {
  constructor() {
    /** @type {Row[]} */
    this.all = [];
    /** @type {Map<string, Row>} */
    this.byKey = new Map();
    /** @type {Map<string, Row[]>} */
    this.byWorker = new Map();
    /** @type {Map<string, { rows: Row[], bad: number }>} */
    this.byFile = new Map();
    /** @type {Set<string>} */
    this.scopes = new Set();
    this.longest = 0;
    this.last = 0;
    /** @type {View | null} */
    this.view = null;
    /** @type {{ of: Row[], length: number, rows: Row[] }} */
    this.slow = { of: [], length: -1, rows: [] };
  }

  /** @param {Row[]} rows */
  add(rows) {
    for (const row of rows) {
      if (row[ID] <= this.last) continue; // came by the stream as well
      this.last = row[ID];
      this.all.push(row);
      this.byKey.set(row[KEY], row);
      push(this.byWorker, row[WORKER] ?? "", row);
      const file = row[FILE] ?? "";
      const group = this.byFile.get(file) ?? { rows: [], bad: 0 };
      group.rows.push(row);
      if (BAD.has(row[OUTCOME])) group.bad += 1;
      this.byFile.set(file, group);
      if (row[SCOPE] !== null) this.scopes.add(row[SCOPE]);
      this.longest = Math.max(this.longest, row[DURATION]);
    }
  }

  /** @param {Filter} filter */
  filtered(filter) {
    if (this.view?.key !== JSON.stringify(filter)) this.view = new View(filter);
    return this.view.update(this.all);
  }

  /** The slowest rows of a list, at most 1,000. @param {Row[]} rows */
  slowest(rows) {
    if (this.slow.of !== rows || this.slow.length !== rows.length) {
      const sorted = [...rows].sort((a, b) => b[DURATION] - a[DURATION]);
      this.slow = { of: rows, length: rows.length, rows: sorted.slice(0, 1000) };
    }
    return this.slow.rows;
  }

  /** All attempts of a test. @param {Row} row */
  attempts(row) {
    const group = this.byFile.get(row[FILE] ?? "")?.rows ?? [];
    return group.filter((other) => other[NODEID] === row[NODEID]);
  }
}

/** @template T @param {Map<string, T[]>} map @param {string} key @param {T} value */
function push(map, key, value) {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
