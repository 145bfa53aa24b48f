// The address: every state of the page is a link.

/**
 * @typedef {{
 *   run: string | null, project: string | null, tab: string, q: string, outcome: string,
 *   worker: string, scope: string, view: string, test: string | null, isLatest: boolean,
 * }} Route
 */

/** @type {Omit<Route, "run" | "isLatest">} */
const DEFAULTS = {
  project: null,
  tab: "failures",
  q: "",
  outcome: "",
  worker: "",
  scope: "",
  view: "flat",
  test: null,
};
const NAMES = /** @type {(keyof typeof DEFAULTS)[]} */ (Object.keys(DEFAULTS));

/** Always the newest run. */
export const LATEST = "#/latest";

/** @param {string} hash @returns {Route} */
export function parse(hash) {
  const [path = "", query = ""] = hash.replace(/^#/, "").split("?", 2);
  const match = /^\/run\/([^/]+)$/.exec(path);
  const asked = Object.fromEntries(new URLSearchParams(query));
  const route = /** @type {Route} */ ({
    ...DEFAULTS,
    run: match ? decoded(match[1] ?? "") : null,
    isLatest: hash === "" || hash === LATEST,
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

/** @param {Partial<Route>} route @returns {string} */
export function link(route) {
  if (!route.run) return "#/";
  const query = new URLSearchParams();
  for (const name of NAMES) {
    const value = route[name];
    if (value && value !== DEFAULTS[name]) query.set(name, value);
  }
  const text = query.toString();
  return `#/run/${encodeURIComponent(route.run)}${text && `?${text}`}`;
}
