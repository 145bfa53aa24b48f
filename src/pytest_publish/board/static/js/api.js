// What the page asks the board for.

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./types.js").Result} Result */

/** @param {string} path @returns {Promise<any>} */
async function get(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${response.status}: ${(await response.text()).trim()}`);
  return response.json();
}

/** @param {string} run @param {string | null} project */
function address(run, project) {
  const query = project === null ? "" : `?project=${encodeURIComponent(project)}`;
  return [`/api/runs/${encodeURIComponent(run)}`, query];
}

/** @returns {Promise<Run[]>} */
export function runs() {
  return get("/api/runs?limit=100");
}

/** @param {string} id @param {string | null} project @returns {Promise<Run>} */
export function run(id, project) {
  const [path, query] = address(id, project);
  return get(`${path}${query}`);
}

/**
 * All rows of a run, part by part.
 * @param {string} id @param {string | null} project
 * @returns {AsyncGenerator<Row[]>}
 */
export async function* rows(id, project) {
  const [path, query] = address(id, project);
  let after = 0;
  let limit = 2000; // a first part that is there at once
  while (true) {
    const answer = await get(`${path}/results${query || "?"}&limit=${limit}&after=${after}`);
    yield answer.rows;
    if (answer.next === null) return;
    after = answer.next;
    limit = 20_000;
  }
}

/** @param {string} id @param {string | null} project @returns {Promise<string[]>} */
export function notRun(id, project) {
  const [path, query] = address(id, project);
  return get(`${path}/not-run${query}`);
}

/** @param {string} key @returns {Promise<Result>} */
export function result(key) {
  return get(`/api/results/${key}`);
}

/**
 * The stream of what changes.
 * @param {{ run: string | null, project: string | null, after: number }} what
 * @returns {EventSource}
 */
export function stream(what) {
  const query = new URLSearchParams({ after: String(what.after) });
  if (what.run !== null) query.set("run", what.run);
  if (what.project !== null) query.set("project", what.project);
  return new EventSource(`/api/stream?${query}`);
}
