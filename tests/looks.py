"""What a page looks like, measured in the browser."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final
from typing import Literal

from playwright.sync_api import ConsoleMessage
from playwright.sync_api import Error
from playwright.sync_api import Locator
from playwright.sync_api import Page
from playwright.sync_api import ViewportSize


DESKTOP: Final = ViewportSize(width=1280, height=800)
PHONE: Final = ViewportSize(width=400, height=800)
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")


@contextlib.contextmanager
def errors_of(page: Page) -> Iterator[list[str]]:
    """Keep what goes wrong in a page."""
    errors: list[str] = []

    def failed(error: Error) -> None:
        errors.append(str(error))

    def logged(line: ConsoleMessage) -> None:
        if line.type == "error":
            errors.append(line.text)

    page.on("pageerror", failed)
    page.on("console", logged)
    yield errors
    page.remove_listener("pageerror", failed)
    page.remove_listener("console", logged)


def lines(page: Page) -> Locator:
    """Return the lines of the list that is open."""
    return page.locator(".list a.result")


def check_phone(page: Page) -> None:
    """Check, in light and dark, that nothing is too wide or too pale."""
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(_WIDTH) <= PHONE["width"], (page.url, scheme)
        pale = [pair for pair in page.evaluate(_CONTRAST) if pair[0] < 4.5]
        assert pale == [], (page.url, scheme)


#: How far to the right anything is that is not cut, or can be scrolled to.
_WIDTH: Final = """() => {
    const all = [...document.querySelectorAll("body *")]
        .filter((one) => one.checkVisibility() && !one.closest("pre, .unseen"));
    const scrolls = (one) => /auto|scroll/.test(getComputedStyle(one).overflowX);
    const isCut = (one) => one.parentElement.closest(".cut, .nodeid, .name, .what, .when");
    return Math.max(
        ...all.filter(scrolls).map((one) => one.scrollWidth),
        ...all.filter((one) => !isCut(one)).map((one) => one.getBoundingClientRect().right),
    );
}"""

#: Contrast by WCAG 2 of each text that is seen, against the ground behind it.
_CONTRAST: Final = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const known = new Map();
    const drawn = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const rgba = (colour) => {
        if (!known.has(colour)) known.set(colour, drawn(colour));
        return known.get(colour);
    };
    const light = (colour) => {
        const [r, g, b] = rgba(colour).map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        for (let one = element; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor;
            if (rgba(colour)[3] === 255) return colour;
        }
        return "white";
    };
    return [...document.querySelectorAll("body *")]
        .filter((one) => [...one.childNodes].some((node) => node.data?.trim()))
        .filter((one) => one.checkVisibility() && !one.closest(".unseen, noscript"))
        .map((one) => {
            const both = [light(getComputedStyle(one).color), light(ground(one))];
            const [a, b] = both.sort((x, y) => y - x);
            return [(a + 0.05) / (b + 0.05), one.className, one.textContent.slice(0, 40)];
        });
}"""
