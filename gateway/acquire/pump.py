"""The one loop every stream driver shares: link ↔ codec → interpret → keep → confirm → write."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from gateway.acquire.asking import Asking, OrderPort
from gateway.acquire.backoff import Backoff
from gateway.acquire.clock import Clock, Pairing
from gateway.acquire.intake import Intake, Keeper, OnKept
from gateway.acquire.links import Connection, Link
from gateway.acquire.status import DeviceStatus, State
from gateway.acquire.telling import ListPort
from gateway.acquire.thinning import Thinning
from gateway.acquire.turns import Turns
from gateway.driver import Context
from gateway.errors import LinkError
from protocols.sansio import Codec, Event, Message

__all__ = ["Keeper", "OnKept", "Pump"]

_log = logging.getLogger(__name__)


class Pump:
    """One device's bytes, connection after connection, through the same codec: it remembers what was said before a reconnect.

    `context.wall` must be `pairing.wall`. `random` (0 to 1) spreads retries. `turns` is shared with the other devices.
    `orders` and `lists` are where a device that asks is answered from, and told lists; without them it is not.
    """

    def __init__(
        self,
        *,
        context: Context[Any],
        codec: Codec[Any],
        link: Link,
        keeper: Keeper,
        clock: Clock,
        pairing: Pairing,
        status: DeviceStatus,
        random: Callable[[], float],
        on_kept: OnKept | None = None,
        interval_s: float = 0,
        turns: Turns | None = None,
        orders: OrderPort | None = None,
        lists: ListPort | None = None,
    ) -> None:
        self._codec, self._link, self._clock, self._pairing, self._status = codec, link, clock, pairing, status
        self._silence_s = context.driver.silence_s
        self._connection: Connection | None = None
        self._time = clock
        self._heard_at = 0.0
        self._asked = False
        self._broken: LinkError | None = None
        self.heard = False
        """Whether the last connection brought a message."""
        self._asking = Asking(
            context=context,
            codec=codec,
            port=orders,
            lists=lists,
            clock=clock,
            now=lambda: self._time.monotonic(),  # noqa: PLW0108 - not bound now: a recording brings its own clock
            count=lambda what: self._intake.count(what),  # noqa: PLW0108 - made in the next line
        )
        self._intake = Intake(
            context=context,
            codec=codec,
            keeper=keeper,
            clock=clock,
            status=status,
            send=self._send,
            backoff=Backoff(random),
            thinning=Thinning(interval_s),
            turns=turns or Turns(),
            asking=self._asking,
            now=lambda: self._time.monotonic(),  # noqa: PLW0108 - not bound now: a recording brings its own clock
            on_kept=on_kept,
        )

    async def run(self) -> None:
        """Serve one connection. Returns when the peer closed it, or does not answer what it is asked; raises LinkError."""
        self.heard = False
        self._connection = connection = await self._link.open()
        try:
            self._begin(connection)
            await self._serve(connection)
        except asyncio.CancelledError:
            self._intake.hurry()
            raise
        finally:
            await self._end(connection)

    def _begin(self, connection: Connection) -> None:
        self._time = connection.clock or self._clock
        self._asking.begin(live=connection.clock is None)
        self._pairing.attach(self._time)
        self._heard_at = self._time.monotonic()
        self._asked, self._broken = False, None
        self._codec.start(self._heard_at)
        self._status.link = connection.describe()
        if self._status.state is not State.SILENT:
            self._change(State.UP, "connected")

    async def _serve(self, connection: Connection) -> None:
        await self._say()
        while True:
            data = await self._read(connection)
            if data == b"":
                return
            if self._pairing.check():
                self._status.count("clock stepped")
            now = self._time.monotonic()
            if data is not None:
                self._status.received_bytes += len(data)
                await self._take(self._codec.receive(data, now), now)
            await self._asking.look()
            deadline = self._codec.deadline()
            if deadline is not None and deadline <= now:
                await self._take(self._codec.on_deadline(now), now)
            if self._fell_silent(now) and self._asked:
                return
            await asyncio.sleep(0)  # a flood on one line must not keep the other devices waiting

    async def _read(self, connection: Connection) -> bytes | None:
        """Some bytes, b"" at the end, None at a deadline.

        What arrived before it and was not looked at, because another device or the disk kept us, is no silence.
        """
        due = [at for at in (self._codec.deadline(), self._silent_at(), self._asking.due()) if at is not None]
        data = await self._until(connection, min(due, default=None))
        return data if data is not None else await self._until(connection, self._time.monotonic())

    async def _until(self, connection: Connection, deadline: float | None) -> bytes | None:
        try:
            async with self._time.timeout(deadline):
                return await connection.read()
        except TimeoutError:
            return None

    async def _take(self, events: Sequence[Event[Any]], now: float) -> None:
        if events:
            await self._whole(events)
        await self._say()
        if any(isinstance(event, Message) for event in events):
            self.heard, self._asked, self._heard_at = True, False, now
            if self._status.state is State.SILENT:
                self._change(State.UP, "it speaks again")

    async def _whole(self, events: Sequence[Event[Any]]) -> None:
        """What was read is kept to the last event, even if the device is stopped meanwhile."""
        taking = asyncio.ensure_future(self._intake.take(events))
        try:
            await asyncio.shield(taking)
        except asyncio.CancelledError:
            self._intake.hurry()
            await asyncio.wait([taking])
            if (error := taking.exception()) is not None:
                _log.error("%s: failed while it was being stopped", self._status.device_id, exc_info=error)
            raise

    async def _send(self) -> None:
        """Write what the codec has to say. A line that breaks here must not stop the keeping of what came before: see `_say`."""
        data = self._codec.data_to_send()
        if data and self._connection is not None and self._broken is None:
            self._asked = True
            try:
                await self._connection.write(data)
            except LinkError as error:
                self._broken = error

    async def _say(self) -> None:
        await self._send()
        if self._broken is not None:
            raise self._broken

    async def _end(self, connection: Connection) -> None:
        self._connection = None
        try:
            await self._intake.take(self._codec.end(self._time.monotonic()))
            self._codec.data_to_send()
        finally:
            await connection.close()

    def _silent_at(self) -> float | None:
        if self._silence_s is None or (self._status.state is State.SILENT and not self._asked):
            return None
        return self._heard_at + self._silence_s

    def _fell_silent(self, now: float) -> bool:
        at = self._silent_at()
        if at is None or now < at:
            return False
        if self._status.state is not State.SILENT:
            self._status.count("silence")
            self._change(State.SILENT, f"no message for {self._silence_s:g} s; is it on, is the cable in, is the line set right?")
        return True

    def _change(self, state: State, reason: str) -> None:
        self._status.change(state, reason, self._clock.wall())
