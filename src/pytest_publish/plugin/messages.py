"""The texts of the header and the summary, with the commands that send unsent results."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from typing import TYPE_CHECKING

from pytest_publish.delivery.config import redact_url
from pytest_publish.delivery.config import REFUSED_SUFFIX

from .settings import Settings


if TYPE_CHECKING:  # a run without a URL does not import it
    from pytest_publish.delivery.process import DeliveryReport
    from pytest_publish.delivery.process import RelayProcess


#: Indents a command, which is one whole line, so that users can copy it.
INDENT: Final = "  "


def header(settings: Settings, waiting: list[Path], refused: list[Path]) -> Iterator[str]:
    """Yield the lines of the header: where results go, and unsent results of earlier runs."""
    places = [redact_url(delivery.url) for delivery in settings.deliveries]
    places += [settings.shown(path) for path in (settings.pubdir, settings.log) if path is not None]
    yield f"publish: {', '.join(places)}"
    if waiting:
        what = "outbox of an earlier run waits", "outboxes of earlier runs wait"
        yield f"publish: {counted(len(waiting), *what)} to be sent; send with:"
        yield _command_for(waiting, settings)
    if refused:
        what = "file of refused results waits", "files of refused results wait"
        yield f"publish: {counted(len(refused), *what)} to be sent or deleted; send with:"
        # ``pytest-publish send FOLDER`` does not send the refused results in the folder.
        yield _command_for(refused, settings, f"/*{REFUSED_SUFFIX}")


def sent(relay: RelayProcess, report: DeliveryReport, settings: Settings) -> str:
    """Return how many results an endpoint has accepted."""
    return f"{published(report.sent, settings)} sent to {redact_url(relay.url)}"


def undelivered(relay: RelayProcess, report: DeliveryReport, settings: Settings) -> Iterator[str]:
    """Yield how many results were refused or are unsent, with the commands that send them."""
    url = relay.url
    shown_url = url if url == redact_url(url) else "URL"
    if report.refused:
        refused = refused_by(url, report.refused, report.refusal, settings)
        yield f"{refused} and set aside; send with:"
        yield _command(relay.outbox.refused.path, settings, shown_url)
    if report.waiting:
        wait = f"{published(report.waiting, settings)} wait{'s' * (report.waiting == 1)}"
        yield f"publish: {wait} to be sent to {redact_url(url)} ({report.reason}); send with:"
        yield _command(relay.path, settings, shown_url)


def strictly_failed(undelivered: int, settings: Settings) -> str:
    """Return why ``--publish-strict`` fails a run in which no test failed."""
    if undelivered:
        return f"publish: {published(undelivered, settings)} not delivered (--publish-strict)"
    return "publish: something went wrong, see above (--publish-strict)"


def refused_by(url: str, count: int, reason: str, settings: Settings) -> str:
    """Return how many results an endpoint refused, and why."""
    were = f"{published(count, settings)} {'was' if count == 1 else 'were'}"
    return f"publish: {were} refused by {redact_url(url)} ({reason})"


def _command_for(paths: list[Path], settings: Settings, every: str = "") -> str:
    """Return the command that sends one file, or the files in their folder that match ``every``."""
    if len(paths) == 1:
        return _command(paths[0], settings)
    return _command(paths[0].parent, settings, every=every)


def _command(path: Path, settings: Settings, url: str = "URL", every: str = "") -> str:
    """Return the command that sends a file or folder.

    ``every`` is a shell pattern, so it is not quoted.
    """
    send = shlex.join(["pytest-publish", "send", settings.shown(path)])
    return f"{INDENT}{send}{every} {shlex.join(['--to', url])}"


def published(count: int, settings: Settings) -> str:
    """Return a count of results; it includes events if the run publishes events."""
    if settings.events:
        return counted(count, "result or event", "results and events")
    return counted(count, "result")


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"
