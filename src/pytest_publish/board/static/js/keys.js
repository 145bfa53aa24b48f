// What the keyboard does.

import { shownRows } from "./tests.js";
import { KEY } from "./types.js";

/** @typedef {import("./model.js").Model} Model */

/** @type {[string, string][]} */
export const KEYS = [
  ["/", "search"],
  ["j", "next result"],
  ["k", "previous result"],
  ["Enter", "open what has the focus"],
  ["Esc", "back"],
  ["f", "failures"],
  ["a", "all results"],
  ["?", "this help"],
];

/** @param {Model} model */
export function listen(model) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (isTyping && event.key !== "Escape") return;
    if (act(model, event.key, isTyping)) event.preventDefault();
  });
}

/** @param {Model} model @param {string} key @param {boolean} isTyping @returns {boolean} whether it meant something */
function act(model, key, isTyping) {
  if (key === "/") document.getElementById("search")?.focus();
  else if (key === "j") step(model, 1);
  else if (key === "k") step(model, -1);
  else if (key === "f") model.go({ tab: "failures", test: null });
  else if (key === "a") model.go({ tab: "all", test: null });
  else if (key === "?") help(model, !model.isHelpOpen);
  else if (key === "Escape") back(model, isTyping);
  else return false;
  return true;
}

/** @param {Model} model @param {number} by */
function step(model, by) {
  const rows = shownRows(model);
  const at = rows.findIndex((row) => row[KEY] === model.route.test);
  const next = rows[at < 0 ? 0 : at + by];
  if (next) model.go({ test: next[KEY] }, model.route.test !== null);
}

/** @param {Model} model @param {boolean} isTyping */
function back(model, isTyping) {
  if (model.isHelpOpen) help(model, false);
  else if (isTyping) /** @type {HTMLElement} */ (document.activeElement).blur();
  else if (model.route.test !== null) model.go({ test: null });
  else model.go({ run: null });
}

/** @param {Model} model @param {boolean} isOpen */
function help(model, isOpen) {
  model.isHelpOpen = isOpen;
  model.changed();
}
