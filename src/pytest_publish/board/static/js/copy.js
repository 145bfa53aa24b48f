// A button that copies a text and says that it did.

import { useState } from "preact/hooks";
import { html } from "./html.js";

/** @param {{ what: () => string, title: string, children?: any }} properties */
export function Copy({ what, title, children }) {
  const [word, tell] = useState("");
  const onClick = async () => {
    tell((await copied(what())) ? "copied" : "can't copy");
    setTimeout(() => tell(""), 1500);
  };
  return html`<button type="button" class="button" title=${title} onClick=${onClick}>
    <span class="unseen">${title}</span>
    <span aria-hidden="true">${word || children}</span>
    <span class="unseen" role="status">${word}</span>
  </button>`;
}

/** @param {string} text @returns {Promise<boolean>} */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedOldly(text); // without TLS, on another machine, there is no clipboard
  }
}

/** @param {string} text */
function copiedOldly(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } finally {
    area.remove();
  }
}
