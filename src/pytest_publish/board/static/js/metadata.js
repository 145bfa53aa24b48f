// What a run tells of where it comes from.

import { html } from "./html.js";

/** @typedef {import("./types.js").Run} Run */

/** @param {Run} run @returns {Record<string, unknown>} */
function metadata(run) {
  return run.metadata ?? run.sessions[0]?.metadata ?? {};
}

/** @param {Run} run @returns {string} the branch and commit that the run tells of */
export function branch(run) {
  const { branch: name, commit } = metadata(run);
  if (!name && !commit) return "";
  return `${name ?? ""}${commit ? `@${String(commit).slice(0, 7)}` : ""}`;
}

/** The first address in the metadata: where the run's job is. @param {Run} run @returns {string | null} */
export function ciLink(run) {
  for (const value of Object.values(metadata(run))) {
    const address = addressIn(value);
    if (address !== null) return address;
  }
  return null;
}

/** Only these are links: javascript: and others are text. @param {unknown} value @returns {string | null} */
function addressIn(value) {
  return typeof value === "string" && /^https?:\/\/[^\s]+$/i.test(value) && URL.canParse(value) ? value : null;
}

/** @param {{ value: unknown }} properties */
export function Value({ value }) {
  const address = addressIn(value);
  if (address !== null) return html`<a class="link" href=${address} target="_blank" rel="noreferrer">${address}</a>`;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
