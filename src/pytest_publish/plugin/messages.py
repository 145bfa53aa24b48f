"""What the plugin says on the terminal: header, summary, and what sends what waits."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from typing import TYPE_CHECKING

from pytest_publish.delivery.config import redact_url
from pytest_publish.delivery.config import REFUSED_SUFFIX

from .settings import Settings
from .settings import short


if TYPE_CHECKING:  # a run without a URL does not load them
    from pytest_publish.delivery.process import DeliveryReport
    from pytest_publish.delivery.process import RelayProcess


#: Stands before a command, which is one whole line, so that it can be copied.
INDENT: Final = "  "


def header(
    settings: Settings, waiting: list[Path], refused: list[Path], folder: Path
) -> Iterator[str]:
    """Yield the lines of the header: where results go, and what earlier runs left."""
    places = [redact_url(delivery.url) for delivery in settings.deliveries]
    if settings.pubdir is not None:
        places.append(settings.shown_pubdir)
    if settings.log is not None:
        places.append(settings.shown_log)
    yield f"publish: {', '.join(places)}"
    if waiting:
        count = counted(
            len(waiting), "outbox of an earlier run waits", "outboxes of earlier runs wait"
        )
        yield f"publish: {count} to be sent; send with:"
        path = waiting[0] if len(waiting) == 1 else waiting[0].parent
        yield _command(short(path, folder), "URL")
    if refused:
        count = counted(
            len(refused), "file of refused results waits", "files of refused results wait"
        )
        yield f"publish: {count} to be sent or deleted; send with:"
        path = refused[0] if len(refused) == 1 else refused[0].parent
        # Who sends a folder does not send the refused results in it.
        every = "" if len(refused) == 1 else f"{os.sep}*{REFUSED_SUFFIX}"
        yield _command(short(path, folder), "URL", every)


def totals(
    settings: Settings,
    written: int,
    appended: int,
    delivered: list[tuple[RelayProcess, DeliveryReport]],
) -> list[str]:
    """Return how many results went where, a line for each place."""
    both = ("result or event", "results and events") if settings.events else ("result",)
    lines = [
        f"{counted(report.sent, *both)} sent to {redact_url(relay.url)}"
        for relay, report in delivered
    ]
    if settings.pubdir is not None:
        lines.append(f"{counted(written, 'result')} written to {settings.shown_pubdir}")
    if settings.log is not None:
        lines.append(f"{counted(appended, *both)} appended to {settings.shown_log}")
    return lines


def undelivered(relay: RelayProcess, report: DeliveryReport, folder: Path) -> Iterator[str]:
    """Yield what an endpoint refused and what still waits, with the commands that send it.

    ``folder`` is where the user called pytest, and so where they will call the commands.
    """
    url = relay.url
    shown_url = url if url == redact_url(url) else "URL"
    if report.refused:
        refused = refused_by(url, report.refused, report.refusal)
        yield f"{refused} and set aside; send with:"
        yield _command(short(relay.outbox.refused.path, folder), shown_url)
    if report.waiting:
        count = counted(report.waiting, "result waits", "results wait")
        yield f"publish: {count} to be sent to {redact_url(url)} ({report.reason}); send with:"
        yield _command(short(relay.path, folder), shown_url)


def strictly_failed(undelivered: int) -> str:
    """Return why ``--publish-strict`` fails a run whose tests did not."""
    if undelivered:
        return f"publish: {counted(undelivered, 'result')} not delivered (--publish-strict)"
    return "publish: something went wrong, see above (--publish-strict)"


def refused_by(url: str, count: int, reason: str) -> str:
    """Return how many results an endpoint refused, and why."""
    results = counted(count, "result was", "results were")
    return f"publish: {results} refused by {redact_url(url)} ({reason})"


def _command(path: str, url: str, every: str = "") -> str:
    """Return the command that sends a file or folder.

    ``every`` is a pattern for the shell, so it is not quoted.
    """
    return (
        f"{INDENT}{shlex.join(['pytest-publish', 'send', path])}{every} {shlex.join(['--to', url])}"
    )


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"
