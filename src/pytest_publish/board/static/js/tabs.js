// Tabs that are links, over a panel.

import { count } from "./format.js";
import { html } from "./html.js";
import { link } from "./route.js";

/** A tab's name, its title and a number behind it. @typedef {[name: string, title: string, number: number | null]} Tab */

/** @param {{ tabs: Tab[], route: import("./route.js").Route, label: string, children: any }} properties */
export function Tabs({ tabs, route, label, children }) {
  return html`<section class="tests" aria-label=${label}>
    <div class="tabs" role="tablist" aria-label=${label} onKeyDown=${step}>
      ${tabs.map(
        ([
          name,
          title,
          number,
        ]) => html`<a role="tab" key=${name} id=${`tab-${name}`} aria-selected=${route.tab === name}
          aria-controls="list" tabindex=${route.tab === name ? 0 : -1}
          href=${link({ ...route, tab: name })}>${title} ${number !== null && html`<b>${count(number)}</b>`}</a>`,
      )}
    </div>
    <div class="panel" role="tabpanel" id="list" aria-labelledby=${`tab-${route.tab}`}>${children}</div>
  </section>`;
}

/** The arrow keys go from tab to tab. @param {KeyboardEvent} event */
function step(event) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (by === undefined) return;
  /** @type {Element[]} */
  const all = [.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("a")];
  const next = document.activeElement && all[all.indexOf(document.activeElement) + by];
  if (!(next instanceof HTMLElement)) return;
  next.focus();
  next.click();
}
