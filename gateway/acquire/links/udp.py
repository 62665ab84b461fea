"""udp://HOST:PORT: datagrams to and from one device; one read is one datagram."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import cast

from gateway.acquire.clock import Clock
from gateway.acquire.links.dial import Dial
from gateway.driver import LineSettings
from gateway.errors import LinkError

QUEUE_MAX = 1024
"""Datagrams that wait for the pump: seconds of the busiest monitor. Beyond it the oldest are lost, and counted."""


@dataclass(frozen=True, slots=True)
class UdpSpec:
    """The device's address; the local address and port (0: any), for devices that answer to a fixed port."""

    host: str
    port: int
    bind: str = ""
    local_port: int = 0

    def link(self) -> UdpLink:
        return UdpLink(self)


def parse(dial: Dial, line: LineSettings | None) -> UdpSpec:
    """The spec of a udp:// dial string."""
    del line
    host, port = dial.address
    local_port = dial.integer("local_port", 0, 0, 65535)
    bind = dial.words("bind")
    if len(bind) > 1:
        raise dial.wrong("bind: expected one local IP address")
    spec = UdpSpec(host, port, bind[0] if bind else "", local_port)
    dial.done()
    return spec


class UdpLink:
    """A socket connected to one device: others' datagrams never reach us."""

    passive = False

    def __init__(self, spec: UdpSpec) -> None:
        self._spec = spec

    async def open(self) -> UdpConnection:
        spec = self._spec
        anywhere = "::" if ":" in spec.host else "0.0.0.0"  # noqa: S104 - a connected socket hears its one peer only
        local = (spec.bind or anywhere, spec.local_port) if spec.bind or spec.local_port else None
        loop = asyncio.get_running_loop()
        try:
            _, protocol = await loop.create_datagram_endpoint(
                lambda: UdpConnection(self.describe()), local_addr=local, remote_addr=(spec.host, spec.port)
            )
        except OSError as error:
            text = f"{self.describe()}: cannot be opened: {error.strerror or error}; check the address and local_port="
            raise LinkError(text) from None
        return protocol

    async def close(self) -> None:
        """Nothing is kept between connections."""

    def describe(self) -> str:
        return f"udp {self._spec.host}:{self._spec.port}"


class UdpConnection(asyncio.DatagramProtocol):
    """The datagrams of one device. An ICMP "unreachable" is a lost line."""

    clock: Clock | None = None

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._fault: LinkError | None = None
        self._closed = False
        self._gone = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None
        self.lost = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # Python 3.11's own is no subclass of it

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._gone.set()

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr
        if not data:  # an empty datagram says nothing, and an empty read would mean the end
            return
        if len(self._queue) >= QUEUE_MAX:
            self._queue.popleft()
            self.lost += 1
        self._queue.append(data)
        self._news.set()

    def error_received(self, exc: Exception) -> None:
        why = getattr(exc, "strerror", None) or str(exc)
        self._fault = LinkError(f"{self._name}: {why}; is the device on, is the port right?")
        self._news.set()

    async def read(self) -> bytes:
        while True:
            if self._queue:
                return self._queue.popleft()
            if self._fault is not None:
                raise self._fault
            if self._closed:
                return b""
            self._news.clear()
            await self._news.wait()

    async def write(self, data: bytes) -> None:
        if self._fault is not None:
            raise self._fault
        if self._transport is not None and not self._closed:
            self._transport.sendto(data)

    async def close(self) -> None:
        self._closed = True
        self._news.set()
        if self._transport is not None:
            self._transport.abort()
            await self._gone.wait()

    def describe(self) -> str:
        return self._name
