// What the page asks the board for.

import * as source from "./source.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./types.js").Result} Result */

/** Runs of one answer. */
export const MOST_RUNS = 100;

/** Whether there are other runs to look at than the one that is shown. */
export const HAS_HISTORY = source.hasHistory;

/** @param {string} path @param {Record<string, string | null>} [query] @returns {Promise<any>} */
function get(path, query = {}) {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) asked.set(name, value);
  return source.get(`${path}?${asked}`);
}

/** @param {string} run @param {string} [what] */
function address(run, what = "") {
  return `/api/runs/${encodeURIComponent(run)}${what}`;
}

/** @param {number | null} before @param {string | null} project @returns {Promise<Run[]>} */
export function runs(before, project) {
  return get("/api/runs", { limit: String(MOST_RUNS), before: before === null ? null : String(before), project });
}

/** @param {string} id @param {string | null} project @returns {Promise<Run>} */
export function run(id, project) {
  return get(address(id), { project });
}

/**
 * All rows of a run, part by part.
 * @param {string} id @param {string | null} project
 * @returns {AsyncGenerator<Row[]>}
 */
export async function* rows(id, project) {
  let after = 0;
  let limit = 1000; // a first part that is there at once
  while (true) {
    const answer = await get(address(id, "/results"), { project, limit: String(limit), after: String(after) });
    yield answer.rows;
    if (answer.next === null) return;
    after = answer.next;
    limit = 10_000;
  }
}

/** @param {string} id @param {string | null} project @returns {Promise<string[]>} */
export function notRun(id, project) {
  return get(address(id, "/not-run"), { project });
}

/** @param {string} key @returns {Promise<Result>} */
export async function result(key) {
  const found = await get(resultLink(key));
  // Whoever published it may have left out what the board does not need.
  return { stdout: "", stderr: "", log: "", excinfo: null, phases: [], subtests: [], properties: {}, ...found };
}

/** Where a result's JSON is. @param {string} key */
export function resultLink(key) {
  return `/api/results/${encodeURIComponent(key)}`;
}

/** @param {string} id @param {string | null} project @returns {Promise<import("./types.js").Changes>} */
export function changes(id, project) {
  return get(address(id, "/changes"), { project });
}

/** @param {string | null} project @param {string} nodeid @returns {Promise<import("./types.js").TestHistory>} */
export function test(project, nodeid) {
  return get("/api/tests", { project, nodeid });
}

/** @param {string | null} project @returns {Promise<{ tests: import("./types.js").Flaky[] }>} */
export function flaky(project) {
  return get("/api/flaky", { project });
}

/**
 * @param {string | null} project
 * @returns {Promise<{ slowest: import("./types.js").Slow[], slower: import("./types.js").Slow[] }>}
 */
export function slow(project) {
  return get("/api/slow", { project });
}

/** @param {string | null} project @param {string} days @returns {Promise<{ causes: import("./types.js").Cause[] }>} */
export function causes(project, days) {
  return get("/api/causes", { project, days });
}

/** @param {string | null} project @param {string} a @param {string} b @returns {Promise<import("./types.js").Comparison>} */
export function compare(project, a, b) {
  return get("/api/compare", { project, a, b });
}

/** @returns {Promise<import("./types.js").Project[]>} */
export function projects() {
  return get("/api/projects");
}

/**
 * The stream of what changes.
 * @param {{ run: string | null, project: string | null, after: number }} what
 * @returns {import("./source.js").Stream}
 */
export function stream(what) {
  const query = new URLSearchParams({ after: String(what.after) });
  if (what.run !== null) query.set("run", what.run);
  if (what.project !== null) query.set("project", what.project);
  return source.open(`/api/stream?${query}`);
}
