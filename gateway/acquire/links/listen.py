"""tcp-listen://ADDRESS:PORT: the device connects to us. One device a port, chosen by allow-list."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
from dataclasses import dataclass

from gateway.acquire.links import READ_MAX
from gateway.acquire.links.dial import Dial
from gateway.acquire.links.stream import StreamConnection, keep_alive
from gateway.acquire.links.tcp import KEEPALIVE_S
from gateway.driver import LineSettings
from gateway.errors import LinkError

_log = logging.getLogger(__name__)

STRANGERS_MAX = 64
"""Refused addresses that are logged: the first ones tell a mistake, a port scan must not fill the log."""
BACKLOG = 4
"""Connections the kernel may hold: one device, and its own hasty retries."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class ListenSpec:
    """Where to listen, who may connect (nobody named: everybody), and which connection wins when there are two."""

    host: str
    port: int
    allow: tuple[Network, ...] = ()
    second: str = "newest"
    keepalive_s: int = KEEPALIVE_S

    def link(self) -> ListenLink:
        return ListenLink(self)


def parse(dial: Dial, line: LineSettings | None) -> ListenSpec:
    """The spec of a tcp-listen:// dial string."""
    del line
    host, port = dial.address
    allow = tuple(_network(dial, word) for word in dial.words("allow"))
    second = dial.choice("second", "newest", ("newest", "refuse"))
    spec = ListenSpec(host, port, allow, second, dial.integer("keepalive_s", KEEPALIVE_S, 0, 7200))
    dial.done()
    return spec


def _network(dial: Dial, word: str) -> Network:
    try:
        return ipaddress.ip_network(word)
    except ValueError:
        raise dial.wrong(f"allow: got {word!r}; expected IP addresses or networks, such as 10.1.2.3,10.1.4.0/24") from None


class ListenLink:
    """The server role: listens from the first `open` to `close`, hands out one connection at a time.

    With `second` "newest" a new connection of an allowed peer ends the former one (a device that was reset does not
    say goodbye); with "refuse" it is turned away while the former one lives.
    """

    passive = True

    def __init__(self, spec: ListenSpec) -> None:
        self._spec = spec
        self._server: asyncio.Server | None = None
        self._waiting: StreamConnection | None = None
        self._current: _Accepted | None = None
        self._arrived = asyncio.Event()
        self._strangers: set[str] = set()
        self.refused = 0

    @property
    def port(self) -> int:
        """The port in use, once open."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def listen(self) -> None:
        """Bind the port, if that has not happened. `open` does it too."""
        if self._server is None:
            self._server = await self._bind()

    async def open(self) -> StreamConnection:
        await self.listen()
        while self._waiting is None:
            self._arrived.clear()
            await self._arrived.wait()
        connection, self._waiting = self._waiting, None
        return connection

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._waiting is not None:
            self._waiting.cut()
            await self._waiting.close()
            self._waiting = None

    def describe(self) -> str:
        return f"listening on {self._spec.host}:{self._spec.port}"

    async def _bind(self) -> asyncio.Server:
        where = f"{self._spec.host}:{self._spec.port}"
        try:
            return await asyncio.start_server(
                self._accept, self._spec.host, self._spec.port, limit=READ_MAX, backlog=BACKLOG, reuse_address=True
            )
        except OSError as error:
            raise LinkError(f"{where}: {_cause(error)}") from None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str(writer.get_extra_info("peername", ("?",))[0])
        name = f"{peer} on {self._spec.host}:{self._spec.port}"
        connection = _Accepted(reader, writer, name)
        if self._server is None or not self._welcome(peer):  # None: closed while this one was on its way in
            connection.cut()
            await connection.close()
            return
        for former in (self._current, self._waiting):
            if former is not None:
                former.cut()
        if self._waiting is not None:
            await self._waiting.close()
        keep_alive(writer, self._spec.keepalive_s)
        self._current = self._waiting = connection
        self._arrived.set()

    def _welcome(self, peer: str) -> bool:
        busy = self._spec.second == "refuse" and self._current is not None and self._current.alive
        if not busy and self._allowed(peer):
            return True
        self.refused += 1
        if peer not in self._strangers and len(self._strangers) < STRANGERS_MAX:
            self._strangers.add(peer)
            why = "another connection is in use" if busy else "its address is not in allow="
            _log.info("%s: refused %s: %s", self.describe(), peer, why)
        return False

    def _allowed(self, peer: str) -> bool:
        if not self._spec.allow:
            return True
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:  # the peer has gone before anybody could ask who it was
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._spec.allow)


class _Accepted(StreamConnection):
    @property
    def alive(self) -> bool:
        return not (self._reader.at_eof() or self._writer.is_closing())


def _cause(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is in use; by another device of this configuration or another program (`ss -ltnp` names it)"
    if error.errno == errno.EACCES:
        return "not permitted; ports below 1024 need a privilege, choose one above"
    if error.errno == errno.EADDRNOTAVAIL or "could not bind on any address" in str(error):  # the second since Python 3.13
        return "this machine has no such address; use one of `ip addr`, or 0.0.0.0 for all"
    return f"cannot listen: {error.strerror or error}"
