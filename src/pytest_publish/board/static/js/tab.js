// The browser's tab, and what a screen reader is told.

import { bad, parts, progress } from "./format.js";
import { summary } from "./tests.js";

/** @typedef {import("./types.js").Run} Run */

let announced = "";
let at = Number.NEGATIVE_INFINITY; // when something was announced last: not each of a hundred failures

/** What the pages about more than one run are called. @type {Record<string, string>} */
const TITLES = { runs: "All runs", flaky: "Flaky tests", slow: "Slow tests", causes: "Causes", compare: "Compared" };

/** @param {import("./model.js").Model} model */
export function showInTab({ route, run }) {
  const name = route.page === "test" ? parts(route.nodeid).slice(1).join("") : TITLES[route.page];
  document.title =
    name === undefined || route.isHome ? title(run) : `${name}${route.project ? ` · ${route.project}` : ""}`;
  const icon = /** @type {HTMLLinkElement} */ (document.getElementById("icon"));
  const href = `data:image/svg+xml,${encodeURIComponent(picture(run))}`;
  if (icon.href !== href) icon.href = href;
  announce(run);
}

/** @param {Run | null} run */
function title(run) {
  if (!run) return "pytest-publish board";
  const failed = bad(run.outcomes);
  const part = progress(run);
  const state = run.state === "running" && part !== null ? `${Math.floor(part * 100)} %` : run.state;
  return `${failed ? `✗${failed} ` : run.state === "finished" ? "✓ " : ""}${state} ${run.project || run.run_id.slice(0, 8)}`;
}

/** Grey while nothing is wrong, red from the first failure on, a tick at a good end. @param {Run | null} run */
function picture(run) {
  const failed = run !== null && bad(run.outcomes) > 0;
  const colour = failed ? "#d1242f" : run?.state === "finished" ? "#1a7f37" : "#6e7781";
  const sign = failed ? "M5 5l6 6m0-6l-6 6" : run?.state === "finished" ? "M4 8l3 3 5-6" : "M8 4v4l3 2";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="8" fill="${colour}"/><path d="${sign}" stroke="#fff" stroke-width="2" fill="none"/></svg>`;
}

/** Tell a change of state and each new number of failures. @param {Run | null} run */
function announce(run) {
  if (!run) return;
  const what = `${run.state} ${bad(run.outcomes)}`;
  const now = performance.now();
  if (what === announced || (run.state === "running" && now - at < 5000)) return;
  at = now;
  const element = document.getElementById("announcer");
  if (announced && element) element.textContent = `${run.project} ${run.state}: ${summary(run)}`;
  announced = what;
}
