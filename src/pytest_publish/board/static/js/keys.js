// What the keyboard does.

import { steppedRows } from "./tests.js";
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
    const { target } = event;
    const isTyping = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    if (isTyping && event.key !== "Escape") return;
    const isInList = target instanceof HTMLElement && target.closest(".list") !== null;
    if (act(model, isInList ? (ARROWS[event.key] ?? event.key) : event.key, isTyping)) event.preventDefault();
  });
}

/** @type {Record<string, string>} */
const ARROWS = { ArrowDown: "j", ArrowUp: "k" };

/** @param {Model} model @param {string} key @param {boolean} isTyping @returns {boolean} whether it meant something */
function act(model, key, isTyping) {
  if (model.isHelpOpen) {
    if (key === "?" || key === "Escape") help(model, false);
    return key === "?" || key === "Escape";
  }
  if (key === "/") document.getElementById("search")?.focus();
  else if (key === "j") step(model, 1);
  else if (key === "k") step(model, -1);
  else if (key === "f") model.go({ tab: "failures", test: null });
  else if (key === "a") model.go({ tab: "all", test: null });
  else if (key === "?") help(model, true);
  else if (key === "Escape") back(model, isTyping);
  else return false;
  return true;
}

/** @param {Model} model @param {number} by */
function step(model, by) {
  const rows = steppedRows(model);
  const at = rows.findIndex((row) => row[KEY] === (model.route.test ?? model.cursor));
  const next = rows[at < 0 ? 0 : at + by];
  if (!next) return;
  model.cursor = next[KEY];
  if (model.route.test !== null) model.go({ test: next[KEY] }, true);
  else model.focus(next[KEY]);
}

/** @param {Model} model @param {boolean} isTyping */
function back(model, isTyping) {
  if (isTyping) /** @type {HTMLElement} */ (document.activeElement).blur();
  else if (model.route.test !== null) model.go({ test: null });
  else model.go({ run: null });
}

/** @param {Model} model @param {boolean} isOpen */
export function help(model, isOpen) {
  model.isHelpOpen = isOpen;
  model.changed();
}
