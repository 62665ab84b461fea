"""tcp://HOST:PORT: we connect to the device, or to a serial server in raw TCP mode."""

from __future__ import annotations

import asyncio
import errno
import socket
from dataclasses import dataclass

from gateway.acquire.links.dial import Dial
from gateway.acquire.links.stream import StreamConnection, keep_alive
from gateway.driver import LineSettings
from gateway.errors import LinkError

KEEPALIVE_S = 30
"""A pulled cable is noticed within a minute; a probe every half minute costs nothing."""


@dataclass(frozen=True, slots=True)
class TcpSpec:
    """Address, seconds to wait for a connection, seconds of quiet before the peer is probed."""

    host: str
    port: int
    connect_s: float = 5.0
    keepalive_s: int = KEEPALIVE_S

    def link(self) -> TcpLink:
        return TcpLink(self)


def parse(dial: Dial, line: LineSettings | None) -> TcpSpec:
    """The spec of a tcp:// dial string; line settings are the serial server's own business."""
    del line
    host, port = dial.address
    spec = TcpSpec(host, port, dial.number("connect_s", 5.0, 0.1, 60), dial.integer("keepalive_s", KEEPALIVE_S, 0, 7200))
    dial.done()
    return spec


class TcpLink:
    """The client role."""

    passive = False

    def __init__(self, spec: TcpSpec) -> None:
        self._spec = spec

    async def open(self) -> StreamConnection:
        reader, writer = await connect(self._spec)
        return StreamConnection(reader, writer, self.describe())

    async def close(self) -> None:
        """Nothing is kept between connections."""

    def describe(self) -> str:
        return f"{self._spec.host}:{self._spec.port}"


async def connect(spec: TcpSpec) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TCP connection. Raises LinkError that names the likely cause."""
    where = f"{spec.host}:{spec.port}"
    try:
        async with asyncio.timeout(spec.connect_s):
            reader, writer = await asyncio.open_connection(spec.host, spec.port)
    except TimeoutError:
        raise LinkError(f"{where}: no answer in {spec.connect_s:g} s; is it switched on, is a firewall between?") from None
    except socket.gaierror as error:
        raise LinkError(
            f"{where}: the name {spec.host!r} is not known ({error.strerror}); check the name or use its IP"
        ) from None
    except OSError as error:
        raise LinkError(f"{where}: {_cause(error)}") from None
    keep_alive(writer, spec.keepalive_s)
    return reader, writer


def _cause(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED or "refused" in str(error).lower():
        return "connection refused; is the port right, does it listen, is another program connected (many serve one client)?"
    if error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH}:
        return "no way to this host; check cable, address and gateway of the network"
    return f"cannot connect: {error.strerror or error}"
