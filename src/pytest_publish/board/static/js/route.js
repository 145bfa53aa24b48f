// The address: every state of the page is a link.

import { HAS_HISTORY } from "./api.js";

/**
 * @typedef {{
 *   page: string, run: string | null, project: string | null, nodeid: string, days: string,
 *   a: string, b: string, tab: string, q: string, outcome: string, worker: string, scope: string,
 *   mark: string, cause: string, view: string, test: string | null, isLatest: boolean, isHome: boolean,
 * }} Route
 */

/** What chooses among the results of a run; none of it, to show all. */
export const UNFILTERED = { q: "", outcome: "", worker: "", scope: "", mark: "", cause: "" };

/** @type {Omit<Route, "page" | "run" | "isLatest" | "isHome">} */
const DEFAULTS = {
  project: null,
  nodeid: "",
  days: "7",
  a: "",
  b: "",
  tab: "",
  ...UNFILTERED,
  view: "flat",
  test: null,
};
const NAMES = /** @type {(keyof typeof DEFAULTS)[]} */ (Object.keys(DEFAULTS));

/** The pages, and the tab that each shows at first. @type {Record<string, string>} */
const PAGES = { run: "failures", runs: "", test: "results", flaky: "", slow: "slowest", causes: "", compare: "broken" };

/** Always the newest run. */
export const LATEST = "#/latest";

/** @param {string} hash @returns {Route} */
export function parse(hash) {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const [, name = "", id] = /^\/([a-z]+)(?:\/([^/]+))?$/.exec(path) ?? [];
  const isLatest = hash === "" || hash === LATEST;
  const page = isLatest ? "run" : name in PAGES && (name === "run") === (id !== undefined) ? name : "runs";
  const asked = Object.fromEntries(new URLSearchParams(query));
  const route = /** @type {Route} */ ({
    ...DEFAULTS,
    page,
    run: id === undefined ? null : decoded(id),
    tab: PAGES[page],
    isLatest,
    isHome: page === "runs" && name !== "runs",
  });
  for (const name of NAMES) if (asked[name] !== undefined) route[name] = asked[name];
  return route;
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {Partial<Route>} route @returns {string} the address; of a run, unless it has another page */
export function link(route) {
  const { page = "run", run } = route;
  if (page === "run" && !run) return "#/";
  const query = new URLSearchParams();
  for (const name of NAMES) {
    const value = route[name];
    if (value && value !== (name === "tab" ? PAGES[page] : DEFAULTS[name])) query.set(name, value);
  }
  const text = query.toString();
  return `#/${page}${page === "run" && run ? `/${encodeURIComponent(run)}` : ""}${text && `?${text}`}`;
}

/** @param {{ run_id: string, project: string }} run @param {string} [test] the result that is opened in it */
export function linkToRun({ run_id, project }, test) {
  return link({ run: run_id, project: project || null, test: test ?? null, ...(test && { tab: "all" }) });
}

/**
 * Links to the pages of tests; null where there are none.
 * @param {string | null} project @returns {(nodeid: string) => string | null}
 */
export function linksToTests(project) {
  const begin = link({ page: "test", project, nodeid: "-" }).slice(0, -1);
  return (nodeid) => (HAS_HISTORY ? begin + encodeURIComponent(nodeid) : null);
}

/**
 * Links that differ in the result that is opened: for each line of a list, without making the whole anew.
 * @param {Route} route @returns {(key: string) => string}
 */
export function linksToResults(route) {
  const before = link({ ...route, test: null });
  const begin = `${before}${before.includes("?") ? "&" : "?"}test=`;
  return (key) => begin + encodeURIComponent(key);
}
