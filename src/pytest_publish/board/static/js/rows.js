// The rows of one run: kept small, filtered as they come, grouped by worker, file and scope.

import { BAD, OUTCOMES } from "./format.js";
import { DURATION, FILE, ID, KEY, NAME, NODEID, OUTCOME, SCOPE, WORKER } from "./types.js";
import { View } from "./view.js";

/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./view.js").Filter} Filter */
/** What one worker of one session has run. @typedef {{ session: string, worker: string, rows: Row[], bad: number }} Lane */
/** @typedef {{ scope: string, number: number, bad: number, seconds: number }} ScopeSum */

/** Rows that can be looked at in one frame. */
const FEW = 20_000;

export class Rows {
  constructor() {
    /** @type {Row[]} */
    this.all = [];
    this.loaded = 0; // rows that were there when the page was loaded
    /** @type {Map<string, Row>} */
    this.byKey = new Map();
    /** @type {Map<string, Lane>} */
    this.lanes = new Map();
    /** @type {Map<string, ScopeSum>} */
    this.scopes = new Map();
    this.longest = 0;
    this.last = 0;
    /** @type {View | null} */
    this.view = null;
    this.isBehind = false; // there are rows that the filter that is drawn has not looked at yet
    /** @type {{ of: Row[], length: number, rows: Row[] }} */
    this.slow = { of: [], length: -1, rows: [] };
    /** @type {Map<string, string>} each text that many rows have, kept once */
    this.texts = new Map();
  }

  /** @param {Row[]} rows */
  add(rows) {
    for (const row of rows) {
      if (row[ID] <= this.last) continue; // came by the stream as well
      this.last = row[ID];
      row[NAME] = ""; // the node id ends with it
      row[OUTCOME] = this.once(row[OUTCOME]);
      if (row[FILE] !== null) row[FILE] = this.once(row[FILE]);
      if (row[WORKER] !== null) row[WORKER] = this.once(row[WORKER]);
      if (row[SCOPE] !== null) row[SCOPE] = row[SCOPE] === row[NODEID] ? row[NODEID] : this.once(row[SCOPE]);
      this.all.push(row);
      this.byKey.set(row[KEY], row);
      this.addToLane(row);
      this.addToScope(row);
      if (row[DURATION] > this.longest) this.longest = row[DURATION];
    }
  }

  /** @param {string} text */
  once(text) {
    const known = this.texts.get(text);
    if (known !== undefined) return known;
    this.texts.set(text, text);
    return text;
  }

  /** @param {Row} row */
  addToLane(row) {
    const session = sessionOf(row);
    const name = laneKey(session, row[WORKER]);
    let lane = this.lanes.get(name);
    if (lane === undefined) {
      lane = { session, worker: row[WORKER] ?? "", rows: [], bad: 0 };
      this.lanes.set(name, lane);
    }
    lane.rows.push(row);
    if (BAD.has(row[OUTCOME])) lane.bad += 1;
  }

  /** @param {Row} row */
  addToScope(row) {
    const scope = row[SCOPE];
    if (scope === null || scope === row[NODEID]) return; // a test alone is no scope that anybody chose
    let sum = this.scopes.get(scope);
    if (sum === undefined) {
      sum = { scope, number: 0, bad: 0, seconds: 0 };
      this.scopes.set(scope, sum);
    }
    sum.number += 1;
    sum.seconds += row[DURATION];
    if (BAD.has(row[OUTCOME])) sum.bad += 1;
  }

  /** @param {Filter} filter @param {Record<string, import("./types.js").Mark>} marks of node ids */
  filtered(filter, marks) {
    const key = JSON.stringify(filter);
    const before = this.view?.marks === null || this.view?.marks === marks ? this.view : null;
    if (before?.key === key) return this.updated(before);
    const view = new View(filter, key, marks);
    const { q } = filter;
    // A letter more finds only among what was found before.
    const isNarrower =
      before !== null && q.startsWith(before.filter.q) && JSON.stringify({ ...before.filter, q }) === key;
    if (isNarrower && before.rows.length < FEW) {
      view.rows = before.rows.filter(view.fits);
      view.seen = before.seen;
    }
    this.view = view;
    return this.updated(view);
  }

  /** @param {View} view */
  updated(view) {
    const rows = view.update(this.all);
    this.isBehind = view.seen < this.all.length;
    return rows;
  }

  /** The slowest rows of a list, at most 1,000. @param {Row[]} rows */
  slowest(rows) {
    if (!this.isBehind && (this.slow.of !== rows || this.slow.length !== rows.length)) {
      const sorted = [...rows].sort((a, b) => b[DURATION] - a[DURATION]);
      this.slow = { of: rows, length: rows.length, rows: sorted.slice(0, 1000) };
    }
    return this.slow.rows;
  }

  /** All attempts of a test in its session. @param {Row} row */
  attempts(row) {
    const session = sessionOf(row);
    return this.all.filter((other) => other[NODEID] === row[NODEID] && sessionOf(other) === session);
  }

  /** The outcomes that there are, in the order in which they matter. @returns {string[]} */
  get outcomes() {
    return Object.keys(OUTCOMES).filter((outcome) => this.texts.has(outcome));
  }
}

/** @param {Row} row */
function sessionOf(row) {
  return row[KEY].slice(0, row[KEY].lastIndexOf("-"));
}

/** @param {string} session @param {string | null} worker */
export function laneKey(session, worker) {
  return `${session} ${worker ?? ""}`;
}
