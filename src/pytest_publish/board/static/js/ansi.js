// Colours that a test printed, as spans; whatever else an escape code asks for is left out.

/** @typedef {{ text: string, className: string }} Span */

// CSI sequences, OSC sequences, other escapes, and control characters but tab and newline.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CODES = /\x1b\[([0-9;:]*)([A-Za-z@`~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.?|[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/** @param {string} text @returns {Span[]} */
export function spans(text) {
  /** @type {Span[]} */
  const found = [];
  let colour = "";
  let bold = "";
  let last = 0;
  const push = (/** @type {number} */ end) => {
    if (end > last) found.push({ text: text.slice(last, end), className: `${colour} ${bold}`.trim() });
  };
  for (const match of text.matchAll(CODES)) {
    push(match.index);
    last = match.index + match[0].length;
    if (match[2] !== "m") continue;
    for (const code of (match[1] || "0").split(/[;:]/).map(Number)) {
      if (code === 0) colour = bold = "";
      else if (code === 1) bold = "bold";
      else if (code === 22) bold = "";
      else if (code === 39) colour = "";
      else if (code >= 30 && code <= 37) colour = `ansi-${code - 30}`;
      else if (code >= 90 && code <= 97) colour = `ansi-${code - 90}`;
      else if (code === 38 || code === 48) break; // 256 colours and true colour
    }
  }
  push(text.length);
  return found;
}
