"""HTTP as uvicorn speaks it, with a bound on what one connection sends ahead."""

from __future__ import annotations

import asyncio
from typing import Final

import h11
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol


#: The most bytes of further requests that wait while one is answered.
_AHEAD: Final = 1 << 16


class Protocol(H11Protocol):
    """Reads on only when what was read before is nearly answered.

    uvicorn (0.54) reads another part of what comes with each request that it answers. Who
    sends many requests without waiting for the answers would fill the memory.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to read."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.conn)


class _Flow(FlowControl):
    def __init__(self, transport: asyncio.Transport, connection: h11.Connection) -> None:
        super().__init__(transport)
        self._connection = connection

    def resume_reading(self) -> None:
        waiting, _is_closed = self._connection.trailing_data
        # Of more than this, a whole request is there, and whoever has answered it asks again.
        if len(waiting) < _AHEAD:
            super().resume_reading()
