// What the keyboard does.

import { HAS_HISTORY } from "./api.js";
import { link, linksToTests } from "./route.js";
import { find } from "./scrolling.js";
import { NODEID } from "./types.js";

/** @typedef {import("./model.js").Model} Model */

/** @type {[string, string][]} */
export const KEYS = [
  ["/", "search"],
  ["j", "next line"],
  ["k", "previous line"],
  ["Enter", "open what has the focus"],
  ["Esc", "back"],
  ["f", "failures"],
  ["a", "all results"],
  .../** @type {[string, string][]} */ (
    HAS_HISTORY
      ? [
          ["h", "this test over all runs"],
          ["r", "all runs"],
        ]
      : []
  ),
  ["?", "this help"],
];

/** @param {Model} model */
export function listen(model) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    const isTyping =
      (target instanceof HTMLInputElement && target.type !== "checkbox") || target instanceof HTMLSelectElement;
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
  const isRun = model.route.page === "run";
  if (key === "/") document.getElementById("search")?.focus();
  else if (key === "j") step(model, 1);
  else if (key === "k") step(model, -1);
  else if (key === "f" && isRun) model.go({ tab: "failures", test: null });
  else if (key === "a" && isRun) model.go({ tab: "all", test: null });
  else if (key === "h" && HAS_HISTORY) openHistory(model);
  else if (key === "r" && HAS_HISTORY) location.hash = link({ page: "runs", project: model.route.project });
  else if (key === "?") help(model, true);
  else if (key === "Escape") back(model, isTyping);
  else return false;
  return true;
}

/** @param {Model} model @param {number} by */
function step(model, by) {
  const { list, route } = model;
  if (list === null) return;
  const reached = (list.opens ? route.test : null) ?? model.cursor.key;
  const at = find(reached, -1, list.count, list.keyOf);
  const next = at < 0 ? 0 : at + by;
  if (next < 0 || next >= list.count) return;
  const key = list.keyOf(next);
  if (list.opens && route.test !== null) {
    model.cursor.reach(key);
    model.go({ test: key }, true);
  } else model.cursor.focus(key);
}

/** The page of the test that is open, or on whose line the focus is. @param {Model} model */
function openHistory(model) {
  const row = model.rows.byKey.get(model.route.test ?? model.cursor.key ?? "");
  const line = document.activeElement?.closest(".line");
  const href = row
    ? linksToTests(model.route.project)(row[NODEID])
    : line?.querySelector("a.history")?.getAttribute("href");
  if (href) location.hash = href;
}

/** @param {Model} model @param {boolean} isTyping */
function back(model, isTyping) {
  if (isTyping) /** @type {HTMLElement} */ (document.activeElement).blur();
  else if (model.route.test !== null) model.go({ test: null });
  else if (model.route.page === "run" || model.isEntry) location.hash = "#/";
  else history.back();
}

/** @param {Model} model @param {boolean} isOpen */
export function help(model, isOpen) {
  model.isHelpOpen = isOpen;
  model.changed();
}
