// Values as people read them.

/** The outcomes in the order in which they matter: a shape and a word for each. */
export const OUTCOMES = /** @type {const} */ ({
  failed: ["✗", "failed"],
  error: ["!", "error"],
  crashed: ["✝", "crashed"],
  rerun: ["↻", "rerun"],
  skipped: ["–", "skipped"],
  xfailed: ["x", "xfailed"],
  xpassed: ["X", "xpassed"],
  passed: ["✓", "passed"],
});

/** The outcomes for which somebody has to do something. */
export const BAD = new Set(["failed", "error", "crashed"]);

export const STATES = /** @type {Record<string, [string, string]>} */ ({
  running: ["●", "running"],
  finished: ["✓", "finished"],
  interrupted: ["■", "interrupted"],
  killed: ["✝", "killed"],
  silent: ["○", "silent"],
  untold: ["○", "end not told"], // of a report: its results may be all that there was to tell
});

/** @param {string} outcome @returns {string} */
export function shape(outcome) {
  return /** @type {Record<string, readonly [string, string]>} */ (OUTCOMES)[outcome]?.[0] ?? "?";
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 0.001) return "0 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return clock(seconds);
}

/** @param {number} seconds @returns {string} as 4:12 or 1:02:03 */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** @param {number} epoch seconds */
export function time(epoch) {
  return new Date(epoch * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** @param {number} epoch seconds */
export function date(epoch) {
  const then = new Date(epoch * 1000);
  if (then.toDateString() === new Date().toDateString()) return time(epoch);
  return `${then.toLocaleDateString([], { day: "numeric", month: "short" })} ${time(epoch)}`;
}

/** @param {number} number */
export function count(number) {
  return number.toLocaleString("en");
}

/** @param {number} number @param {string} one @param {string} [many] */
export function counted(number, one, many) {
  return `${count(number)} ${number === 1 ? one : (many ?? `${one}s`)}`;
}

/**
 * The number of bad outcomes.
 * @param {Record<string, number>} outcomes
 */
export function bad(outcomes) {
  let sum = 0;
  for (const outcome of BAD) sum += outcomes[outcome] ?? 0;
  return sum;
}

/** How far a run is, from 0 to 1; null if nobody knows how many tests it has.
 * @param {import("./types.js").Run} run
 */
export function progress(run) {
  if (run.state === "finished") return 1;
  return run.total ? Math.min(1, run.done / run.total) : null;
}

/** @param {string} nodeid @returns {[string, string, string]} path and classes, name, parameters */
export function parts(nodeid) {
  const bracket = nodeid.indexOf("[");
  const names = bracket < 0 ? nodeid : nodeid.slice(0, bracket);
  const at = names.lastIndexOf("::");
  const begin = at < 0 ? 0 : at + 2;
  return [names.slice(0, begin), names.slice(begin), bracket < 0 ? "" : nodeid.slice(bracket)];
}

/** Quote a word for a POSIX shell. @param {string} word */
export function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}
