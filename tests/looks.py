"""What a page looks like, measured in the browser."""

from __future__ import annotations

from typing import Final

from playwright.sync_api import Locator
from playwright.sync_api import Page


def lines(page: Page) -> Locator:
    """Return the lines of the list that is open."""
    return page.locator(".list a.result")


def width(page: Page) -> int:
    """Return how far to the right anything is that is not cut, or can be scrolled to."""
    found: int = page.evaluate(
        """() => {
            const all = [...document.querySelectorAll("body *")]
                .filter((one) => one.checkVisibility() && !one.closest("pre, .unseen"));
            const scrolls = (one) => /auto|scroll/.test(getComputedStyle(one).overflowX);
            const isCut = (one) => one.parentElement.closest(".cut, .nodeid, .name, .what, .when");
            return Math.max(
                ...all.filter(scrolls).map((one) => one.scrollWidth),
                ...all.filter((one) => !isCut(one)).map((one) => one.getBoundingClientRect().right),
            );
        }"""
    )
    return found


#: Contrast by WCAG 2 of each text that is seen, against the ground behind it.
CONTRAST: Final = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
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
