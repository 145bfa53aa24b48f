// What stays on top of a run: its state, the bar, the figures.

import { html } from "./html.js";
import { bad, clock, count, counted, OUTCOMES, time } from "./format.js";
import { branch, stateOf } from "./runs.js";

/** @typedef {import("./types.js").Run} Run */

/** @param {{ run: Run }} properties */
export function Head({ run }) {
  const [sign, word] = stateOf(run);
  const about = [branch(run), run.run_id.length > 16 ? run.run_id.slice(0, 8) : run.run_id];
  return html`<header class="head">
    <div class="title">
      <h2>${run.project || "run"}</h2>
      ${about.filter(Boolean).map((text) => html`<span class="quiet">${text}</span>`)}
      <span class=${`state state-${run.state} ${bad(run.outcomes) ? "has-failed" : ""}`}>
        <span aria-hidden="true">${sign}</span> ${word}${note(run)}
      </span>
    </div>
    <${Bar} run=${run} />
    <${Figures} run=${run} />
  </header>`;
}

/** @param {Run} run */
function note(run) {
  if (run.state === "silent") return ` since ${time(run.seen)}`;
  const codes = new Set(run.sessions.map((session) => session.exitstatus).filter((code) => code !== null));
  return run.state === "running" || codes.size === 0 ? "" : `, exit code ${[...codes].join(", ")}`;
}

const ORDER = ["failed", "error", "crashed", "passed", "xpassed", "skipped", "xfailed"];

/** @param {{ run: Run }} properties */
function Bar({ run }) {
  const running = run.running?.length ?? 0;
  const whole = Math.max(run.total ?? 0, run.done + (run.total === null ? running : 0), 1);
  const label = `${counted(bad(run.outcomes), "failure")}, ${count(run.done)} of ${run.total === null ? "?" : count(run.total)} done`;
  return html`<div class="bar" role="progressbar" aria-label=${label} aria-valuemin="0"
    aria-valuemax=${whole} aria-valuenow=${run.done}>
    ${ORDER.map((outcome) => segment(outcome, run.outcomes[outcome] ?? 0, whole))}
    ${segment("running", Math.min(running, whole - Math.min(whole, run.done)), whole)}
  </div>`;
}

/** @param {string} name @param {number} number @param {number} whole */
function segment(name, number, whole) {
  // One failure of thousands is to be seen as well.
  return number > 0 && html`<span class=${`segment ${name}`} style=${{ flex: `0 0 ${(100 * number) / whole}%` }}></span>`;
}

/** @param {{ run: Run }} properties */
function Figures({ run }) {
  const over = run.stopped ?? (run.state === "running" ? Date.now() / 1000 : run.seen);
  return html`<p class="figures">
    ${Object.entries(OUTCOMES).map(([outcome, [sign, word]]) => {
      const number = run.outcomes[outcome] ?? 0;
      const isShown = number > 0 || outcome === "passed" || outcome === "failed";
      return (
        isShown &&
        html`<span class=${`outcome ${outcome} ${number ? "" : "none"}`}>
          <span aria-hidden="true">${sign}</span> ${count(number)} ${word}
        </span>`
      );
    })}
    <span class="of">${count(run.done)}${run.total !== null && ` of ${count(run.total)}`}</span>
    <span class="elapsed" title="elapsed">${clock(over - run.started)}</span>
  </p>`;
}
