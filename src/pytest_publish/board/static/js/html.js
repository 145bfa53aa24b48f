// Preact's elements written as HTML, for every module that draws.

import htm from "htm";
import { h } from "preact";

export const html = htm.bind(h);
