// A test's last runs as a row of marks.

import { html } from "./html.js";

/** What the letters mean. @type {Record<string, string>} */
const WORDS = { p: "passed", f: "failed", s: "skipped", r: "passed after a rerun" };
const [WIDE, HIGH] = [5, 16];

/** @param {string} outcomes a letter for each run, the oldest first */
export function strip(outcomes) {
  const label = Object.keys(WORDS)
    .map((letter) => [WORDS[letter], outcomes.split(letter).length - 1])
    .filter(([, number]) => number)
    .map(([word, number]) => `${number} ${word}`)
    .join(", ");
  const width = outcomes.length * WIDE;
  return html`<svg class="strip" viewBox=${`0 0 ${width} ${HIGH}`} width=${width} height=${HIGH} role="img" aria-label=${label}>
    <title>${label}; the newest at the right</title>
    ${Object.keys(WORDS).map((letter) => html`<path key=${letter} class=${`run-${letter}`} d=${marks(outcomes, letter)} />`)}
  </svg>`;
}

/** Failures are taller as well, for those who don't see their colour. @param {string} outcomes @param {string} letter */
function marks(outcomes, letter) {
  const high = { f: HIGH, r: 11, p: 8, s: 3 }[letter] ?? 8;
  let path = "";
  for (let index = 0; index < outcomes.length; index++)
    if (outcomes[index] === letter) path += `M${index * WIDE} ${HIGH - high}h${WIDE - 1}v${high}h${1 - WIDE}z`;
  return path;
}

/** @param {string} outcome @returns {string} the letter of a result's outcome */
export function letterOf(outcome) {
  return { passed: "p", xpassed: "p", rerun: "r", skipped: "s", xfailed: "s" }[outcome] ?? "f";
}
