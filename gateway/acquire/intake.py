"""A codec's events made durable: interpreted, thinned, kept, and only then confirmed to the device."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from gateway.acquire.asking import Asking
from gateway.acquire.backoff import Backoff
from gateway.acquire.clock import Clock
from gateway.acquire.status import DeviceStatus, State
from gateway.acquire.thinning import Thinning
from gateway.acquire.turns import Turns
from gateway.driver import Context
from gateway.errors import StoreError, place
from gateway.model import Category, Report
from gateway.thinning import Policy
from protocols.sansio import BadFrame, Codec, Event, Fragment, Incomplete, Message, Note, Punctual, Sent, Unsent

_log = logging.getLogger(__name__)

FAULT_TEXT_MAX = 200
"""Characters of an exception kept in a report: enough to find the place; it may quote the device."""


class Keeper(Protocol):
    """Where reports become durable: the journal. Each raises StoreError when it could not."""

    async def keep(self, reports: Sequence[Report], *, device_id: str, ends_transmission: bool = False) -> list[int | None]:
        """All of them, together; None: a repeat. `ends_transmission` drops the device's fragments: the reports hold them."""
        ...

    async def keep_fragment(self, device_id: str, raw: bytes, at: datetime) -> None:
        """A part of a transmission."""
        ...

    async def keep_incomplete(self, device_id: str, raw: bytes, at: datetime, reason: str) -> None:
        """What is left of a broken-off transmission; the device's fragments become part of it."""
        ...

    async def count(self, device_id: str, what: str, n: int = 1) -> None:
        """Something to be counted; durable with what comes next."""
        ...

    @property
    def policy(self) -> Policy:
        """What is given up at present because the disk fills."""
        ...

    def drop(self, device_id: str, category: Category, policy: str, n: int = 1) -> None:
        """Reports that a named policy keeps out: received and dropped, in the statement of whoever takes them."""
        ...


OnKept = Callable[[Sequence[Report], Sequence[int | None]], None]


