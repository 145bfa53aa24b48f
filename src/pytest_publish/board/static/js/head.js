// What stays on top of a run: its state, the bar, the figures, and what its sessions tell.

import { bad, clock, count, counted, date, OUTCOMES, time } from "./format.js";
import { html } from "./html.js";
import { branch, stateOf } from "./runs.js";

/** @typedef {import("./types.js").Run} Run */
/** @typedef {import("./types.js").Session} Session */
/** @typedef {import("./model.js").Model} Model */

/** Seconds without a sign of life that are worth telling though a test may take as long. */
const QUIET = 60;

/** @param {{ run: Run, model: Model }} properties */
export function Head({ run, model }) {
  const [sign, word] = stateOf(run);
  const about = [branch(run), run.run_id.length > 24 ? run.run_id.slice(0, 8) : run.run_id];
  return html`<header class="head">
    <div class="title">
      <h2>${run.project || "run"}</h2>
      ${about.filter(Boolean).map((text) => html`<span class="quiet cut" title=${run.run_id}>${text}</span>`)}
      <span class=${`state state-${run.state} ${bad(run.outcomes) ? "has-failed" : ""}`}>
        <span aria-hidden="true">${sign}</span> ${word}${note(run, model.now)}
      </span>
    </div>
    <${Bar} run=${run} />
    <${Figures} run=${run} now=${model.now} />
    <${About} run=${run} />
  </header>`;
}

/** @param {Run} run @param {number} now */
function note(run, now) {
  if (run.state === "silent") return ` since ${date(run.seen)}`;
  if (run.state === "running") return now - run.seen > QUIET ? `, last heard of ${clock(now - run.seen)} ago` : "";
  const codes = new Set(run.sessions.map((session) => session.exitstatus).filter((code) => code !== null));
  return codes.size === 0 ? "" : `, exit code ${[...codes].join(", ")}`;
}

const ORDER = ["failed", "error", "crashed", "passed", "xpassed", "skipped", "xfailed"];

/** @param {{ run: Run }} properties */
function Bar({ run }) {
  const running = run.state === "running" ? (run.running?.length ?? 0) : 0;
  const shown = ORDER.reduce((sum, outcome) => sum + (run.outcomes[outcome] ?? 0), 0);
  const whole = Math.max(run.total ?? 0, shown + (run.total === null ? running : 0), 1);
  const label = `${counted(bad(run.outcomes), "failure")}, ${count(run.done)} of ${run.total === null ? "?" : count(run.total)} done`;
  return html`<div class="bar" role="progressbar" aria-label="Progress" aria-valuetext=${label} aria-valuemin="0"
    aria-valuemax=${whole} aria-valuenow=${Math.min(run.done, whole)}>
    ${ORDER.map((outcome) => segment(outcome, run.outcomes[outcome] ?? 0, whole))}
    ${segment("running", Math.min(running, whole - shown), whole)}
  </div>`;
}

/** @param {string} name @param {number} number @param {number} whole */
function segment(name, number, whole) {
  // One failure of thousands is to be seen as well.
  return (
    number > 0 && html`<span class=${`segment ${name}`} style=${{ flexBasis: `${(100 * number) / whole}%` }}></span>`
  );
}

/** @param {{ run: Run, now: number }} properties */
function Figures({ run, now }) {
  const over = run.stopped ?? (run.state === "running" ? now : run.seen);
  const left = secondsLeft(run, now);
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
    <span class="elapsed" title="elapsed">${clock(over - run.started)}${left !== null && html`<span class="quiet">, ~${clock(left)} left</span>`}</span>
  </p>`;
}

/** By how far the run is and what it took till then. @param {Run} run @param {number} now @returns {number | null} */
function secondsLeft(run, now) {
  const { progress, started, state } = run;
  if (state !== "running" || progress === null || progress < 0.02 || progress >= 1) return null;
  // Counted from what was heard last, so that it runs down between two results.
  const [elapsed, since] = [run.seen - started, Math.max(0, now - run.seen)];
  const left = (elapsed * (1 - progress)) / progress - since;
  return left >= 1 ? left : null; // it takes longer than it did
}

/** @param {{ run: Run }} properties */
function About({ run }) {
  return html`<details class="about">
    <summary>${counted(run.sessions.length, "session")}, begun ${date(run.started)}</summary>
    ${run.sessions.map((session, index) => html`<${OfSession} key=${session.session_id} session=${session} number=${index + 1} isOne=${run.sessions.length === 1} />`)}
  </details>`;
}

/** @param {{ session: Session, number: number, isOne: boolean }} properties */
function OfSession({ session, number, isOne }) {
  const versions = Object.entries(session.versions ?? {}).map(([name, version]) => `${name} ${version}`);
  /** @type {[string, unknown][]} */
  const facts = [
    ["state", isOne ? null : `${session.state}, ${count(session.done)} of ${session.total ?? "?"} done`],
    ["host", session.host],
    ["platform", session.platform],
    ["versions", versions.join(", ")],
    ["rootdir", session.rootdir],
    ["arguments", session.args?.join(" ")],
    ["workers", session.workers === null ? null : `${session.workers}, --dist ${session.xdist_dist}`],
    ["deselected", session.deselected || null],
    ["session", session.session_id],
    ...Object.entries(session.metadata),
  ];
  return html`<dl>
    ${!isOne && html`<dt>session ${number}</dt><dd>${time(session.started ?? session.seen)}</dd>`}
    ${facts
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(
        ([name, value]) =>
          html`<dt key=${name}>${name}</dt><dd>${typeof value === "object" ? JSON.stringify(value) : String(value)}</dd>`,
      )}
  </dl>`;
}
