// A button that copies a text and says that it did.

import { useState } from "preact/hooks";
import { html } from "./html.js";

/** @param {{ what: () => string, title: string, children?: any }} properties */
export function Copy({ what, title, children }) {
  const [isDone, tell] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(what());
    tell(true);
    setTimeout(() => tell(false), 1500);
  };
  return html`<button class="button" title=${title} aria-label=${title} onClick=${copy}>
    ${isDone ? "copied" : children}
  </button>`;
}
