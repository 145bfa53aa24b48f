// What the page asks the board for.

import { get, open } from "./source.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./types.js").Result} Result */

/** Runs of one answer. */
export const MOST_RUNS = 100;

/** @param {string} run @param {string | null} project @param {string} [what] @param {Record<string, string>} [query] */
function address(run, project, what = "", query = {}) {
  const asked = new URLSearchParams(query);
  if (project !== null) asked.set("project", project);
  return `/api/runs/${encodeURIComponent(run)}${what}?${asked}`;
}

/** @param {number | null} before @returns {Promise<Run[]>} */
export function runs(before) {
  return get(`/api/runs?limit=${MOST_RUNS}${before === null ? "" : `&before=${before}`}`);
}

/** @param {string} id @param {string | null} project @returns {Promise<Run>} */
export function run(id, project) {
  return get(address(id, project));
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
    const answer = await get(address(id, project, "/results", { limit: String(limit), after: String(after) }));
    yield answer.rows;
    if (answer.next === null) return;
    after = answer.next;
    limit = 10_000;
  }
}

/** @param {string} id @param {string | null} project @returns {Promise<string[]>} */
export function notRun(id, project) {
  return get(address(id, project, "/not-run"));
}

/** @param {string} key @returns {Promise<Result>} */
export async function result(key) {
  const found = await get(`/api/results/${encodeURIComponent(key)}`);
  // Whoever published it may have left out what the board does not need.
  return { stdout: "", stderr: "", log: "", excinfo: null, phases: [], subtests: [], properties: {}, ...found };
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
  return open(`/api/stream?${query}`);
}
