"""Who calls and is nobody's device: taken in at doors of its own, and where a device's allow-list turns it away."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

from gateway.acquire.backoff import Backoff
from gateway.acquire.clock import Clock, SystemClock
from gateway.acquire.guest import Guest, Ward
from gateway.acquire.links import Link, LinkEndedError, parse_link
from gateway.acquire.links.listen import Accepted, ListenLink
from gateway.acquire.links.ports import Claim, Network, Port, ports, rank
from gateway.acquire.links.stream import keep_alive
from gateway.acquire.links.tcp import KEEPALIVE_S
from gateway.errors import LinkError
from gateway.settings.unknown import UnknownSettings

_log = logging.getLogger(__name__)

GUESTS_MAX = 32
"""Connections of unknown devices at a time: a laboratory that moves in has fewer; a port scan must not cost memory."""
GUESTS_OF_ONE = 4
"""Connections of one address: one that was reset does not say goodbye; the oldest goes."""


class Quarantine:
    """Everybody who is unknown, to `ward`."""

    def __init__(self, ward: Ward, *, clock: Clock | None = None) -> None:
        self._ward, self._clock = ward, clock or SystemClock()
        self._guests: dict[asyncio.Task[None], tuple[Guest, Accepted | None]] = {}
        self._doors: dict[str, str] = {}
        self.refused: Counter[str] = Counter()
        """Connections that were not taken, or ended because what they said was not, since the start, by reason."""

    async def run(self, settings: UnknownSettings | None) -> None:
        """Take them in until cancelled; nobody without settings."""
        self._doors = {}
        doors = [asyncio.create_task(self._door(text), name=f"door {text}") for text in (settings.listen if settings else ())]
        if settings is not None and settings.turned_away:
            ports().rest = self
        try:
            await asyncio.gather(asyncio.Event().wait(), *doors)
        finally:
            ports().rest = None
            await _stopped([*doors, *self._guests])

    def status(self) -> dict[str, Any]:
        """Where they may call, how many do now, whom there was no room for."""
        return {"doors": dict(self._doors), "connections": len(self._guests), "refused": dict(self.refused)}

    async def hang_up(self, address: str, door: str) -> None:
        """End the calls of one, so that what it said is whole."""
        mine = [task for task, (guest, _) in self._guests.items() if (guest.address, guest.door) == (address, door)]
        await _stopped(mine)

    # The rest of all ports

    def take(self, door: str, peer: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take a connection in, if there is room for one more."""
        if len(self._guests) >= GUESTS_MAX:
            self.refused["too many connections"] += 1
            return False
        mine = [accepted for guest, accepted in self._guests.values() if (guest.address, guest.door) == (peer, door)]
        for accepted in mine[: max(0, len(mine) - GUESTS_OF_ONE + 1)]:
            if accepted is not None:
                accepted.cut()
        keep_alive(writer, KEEPALIVE_S)
        accepted = Accepted(reader, writer, f"{peer} on {door}", peer)
        self._serve(Guest(accepted, address=peer, door=door, ward=self._ward, clock=self._clock, refused=self.refused), accepted)
        return True

    def give_way(self, door: str, claim: Claim) -> None:
        """A device claims addresses of this port: whoever it means dials again, and is the device's then."""
        for guest, accepted in self._guests.values():
            if accepted is not None and guest.door == door and rank(claim, accepted.peer) > 0:
                accepted.cut()

    # Doors of its own

    async def _door(self, text: str) -> None:
        link = parse_link(text).link()
        backoff = Backoff(lambda: 1.0)
        told = ""
        while True:
            self._doors[text] = "opening"
            try:
                await (self._listening(link, text) if isinstance(link, ListenLink) else self._line(link, text))
            except LinkEndedError as error:
                self._doors[text] = str(error)
                await asyncio.Event().wait()
            except LinkError as error:
                self._doors[text] = str(error)
                if str(error) != told:  # once: it is tried again all the time
                    told = str(error)
                    _log.warning("unknown devices cannot call at %s: %s", text, error)
            else:
                backoff.reset()
            finally:
                await link.close()
            await self._clock.sleep(backoff.next())

    async def _listening(self, link: ListenLink, text: str) -> None:
        host, number = link.address
        claim = _CatchAll(self, link.allow)
        port = await ports().join(host, number, claim)
        claim.port = port
        self._doors[text] = f"listening on {host}:{number}"
        try:
            await asyncio.Event().wait()
        finally:
            port.leave(claim)

    async def _line(self, link: Link, text: str) -> None:
        """A line of its own, such as a serial port: one call after the other."""
        connection = await link.open()
        self._doors[text] = connection.describe()
        guest = Guest(
            connection, address=connection.describe(), door=text, ward=self._ward, clock=self._clock, refused=self.refused
        )
        await self._serve(guest, None)

    def _serve(self, guest: Guest, accepted: Accepted | None) -> asyncio.Task[None]:
        task = asyncio.create_task(guest.run(), name=f"unknown device {guest.address}")
        self._guests[task] = guest, accepted
        task.add_done_callback(self._gone)
        return task

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._guests.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed", task.get_name(), exc_info=error)


class _CatchAll:
    """The last claim of a port: whoever no device claims."""

    last = True

    def __init__(self, quarantine: Quarantine, allow: tuple[Network, ...]) -> None:
        self._quarantine, self._allow = quarantine, allow
        self.port: Port | None = None

    @property
    def allow(self) -> tuple[Network, ...]:
        return self._allow

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        if self.port is None or not self._quarantine.take(self.port.door, peer, reader, writer):
            writer.transport.abort()

    def refuse(self, peer: str) -> None:
        del peer  # a scan of foreign addresses must not fill the log
        self._quarantine.refused["address not in allow="] += 1

    def give_way(self, other: Claim) -> None:
        if self.port is not None:
            self._quarantine.give_way(self.port.door, other)


async def _stopped(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
