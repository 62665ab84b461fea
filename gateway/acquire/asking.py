"""A device that asks is answered from the gateway's own store, and one that wants worklists or lists is sent them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from gateway.acquire.clock import Clock
from gateway.acquire.numbering import numbered, specimen_of
from gateway.acquire.telling import Lister, ListPort
from gateway.driver import Answer, Context
from gateway.errors import StoreError, place
from gateway.model import Inquiry, Report, WorkOrder
from protocols.sansio import Codec, Message, Sending, Sent, Unsent

_log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_S = 2.0
"""After this an analyzer is told that there is no order: its own patience is seconds, and then it alarms or stops."""
WORKLIST_S = 5.0
"""Between two looks for orders that an analyzer was not told: a person at its screen waits no longer."""


class OrderPort(Protocol):
    """Where orders are. Each raises StoreError when it could not be read or written."""

    async def find(self, asked: Inquiry, device_id: str) -> Sequence[WorkOrder]:
        """What a device asks for."""
        ...

    async def waiting(self, device_id: str) -> Sequence[WorkOrder]:
        """What a device that is sent worklists was not told yet."""
        ...

    async def told(self, orders: Sequence[WorkOrder], device_id: str) -> None:
        """The device has acknowledged these."""
        ...


class Asking:
    """One device's questions, and its lists. `now` is the codec's clock, `count` counts a word on the device's line."""

    def __init__(
        self,
        *,
        context: Context[Any],
        codec: Codec[Any],
        port: OrderPort | None,
        clock: Clock,
        now: Callable[[], float],
        count: Callable[[str], Awaitable[None]],
        lists: ListPort | None = None,
    ) -> None:
        self._context, self._port, self._clock, self._now, self._count = context, port, clock, now, count
        self._device_id = context.device.id
        self._sending = codec if isinstance(codec, Sending) else None
        self._ordering = context.driver.ordering
        self._worklists = self._ordering is not None and self._ordering.worklists(context.options)
        self._told: dict[int, tuple[WorkOrder, ...]] = {}
        self._open: int | None = None
        self._next = 0.0
        self._failed = False
        self.live = False
        """Whether the device hears what is said: a recording does not."""
        listing, sending = context.driver.listing, self._sending
        self._lister = None
        if listing is not None and sending is not None and lists is not None:
            self._lister = Lister(
                listing=listing, context=context, sending=sending, port=lists, in_time=self._in_time, count=count, now=now
            )

    async def numbered(self, report: Report) -> Report:
        """The report with the number of the order that it answers, where that is known for certain."""
        specimen = specimen_of(report)
        if not specimen or self._port is None:
            return report
        orders = await self._in_time(self._port.find(Inquiry(specimens=(specimen,)), self._device_id))
        return numbered(report, orders or (), self._ordering.tests(self._context.options) if self._ordering is not None else {})

    def begin(self, *, live: bool) -> None:
        """A connection came up; `live`: the device hears what is said."""
        self.live = live
        if self._lister is not None:
            self._lister.begin()

    def due(self) -> float | None:
        """When `look` wants to be called; None: never."""
        if not self.live:
            return None
        lists = self._lister.due() if self._lister is not None else None
        return min((at for at in (self._worklist_due(), lists) if at is not None), default=None)

    async def look(self) -> None:
        """Send what the device was not told yet, when the line has nothing else to do."""
        if self._lister is not None and self.live:
            await self._guarded(self._lister.look())
        due, now = self._worklist_due(), self._now()
        if due is None or not self.live or now < due or self._sending is None or self._port is None:
            return
        self._next = now + WORKLIST_S
        if not self._sending.clear:
            return
        orders = await self._in_time(self._port.waiting(self._device_id)) or ()
        if orders:
            await self._say(None, orders)

    async def heard(self, message: Message[Any]) -> None:
        """Answer a message that asks, in milliseconds, or after ANSWER_S with "no order"; never a stall, never an error."""
        if self._lister is not None and self.live:
            await self._guarded(self._lister.heard(message))
        if self._ordering is None or self._sending is None or self._port is None or not self.live:
            return
        try:
            asked = self._ordering.asks(message, self._context)
        except Exception as error:  # noqa: BLE001 - a driver's bug may be anything, and must not stop the device
            await self._bug(error)
            return
        if asked is None:
            return
        if self._open is not None and self._sending.withdraw(self._open):
            self._told.pop(self._open, None)
        if asked.withdrawn:
            await self._count("orders: question withdrawn")
            return
        orders = await self._in_time(self._port.find(asked, self._device_id)) or ()
        self._open = await self._say(message, orders)

    async def settle(self, event: Sent | Unsent) -> None:
        """What became of an answer, a worklist or a list."""
        if self._lister is not None and await self._lister.settle(event):
            return
        orders = self._told.pop(event.token, ())
        if isinstance(event, Unsent):
            await self._count(f"orders: not sent, {event.reason}")
            return
        await self._count("orders: sent" if orders else "orders: none, said so")
        if orders and self._port is not None:
            try:
                await self._port.told(orders, self._device_id)
            except StoreError as error:
                _log.warning("%s: it was sent orders, but that could not be noted: %s", self._device_id, error)

    async def _say(self, message: Message[Any] | None, orders: Sequence[WorkOrder]) -> int | None:
        assert self._ordering is not None and self._sending is not None  # noqa: PT018 - both callers looked
        try:
            said: Answer = self._ordering.answer(message, orders, self._context, self._context.wall(self._now()))
        except Exception as error:  # noqa: BLE001 - as above
            await self._bug(error)
            return None
        if message is None and not said.orders:
            return None
        token = self._sending.send(said.text, self._now())
        self._told[token] = said.orders
        return token

    def _worklist_due(self) -> float | None:
        return self._next if self._worklists and self._port is not None else None

    async def _guarded(self, telling: Awaitable[None]) -> None:
        """A driver's bug in writing lists stops nothing."""
        try:
            await telling
        except Exception as error:  # noqa: BLE001 - a driver's bug may be anything, and must not stop the device
            await self._bug(error, "lists")

    async def _in_time(self, looking: Awaitable[T], what: str = "orders") -> T | None:
        """What the store says; None when it says nothing in ANSWER_S, or fails."""
        try:
            async with self._clock.timeout(self._clock.monotonic() + ANSWER_S):
                return await looking
        except TimeoutError:
            await self._count(f"{what}: the store took too long")
        except StoreError as error:
            await self._count(f"{what}: the store failed")
            _log.warning("%s: wanted %s that could not be read: %s", self._device_id, what, error)
        return None

    async def _bug(self, error: Exception, what: str = "orders") -> None:
        await self._count(f"{what}: driver failed")
        if not self._failed:  # once: a bug in every question must not fill the log
            self._failed = True
            about = {"event": "driver failed", "device": self._device_id}
            driver = self._context.driver.id
            _log.error(
                "%s: the driver %s failed at %s: %s", self._device_id, driver, what, place(error), exc_info=error, extra=about
            )
