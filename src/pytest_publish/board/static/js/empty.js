// Why a list is empty, and what would fill it.

import { html } from "./html.js";
import { changesOf } from "./marks.js";
import { link, UNFILTERED } from "./route.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./model.js").Model} Model */

/** Of a run's lists. @param {{ model: Model }} properties */
export function Empty({ model }) {
  const { route, run } = model;
  if (model.isLoading || model.rows.isBehind) return html`<p class="empty">loading …</p>`;
  const names = /** @type {(keyof typeof UNFILTERED)[]} */ (Object.keys(UNFILTERED));
  if (names.some((name) => route[name]))
    return html`<p class="empty">Nothing fits the filters. <a class="link" href=${link({ ...route, ...UNFILTERED })}>Show all</a></p>`;
  if (route.tab === "failures")
    return html`<p class="empty">${run?.state === "running" ? "No failures so far." : "No failures."}</p>`;
  if (route.tab === "running" && run !== null && !tellsEvents(run))
    return html`<p class="empty">This run tells results only: <code>--publish-events</code> would show what runs.</p>`;
  return html`<p class="empty">${WORDS[route.tab]?.(model) ?? "No results yet."}</p>`;
}

/** @type {Record<string, (model: Model) => string>} */
const WORDS = {
  running: () => "Nothing runs.",
  "not-run": () => "loading …",
  mended: (model) =>
    changesOf(model)?.before === null
      ? "There is no earlier run of this project to compare with."
      : "Nothing that failed in the run before passes in this one.",
};

/** @param {Run} run */
export function tellsEvents(run) {
  return run.sessions.some((session) => session.has_events);
}
