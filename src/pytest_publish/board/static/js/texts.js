// Texts in mono: what pytest says of a failure, and what a test printed.

import { useEffect, useRef, useState } from "preact/hooks";
import { spans } from "./ansi.js";
import { count } from "./format.js";
import { html } from "./html.js";

/** Output of more lines than these is folded. */
const FOLDED = 12;

/** Pytest's text with its > and E lines marked. @param {{ text: string }} properties */
export function Failure({ text }) {
  const box = useRef(/** @type {HTMLPreElement | null} */ (null));
  const lines = text.split("\n");
  useEffect(() => {
    const point = box.current?.children[lastOwnPoint(lines)];
    if (box.current && point instanceof HTMLElement)
      box.current.scrollTop = point.offsetTop - box.current.clientHeight / 3;
  }, []);
  return html`<pre class="failure" ref=${box} tabindex="0" aria-label="Text of the failure">${lines.map((line) => {
    const kind = /^>/.test(line) ? "point" : /^E( |$)/.test(line) ? "error" : "";
    return html`<span class=${kind}><${Coloured} text=${line} />${"\n"}</span>`;
  })}</pre>`;
}

/**
 * The line to look at first: the > of the last frame that is the user's own. Pytest ends a
 * frame with its place, relative to the root of the project if it is in there.
 * @param {string[]} lines
 */
function lastOwnPoint(lines) {
  let [point, own, any] = [-1, -1, -1];
  for (const [index, line] of lines.entries()) {
    if (line.startsWith(">")) point = any = index;
    const place = /^(\S.*?):\d+: /.exec(line)?.[1];
    if (place === undefined || point < 0) continue;
    if (!/^(\/|\.\.\/|\w:\\)|site-packages/.test(place)) own = point;
    point = -1;
  }
  return own < 0 ? any : own;
}

/** @param {{ heading: string, text: string }} properties */
export function Output({ heading, text }) {
  const lines = text.replace(/\n$/, "").split("\n");
  const [isOpen, open] = useState(lines.length <= FOLDED);
  const shown = isOpen ? lines : lines.slice(-FOLDED);
  return html`<section>
    <h4>${heading}</h4>
    ${!isOpen && html`<button type="button" class="link" onClick=${() => open(true)}>show all ${count(lines.length)} lines</button>`}
    <pre tabindex="0" aria-label=${heading}><${Coloured} text=${shown.join("\n")} /></pre>
  </section>`;
}

/** @param {{ text: string }} properties */
function Coloured({ text }) {
  return spans(text).map((span) =>
    span.className ? html`<span class=${span.className}>${span.text}</span>` : span.text,
  );
}
