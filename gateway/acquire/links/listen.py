"""tcp-listen://ADDRESS:PORT: the device connects to us. Devices that share a port are told apart by their allow-lists."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from dataclasses import dataclass, replace

from gateway.acquire.links import LinkSpec
from gateway.acquire.links.dial import Dial
from gateway.acquire.links.ports import Claim, Network, Port, ports, rank
from gateway.acquire.links.secure import Secure
from gateway.acquire.links.stream import StreamConnection, keep_alive
from gateway.acquire.links.tcp import KEEPALIVE_S
from gateway.driver import LineSettings
from gateway.errors import ConfigError, LinkError
from gateway.settings import TlsSettings

_log = logging.getLogger(__name__)

STRANGERS_MAX = 64
"""Refused addresses that are logged: the first ones tell a mistake, a port scan must not fill the log."""


@dataclass(frozen=True, slots=True)
class ListenSpec:
    """Where to listen, who may connect (nobody named: everybody), which connection wins of two, and what it is protected by."""

    host: str
    port: int
    allow: tuple[Network, ...] = ()
    second: str = "newest"
    keepalive_s: int = KEEPALIVE_S
    tls: TlsSettings | None = None

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


def secured(spec: LinkSpec, tls: TlsSettings | None) -> LinkSpec:
    """The same link over mutual TLS. Raises ConfigError where that cannot be; opens no file."""
    if tls is None:
        return spec
    if not isinstance(spec, ListenSpec):
        raise ConfigError("TLS is for devices that connect to us; expected a link tcp-listen://, or no tls")
    if tls.cert is None or tls.key is None:
        raise ConfigError("needs cert and key as well as ca: a server shows a certificate of its own")
    return replace(spec, tls=tls)


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
    last = False

    def __init__(self, spec: ListenSpec) -> None:
        self._spec = spec
        self._secure = Secure(spec.tls) if spec.tls is not None else None
        self._port: Port | None = None
        self._waiting: Accepted | None = None
        self._current: Accepted | None = None
        self._arrived = asyncio.Event()
        self._strangers: set[tuple[str, str]] = set()
        self.refused = 0

    @property
    def allow(self) -> tuple[Network, ...]:
        """Who may connect; nobody named: everybody."""
        return self._spec.allow

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, as they were said."""
        return self._spec.host, self._spec.port

    @property
    def port(self) -> int:
        """The port in use, once open."""
        assert self._port is not None
        return self._port.bound

    async def listen(self) -> None:
        """Bind the port, if that has not happened. `open` does it too."""
        if self._port is None and self._secure is not None:
            self._secure.check()
        if self._port is None:
            self._port = await ports().join(self._spec.host, self._spec.port, self)

    async def open(self) -> StreamConnection:
        await self.listen()
        while self._waiting is None:
            self._arrived.clear()
            await self._arrived.wait()
        connection, self._waiting = self._waiting, None
        return connection

    async def close(self) -> None:
        if self._port is not None:
            self._port.leave(self)
            self._port = None
        if self._secure is not None:
            self._secure.cut()
        if self._waiting is not None:
            self._waiting.cut()
            await self._waiting.close()
            self._waiting = None

    def describe(self) -> str:
        return f"listening on {self._spec.host}:{self._spec.port}{' with TLS' if self._secure is not None else ''}"

    # As the claim of a port

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        connection, why = await self._arrival(reader, writer, peer)
        if not why and self._spec.second == "refuse" and self._current is not None and self._current.alive:
            why = "another connection is in use"
        if self._port is None or why:  # None: closed while this one was on its way in
            if self._port is not None:
                self._note(peer, why)
            connection.cut()
            return
        for former in (self._current, self._waiting):
            if former is not None:
                former.cut()
        if self._waiting is not None:
            await self._waiting.close()
        keep_alive(writer, self._spec.keepalive_s)
        self._current = self._waiting = connection
        self._arrived.set()

    async def _arrival(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> tuple[Accepted, str]:
        """The connection, over TLS where that is wanted, and why it cannot be used."""
        name = f"{peer} on {self._spec.host}:{self._spec.port}"
        if self._secure is None:
            return Accepted(reader, writer, name, peer), ""
        try:
            return Accepted(*await self._secure.shake(writer, peer), name, peer, under=writer), ""
        except LinkError as error:
            return Accepted(reader, writer, name, peer), str(error)

    def refuse(self, peer: str) -> None:
        self._note(peer, "its address is not in allow=")

    def give_way(self, other: Claim) -> None:
        for connection in (self._current, self._waiting):
            if connection is not None and rank(other, connection.peer) > rank(self, connection.peer):
                connection.cut()

    def _note(self, peer: str, why: str) -> None:
        self.refused += 1
        if (peer, why) not in self._strangers and len(self._strangers) < STRANGERS_MAX:
            self._strangers.add((peer, why))
            _log.info("%s: refused %s: %s", self.describe(), peer, why)


class Accepted(StreamConnection):
    """A connection that somebody made to us; `peer` is the other side's address, `under` what TLS goes over."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        name: str,
        peer: str,
        under: asyncio.StreamWriter | None = None,
    ) -> None:
        super().__init__(reader, writer, name)
        self.peer = peer
        self._under = under  # a stream that nobody holds closes itself, and with it what goes over it

    @property
    def alive(self) -> bool:
        """Whether neither side has closed it."""
        return not (self._reader.at_eof() or self._writer.is_closing())
