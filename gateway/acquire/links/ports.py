"""Listening TCP ports that several devices may share: who connects goes to the one that its address belongs to.

A device claims the addresses of its `allow`. The narrowest claim wins; one without `allow` takes whoever nobody else claims. What
no device claims goes to whoever takes the rest (gateway.acquire.quarantine), and is refused where nobody does.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
from typing import Protocol, TypeAlias
from weakref import WeakKeyDictionary

from gateway.acquire.links import READ_MAX
from gateway.errors import LinkError

BACKLOG = 16
"""Connections the kernel may hold: a few devices that share a port, and their own hasty retries."""

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Claim(Protocol):
    """Who takes connections of a port."""

    @property
    def allow(self) -> tuple[Network, ...]:
        """The addresses that are its own; none named: any."""
        ...

    last: bool
    """Takes what nobody else claims, and stands in nobody's way."""

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        """A connection that is its own."""
        ...

    def refuse(self, peer: str) -> None:
        """A connection that is nobody's was turned away at its port."""
        ...

    def give_way(self, other: Claim) -> None:
        """Another one claims addresses of the same port: let go of the connections that are its own now."""
        ...


class Rest(Protocol):
    """Takes connections that no claim of any port wants."""

    def take(self, door: str, peer: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether it takes this one."""
        ...

    def give_way(self, door: str, claim: Claim) -> None:
        """Addresses of this port are claimed now: let go of the connections that are not its own any more."""
        ...


def rank(claim: Claim, peer: str) -> int:
    """How narrowly a claim names a peer; below 0: not at all."""
    if not claim.allow:
        return 0 if claim.last else 1
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:  # the peer has gone before anybody could ask who it was
        return -1
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    widths = [network.prefixlen for network in claim.allow if address in network]
    return -1 if not widths else 0 if claim.last else 2 + max(widths)


class Ports:
    """The ports of one event loop. `rest`: who takes what no claim of any port wants."""

    def __init__(self) -> None:
        self.rest: Rest | None = None
        self._open: dict[tuple[str, int], Port] = {}

    async def join(self, host: str, port: int, claim: Claim) -> Port:
        """Take part in a port, which is bound with the first claim. Raises LinkError that says what to do."""
        found = self._open.get((host, port))
        if found is None:
            found = Port(self, host, port)
            if port:  # 0 is another one each time
                self._open[host, port] = found
        try:
            await found.join(claim)
        except BaseException:
            self._forget(found)
            raise
        if port:
            self._open[host, port] = found
        return found

    def yielded(self, door: str, claim: Claim) -> None:
        """A claim is new at `door`: who takes the rest may hold connections that are its own now."""
        if self.rest is not None:
            self.rest.give_way(door, claim)

    def _forget(self, port: Port) -> None:
        if not port.claims:
            self._open.pop((port.host, port.number), None)


class Port:
    """One listening socket and who claims its connections."""

    def __init__(self, ports: Ports, host: str, number: int) -> None:
        self._ports, self.host, self.number = ports, host, number
        self.claims: list[Claim] = []
        self._server: asyncio.Server | None = None
        self._binding = asyncio.Lock()

    @property
    def door(self) -> str:
        """The dial string of the port alone."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp-listen://{host}:{self.number}"

    @property
    def bound(self) -> int:
        """The port in use."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def join(self, claim: Claim) -> None:
        """Take part. Raises LinkError when the port cannot be had, or another device claims the same addresses."""
        async with self._binding:
            if self._server is None:
                self._server = await self._bind()
        if any(_same(claim, other) for other in self.claims):  # after the wait: both may have come while it was being bound
            raise LinkError(f"{self.host}:{self.number}: {IN_USE}")
        for other in self.claims:
            other.give_way(claim)
        self.claims.append(claim)
        if not claim.last:
            self._ports.yielded(self.door, claim)

    def leave(self, claim: Claim) -> None:
        """Take part no more; the socket is closed with the last claim."""
        if claim in self.claims:
            self.claims.remove(claim)
        if not self.claims and self._server is not None:
            self._server.close()
            self._server = None
            self._ports._forget(self)  # noqa: SLF001 - its own book

    async def _bind(self) -> asyncio.Server:
        try:
            return await asyncio.start_server(
                self._accept, self.host, self.number, limit=READ_MAX, backlog=BACKLOG, reuse_address=True
            )
        except OSError as error:
            raise LinkError(f"{self.host}:{self.number}: {_cause(error)}") from None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str(writer.get_extra_info("peername", ("?",))[0])
        ranked = sorted(((rank(claim, peer), claim) for claim in self.claims), key=lambda one: one[0])
        if ranked and ranked[-1][0] >= 0:
            await ranked[-1][1].accept(reader, writer, peer)
            return
        if self.claims and self._ports.rest is not None and self._ports.rest.take(self.door, peer, reader, writer):
            return
        for claim in self.claims[:1]:
            claim.refuse(peer)
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Ports] = WeakKeyDictionary()


def ports() -> Ports:
    """The ports of the running event loop."""
    return _of_loops.setdefault(asyncio.get_running_loop(), Ports())


IN_USE = "the port is in use; by another device of this configuration or another program (`ss -ltnp` names it)"


def _same(one: Claim, other: Claim) -> bool:
    """Whether two claims name the same addresses, so that nobody could say whose a connection is."""
    return one.last and other.last if one.last or other.last else same_callers(one.allow, other.allow)


def same_callers(one: tuple[Network, ...], other: tuple[Network, ...]) -> bool:
    """Whether two allow-lists hold the same addresses or network; a network and one address in it are told apart."""
    return set(one) == set(other) or bool(set(one) & set(other))


def _cause(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return IN_USE
    if error.errno == errno.EACCES:
        return "not permitted; ports below 1024 need a privilege, choose one above"
    if error.errno == errno.EADDRNOTAVAIL or "could not bind on any address" in str(error):  # the second since Python 3.13
        return "this machine has no such address; use one of `ip addr`, or 0.0.0.0 for all"
    return f"cannot listen: {error.strerror or error}"
