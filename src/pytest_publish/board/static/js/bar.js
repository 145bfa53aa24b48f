// A run's outcomes as a bar.

import { bad, count, counted } from "./format.js";
import { html } from "./html.js";

/** @typedef {import("./types.js").Run} Run */

const ORDER = ["failed", "error", "crashed", "passed", "xpassed", "skipped", "xfailed"];

/** @param {{ run: Run }} properties */
export function Bar({ run }) {
  const running = run.state === "running" ? (run.running?.length ?? 0) : 0;
  const shown = sum(run);
  const whole = Math.max(run.total ?? 0, shown + (run.total === null ? running : 0), 1);
  return html`<div class="bar" role="progressbar" aria-label="Progress" aria-valuetext=${told(run)} aria-valuemin="0"
    aria-valuemax=${whole} aria-valuenow=${Math.min(run.done, whole)}>
    ${segments(run, whole)}
    ${segment("running", Math.min(running, whole - shown), whole)}
  </div>`;
}

/** The same, small, in a list. @param {{ run: Run }} properties */
export function SmallBar({ run }) {
  return html`<span class="bar small" role="img" aria-label=${told(run)}>
    ${segments(run, Math.max(run.total ?? 0, sum(run), 1))}</span>`;
}

/** @param {Run} run */
function sum(run) {
  return ORDER.reduce((all, outcome) => all + (run.outcomes[outcome] ?? 0), 0);
}

/** @param {Run} run */
function told(run) {
  return `${counted(bad(run.outcomes), "failure")}, ${count(run.done)} of ${run.total === null ? "?" : count(run.total)} done`;
}

/** @param {Run} run @param {number} whole */
function segments(run, whole) {
  return ORDER.map((outcome) => segment(outcome, run.outcomes[outcome] ?? 0, whole));
}

/** @param {string} name @param {number} number @param {number} whole */
function segment(name, number, whole) {
  // One failure of thousands is to be seen as well.
  return (
    number > 0 && html`<span class=${`segment ${name}`} style=${{ flexBasis: `${(100 * number) / whole}%` }}></span>`
  );
}
