"""A point-of-care device is told from the gateway's own store who may use it and which patients there are; also if it asks."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from gateway.driver import Context, Listing, Lists, ListTold, Telling
from gateway.errors import StoreError
from gateway.model import Subject
from protocols.sansio import Message, Sending, Sent, Unsent

_log = logging.getLogger(__name__)

T = TypeVar("T")

LISTS_S = 30.0
"""Between two looks for what changed in the lists of a device that stays connected: a new colleague waits no longer."""
AGAIN_S = 300.0
"""After a device refused a list, until it is told again while it stays connected, as some do for weeks."""


class ListPort(Protocol):
    """Where the lists are. Each raises StoreError when it could not be read or written."""

    async def lists(self, device_id: str, point_of_care: str) -> Lists:
        """The lists of a device, and what it was told of them."""
        ...

    async def patient(self, number: str) -> Subject | None:
        """The patient of that number, or of the specimen of that number."""
        ...

    async def told(self, device_id: str, name: str, then: ListTold) -> None:
        """The device has acknowledged all of a list."""
        ...


class InTime(Protocol):
    """A look into the store that is given up in time: None then, and when the store fails; counted as `what`."""

    async def __call__(self, looking: Awaitable[T], what: str) -> T | None: ...


class Lister:
    """One device's lists. `count` counts a word on the device's line, `now` is the codec's clock."""

    def __init__(
        self,
        *,
        listing: Listing[Any, Any],
        context: Context[Any],
        sending: Sending,
        port: ListPort,
        in_time: InTime,
        count: Callable[[str], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        self._listing, self._context, self._sending, self._port = listing, context, sending, port
        self._in_time, self._count, self._now = in_time, count, now
        self._device_id = context.device.id
        self._under_way: dict[int, Telling] = {}
        self._answers: dict[int, bool] = {}
        self._problems: dict[str, str] = {}
        self._next = 0.0
        self.begin()

    def begin(self) -> None:
        """A connection came up: what a device refused is tried again, and what it says of its lists counts."""
        self._taker: Message[Any] | None = None
        self._left: dict[str, float] = {}
        self._fresh: set[str] = set()

    def due(self) -> float | None:
        """When `look` wants to be called; None: never."""
        return self._next if self._taker is not None else None

    async def heard(self, message: Message[Any]) -> None:
        """Tell lists after a message that lets us, answer one that asks for a patient."""
        number = self._listing.asks(message, self._context)
        if number is not None:
            await self._answer(message, number)
        if self._listing.takes(message, self._context):
            self._taker = message
            await self._tell(message)

    async def look(self) -> None:
        """Tell a device that stays connected what changed."""
        if self._taker is not None and self._now() >= self._next:
            self._next = self._now() + LISTS_S
            if self._sending.clear:
                await self._tell(self._taker)

    async def settle(self, event: Sent | Unsent) -> bool:
        """What became of a list or of an answer; False when it was neither."""
        if event.token in self._answers:
            known = self._answers.pop(event.token)
            said = "patient told" if known else "patient not known, said so"
            await self._count(f"lists: {said if isinstance(event, Sent) else f'patient not told, {event.reason}'}")
            return True
        told = self._under_way.pop(event.token, None)
        if told is None:
            return False
        if isinstance(event, Unsent):
            self._left[told.name] = self._now() + AGAIN_S
            await self._count(f"lists: {told.name} not told, {event.reason}")
            _log.info("%s: the list of %s was not taken: %s; it is told again", self._device_id, told.name, event.reason)
            return True
        self._fresh.add(told.name)
        await self._count(f"lists: {told.name} told")
        try:
            await self._port.told(self._device_id, told.name, told.then)
        except StoreError as error:
            _log.warning("%s: it was told the list of %s, but that could not be noted: %s", self._device_id, told.name, error)
        return True

    async def _answer(self, message: Message[Any], number: str) -> None:
        found = await self._in_time(self._port.patient(number), "lists") if number else None
        text = self._listing.patient(message, found, self._context, self._context.wall(self._now()))
        if text:
            self._answers[self._sending.send(text, self._now())] = found is not None

    async def _tell(self, message: Message[Any]) -> None:
        self._next = self._now() + LISTS_S
        place = self._context.location.point_of_care if self._context.location is not None else ""
        lists = await self._in_time(self._port.lists(self._device_id, place), "lists")
        if lists is None:
            return
        known = {name: msgspec.structs.replace(told, fresh=name in self._fresh) for name, told in lists.told.items()}
        lists = msgspec.structs.replace(lists, told=known)
        left = {name for name, until in self._left.items() if self._now() < until}
        busy = left | {told.name for told in self._under_way.values()}
        wanted = self._listing.write(message, lists, self._context, self._context.wall(self._now()))
        await self._report(wanted)
        for telling in wanted:
            if telling.text and telling.name not in busy:
                self._under_way[self._sending.send(telling.text, self._now())] = telling

    async def _report(self, wanted: Sequence[Telling]) -> None:
        """What cannot be told, once as long as it is so."""
        for telling in wanted:
            if self._problems.get(telling.name, "") == telling.problem:
                continue
            self._problems[telling.name] = telling.problem
            if telling.problem:
                await self._count(f"lists: {telling.name} not told as they are")
                _log.warning("%s: the list of %s: %s", self._device_id, telling.name, telling.problem)
