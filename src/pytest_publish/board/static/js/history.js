// What the pages across runs have in common.

import { useEffect, useRef } from "preact/hooks";
import * as api from "./api.js";
import { html } from "./html.js";

/** @typedef {import("./model.js").Model} Model */
/** What is asked for. @template T @typedef {{ key: string, ask: () => Promise<T> }} Question */

/**
 * A page with its title, what chooses beside it, and what the board answers below.
 * @param {{ model: Model, title: any, name?: string, beside?: any, children: any }} properties
 */
export function Page({ model, title, name, beside, children }) {
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  // The keyboard's focus follows what opens, unless it goes back to a line. Nobody was anywhere
  // before the first page.
  const isTaken = model.isEntry || model.cursor.wantsFocus;
  useEffect(() => {
    if (!isTaken) heading.current?.focus();
  }, [model.route.page, model.route.nodeid]);
  return html`<header class="head page-head">
      <div class="title"><h2 tabindex="-1" ref=${heading} title=${name}>${title}</h2>${beside}</div>
    </header>
    ${children}`;
}

/**
 * Shows what was answered, or why there is nothing.
 * @param {{ model: Model, about: Question<any>, children: (answer: any) => any }} properties
 */
export function Answer({ model, about, children }) {
  const answer = model.answers.get(about.key, about.ask, model.version);
  if (answer === null) return html`<p class="empty" role="status">loading …</p>`;
  if (!(answer instanceof Error)) return children(answer);
  return html`<p class="empty" role="alert">${answer instanceof TypeError ? "The board does not answer." : answer.message}${" "}
    <button type="button" class="link" onClick=${() => model.answers.retry(about.key)}>try again</button></p>`;
}

/** @param {{ model: Model }} properties */
export function Projects({ model }) {
  const { project } = model.route;
  const found = model.answers.get("projects", api.projects, model.known.version);
  const names = (found instanceof Error ? [] : (found ?? [])).map((one) => one.project).filter(Boolean);
  if (project && !names.includes(project)) names.unshift(project);
  if (names.length < 2 && !project) return null;
  /** @type {[string, string][]} */
  const choices = [["", "all projects"], ...names.map((name) => /** @type {[string, string]} */ ([name, name]))];
  return choose("project", choices, project ?? "", (value) => model.go({ project: value || null, a: "", b: "" }));
}

/** @param {string} label @param {[value: string, title: string][]} choices @param {string} value @param {(value: string) => void} to */
export function choose(label, choices, value, to) {
  const change = (/** @type {Event} */ event) => to(/** @type {HTMLSelectElement} */ (event.currentTarget).value);
  return html`<select aria-label=${label} value=${value} onChange=${change}>
    ${choices.map(([name, title]) => html`<option key=${name} value=${name} selected=${name === value}>${title}</option>`)}
  </select>`;
}

/** @param {{ model: Model }} properties */
export function Search({ model }) {
  const change = (/** @type {Event} */ event) =>
    model.go({ q: /** @type {HTMLInputElement} */ (event.currentTarget).value }, true);
  return html`<input type="search" id="search" placeholder="search (/)" aria-label="Search in names"
    value=${model.route.q} onInput=${change} />`;
}

/** @template {{ nodeid: string }} T @param {T[]} all @param {string} q */
export function searched(all, q) {
  const wanted = q.toLowerCase();
  return q ? all.filter((one) => one.nodeid.toLowerCase().includes(wanted)) : all;
}

/** Why a list is empty, and what would fill it. @param {Model} model @param {string} title @param {...any} more */
export function nothing(model, title, ...more) {
  if (model.route.q) return html`<p class="empty">Nothing fits the search.</p>`;
  if (more.length === 0) return html`<p class="empty">${title}</p>`;
  return html`<div class="empty"><h2>${title}</h2>${more.map((text) => html`<p>${text}</p>`)}</div>`;
}
