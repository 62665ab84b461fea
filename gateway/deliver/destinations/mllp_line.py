"""One MLLP connection to a receiver: blocks out in one write, blocks in through the decoder.

A Protocol and not a StreamReader: what a receiver says or does while nothing is asked (a late answer, a FIN) must be
noticed before the next message is written, and a stream tells only when it is read.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque

from protocols.hl7v2.mllp import BadBlock, MllpDecoder

ACK_MAX = 64 * 1024
"""Bytes of an answer: an MSA with twenty ERR segments has about 4 kB."""
BLOCKS_MAX = 16
"""Answers that may lie unread: one is asked for at a time, so a peer that sends more is no receiver."""
CLOSE_S = 1.0
"""For closing TLS politely; a peer that is gone never answers that."""
KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
"""A receiver that vanished without a word is noticed after a minute and a half of quiet, before a message is lost in it."""


class Line(asyncio.Protocol):
    """A connection. `served` counts the messages it has carried; `error` is what ended it."""

    def __init__(self) -> None:
        self.served = 0
        self.error: Exception | None = None
        self._decoder = MllpDecoder(max_bytes=ACK_MAX)
        self._blocks: deque[bytes | BadBlock] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.Event()

    @property
    def open(self) -> bool:
        """Whether a message may be written."""
        return self._transport is not None and not self._transport.is_closing() and not self._gone.is_set()

    def write(self, frame: bytes) -> None:
        """Send a whole frame with one write."""
        assert self._transport is not None
        self._transport.write(frame)

    async def block(self) -> bytes | BadBlock | None:
        """The next block; None when the connection ended before one came."""
        while not self._blocks:
            if self._gone.is_set():
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._blocks.popleft()

    def leftovers(self) -> list[bytes | BadBlock]:
        """Everything unread, halves of blocks too; nothing is left."""
        unread = [*self._blocks, *self._decoder.end()]
        self._blocks.clear()
        return unread

    @property
    def waiting(self) -> bool:
        """Whether a block can be had at once."""
        return bool(self._blocks)

    def peer_certificate(self) -> bytes | None:
        """The peer's certificate (DER), over TLS."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        return tls.getpeercert(binary_form=True) if tls is not None else None

    def abort(self) -> None:
        """Close at once: whatever still comes finds nobody."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Close politely, or at once when the peer does not play along."""
        if self._transport is None:
            return
        self._transport.close()
        try:
            await asyncio.wait_for(self._gone.wait(), CLOSE_S)
        except TimeoutError:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        self._blocks.extend(self._decoder.feed(data))
        if len(self._blocks) > BLOCKS_MAX:
            self.abort()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self._blocks.extend(self._decoder.end())
        self._gone.set()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def keep_alive(sock: socket.socket) -> None:
    """Have the kernel ask after a quiet peer."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