class Intake:
    """One device's events to the keeper. `send` writes what the codec has to say, at once: the device waits for its ACK."""

    def __init__(
        self,
        *,
        context: Context[Any],
        codec: Codec[Any],
        keeper: Keeper,
        clock: Clock,
        status: DeviceStatus,
        send: Callable[[], Awaitable[None]],
        backoff: Backoff,
        thinning: Thinning,
        turns: Turns,
        asking: Asking,
        now: Callable[[], float],
        on_kept: OnKept | None = None,
    ) -> None:
        """`now` is the codec's clock."""
        self._asking, self._now = asking, now
        self._punctual = codec if isinstance(codec, Punctual) else None
        self._context, self._codec, self._keeper, self._clock = context, codec, keeper, clock
        self._status, self._send, self._backoff, self._thinning = status, send, backoff, thinning
        self._turns, self._on_kept = turns, on_kept
        self._device_id = context.device.id
        self._fragments = False
        self._category = Category.LAB if context.driver.profiles is not None else Category.VITALS
        self._faults: set[str] = set()
        self._patient = True
        self._pause: asyncio.Future[None] | None = None

    def hurry(self) -> None:
        """The device is being stopped: from now on one attempt each."""
        self._patient = False
        if self._pause is not None:
            self._pause.cancel()

    async def take(self, events: Sequence[Event[Any]]) -> None:
        """Make all of it durable, in order, before returning. Never cancel it: `hurry` it."""
        counts: Counter[str] = Counter()
        waiting: list[Message[Any]] = []
        for event in events:
            if isinstance(event, Message):
                waiting.append(event)
                if event.token is not None:
                    await self._keep(waiting)
                    waiting = []
            elif isinstance(event, BadFrame):
                counts[f"bad: {event.reason}"] += 1
            elif isinstance(event, Note):
                counts[f"note: {event.what}"] += 1
            elif isinstance(event, Sent | Unsent):
                await self._asking.settle(event)
            else:
                await self._keep(waiting)
                waiting = []
                await self._keep_part(event)
        await self._keep(waiting)
        for what, n in counts.items():
            await self.count(what, n)

    async def _keep(self, messages: list[Message[Any]]) -> None:
        """One commit for all of them. When it fails, the device that waits is refused; what nobody sends again is held."""
        if not messages:
            return
        await self._turns.next()
        token = messages[-1].token
        kept = [await self._reports(message) for message in messages]
        try:
            await self._commit([report for reports in kept for report in reports])
        except StoreError as error:
            self._holding(error)
            if token is None:
                await self._hold(lambda: self._commit([report for reports in kept for report in reports]))
                return
            self._look_at_the_clock()
            self._codec.reject(token)
            await self._send()
            await self.count("rejected")
            self._thinning.forget(kept[-1])
            if rest := [report for reports in kept[:-1] for report in reports]:
                await self._hold(lambda: self._commit(rest, ends=False))
            return
        if token is not None:
            self._look_at_the_clock()
            self._codec.confirm(token)
            await self._send()
        for message in messages:
            await self._asking.heard(message)

    async def _keep_part(self, event: Fragment | Incomplete) -> None:
        at = self._context.wall(event.at)
        if isinstance(event, Incomplete):
            reason = event.reason
            await self._hold(lambda: self._keeper.keep_incomplete(self._device_id, event.raw, at, reason))
            self._fragments = False
            self._status.count(f"incomplete: {reason}")
            return
        try:
            await self._keeper.keep_fragment(self._device_id, event.raw, at)
        except StoreError as error:
            self._holding(error)
            self._look_at_the_clock()
            self._codec.reject(event.token)
            await self.count("rejected")
        else:
            self._fragments = True
            self._working()
            self._look_at_the_clock()
            self._codec.confirm(event.token)
        await self._send()

    def _look_at_the_clock(self) -> None:
        """A disk that stalls may have kept the device waiting for longer than it waits."""
        if self._punctual is not None:
            self._punctual.late(self._now())

    async def _commit(self, reports: list[Report], *, ends: bool = True) -> None:
        ends = ends and self._fragments
        if reports or ends:
            ids = await self._keeper.keep(reports, device_id=self._device_id, ends_transmission=ends)
            self._fragments = self._fragments and not ends
            self._kept(reports, ids)
        self._working()

    def _kept(self, reports: list[Report], ids: Sequence[int | None]) -> None:
        self._status.kept(reports)
        if repeats := sum(found is None for found in ids):
            self._status.count("repeat", repeats)
        if self._on_kept is not None and reports:
            self._on_kept(reports, ids)

    async def _hold(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Try until the store takes it. Nothing is read meanwhile, so what is held is what one read brought."""
        while True:
            try:
                await attempt()
            except StoreError as error:
                self._holding(error)
                if not self._patient:
                    _log.error("%s: stopped while the journal took nothing; the last read's reports are lost", self._device_id)
                    self._status.count("lost")
                    return
                await self._wait(self._backoff.next())
            else:
                self._backoff.reset()
                self._working()
                return

    async def _wait(self, seconds: float) -> None:
        self._pause = asyncio.ensure_future(self._clock.sleep(seconds))
        await asyncio.wait([self._pause])
        self._pause = None

    async def _reports(self, message: Message[Any]) -> list[Report]:
        """What the driver makes of a message, less what the policy drops. When the driver fails, the bytes are kept."""
        reports: list[Report] = []
        try:
            reports.extend(self._context.driver.interpret(message, self._context))
        except Exception as error:  # noqa: BLE001 - a driver's bug may be anything, and must not stop the device
            reports.append(self._failed(message, error))
            await self.count("driver failed")
        if not reports:
            await self.count("without reading")
        else:
            self._category = reports[0].category
        reports = [await self._asking.numbered(report) for report in reports]
        wanted, dropped = self._thinning.sort(reports, self._keeper.policy)
        for (category, policy), n in dropped.items():
            self._keeper.drop(self._device_id, category, policy, n)
            await self.count(f"dropped: {policy}", n)
        return wanted

    def _failed(self, message: Message[Any], error: Exception) -> Report:
        text = f"driver failed: {type(error).__name__}: {error}"[:FAULT_TEXT_MAX]
        where = place(error)
        if where not in self._faults and len(self._faults) < 16:  # once each: a bug in every message must not fill the log
            self._faults.add(where)
            about = {"event": "driver failed", "device": self._device_id}
            driver = self._context.driver.id
            _log.error("%s: the driver %s failed: %s", self._device_id, driver, where, exc_info=error, extra=about)
        return self._context.report(message, (), category=self._category, notes=(text,))

    async def count(self, what: str, n: int = 1) -> None:
        """Count something on the device's line, in its status and in the journal."""
        self._status.count(what, n)
        try:
            await self._keeper.count(self._device_id, what, n)
        except StoreError as error:
            self._holding(error)

    def _holding(self, error: StoreError) -> None:
        self._status.change(State.HOLDING, f"the journal takes no reports: {error}", self._clock.wall())

    def _working(self) -> None:
        if self._status.state is State.HOLDING:
            self._status.change(State.UP, "the journal works again", self._clock.wall())
