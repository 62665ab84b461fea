"""A task a device: connects, reconnects, and keeps one device's trouble away from all the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from random import SystemRandom

from gateway.acquire.asking import OrderPort
from gateway.acquire.backoff import Backoff
from gateway.acquire.clock import Clock, Pairing, SystemClock
from gateway.acquire.intake import Keeper, OnKept
from gateway.acquire.links import LinkEndedError
from gateway.acquire.links.listen import ListenLink
from gateway.acquire.pump import Pump
from gateway.acquire.station import Station
from gateway.acquire.status import DeviceStatus, State
from gateway.acquire.telling import ListPort
from gateway.acquire.turns import Turns
from gateway.errors import LinkError, LocalProtocolError, place

_log = logging.getLogger(__name__)

TRACEBACKS_MAX = 16
"""Different crashes of one device that are logged with a traceback; a crash in a loop is logged with it once."""


class Supervisor:
    """The devices' tasks. `on_kept(reports, ids)` comes after each commit; `random` gives 0 to 1; `orders`, `lists` answer."""

    def __init__(
        self,
        keeper: Keeper,
        *,
        clock: Clock | None = None,
        on_kept: OnKept | None = None,
        random: Callable[[], float] | None = None,
        orders: OrderPort | None = None,
        lists: ListPort | None = None,
    ) -> None:
        self._keeper, self._on_kept, self._orders, self._lists = keeper, on_kept, orders, lists
        self._clock = clock or SystemClock()
        self._random = random or SystemRandom().random
        self._turns = Turns()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._statuses: dict[str, DeviceStatus] = {}

    @property
    def statuses(self) -> Mapping[str, DeviceStatus]:
        """Every device that was started and not forgotten, by id, as it is now."""
        return self._statuses

    def start(self, station: Station) -> DeviceStatus:
        """Begin with a device; its status. Raises LocalProtocolError while it runs."""
        device_id = station.identity.id
        if device_id in self._tasks and not self._tasks[device_id].done():
            raise LocalProtocolError(f"device {device_id!r} runs already; stop it first")
        status = DeviceStatus(device_id, station.driver.id, station.link.describe(), self._clock.wall())
        self._statuses[device_id] = status
        task = asyncio.create_task(
            _Device(station, status, self._pump, self._clock, self._random).run(), name=f"device {device_id}"
        )
        self._tasks[device_id] = task
        return status

    async def stop(self, device_id: str) -> None:
        """End a device: what its codec still holds is kept, its link closed. Harmless for one that does not run."""
        task = self._tasks.pop(device_id, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def start_all(self, stations: Iterable[Station]) -> None:
        """Begin with these."""
        for station in stations:
            self.start(station)

    async def stop_all(self, device_ids: Iterable[str]) -> None:
        """End these, together, and forget their status."""
        ids = list(device_ids)
        await asyncio.gather(*(self.stop(device_id) for device_id in ids))
        for device_id in ids:
            self._statuses.pop(device_id, None)

    async def close(self) -> None:
        """End all of them, together."""
        await asyncio.gather(*(self.stop(device_id) for device_id in list(self._tasks)))

    def _pump(self, station: Station, status: DeviceStatus) -> Pump:
        pairing = Pairing(self._clock)
        context = station.driver.context(
            station.identity,
            station.options,
            wall=pairing.wall,
            timezone=station.timezone,
            profile=station.profile,
            location=station.location,
        )
        return Pump(
            context=context,
            codec=context.codec(),
            link=station.link,
            keeper=self._keeper,
            clock=self._clock,
            pairing=pairing,
            status=status,
            random=self._random,
            on_kept=self._on_kept,
            interval_s=station.interval_s,
            turns=self._turns,
            orders=self._orders,
            lists=self._lists,
        )


class _Device:
    """One device's life: connection after connection, a pause between them, whatever happens."""

    def __init__(
        self,
        station: Station,
        status: DeviceStatus,
        make: Callable[[Station, DeviceStatus], Pump],
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._station, self._status, self._make, self._clock = station, status, make, clock
        self._backoff = Backoff(random)
        self._pump: Pump | None = None
        self._crashes: set[str] = set()

    async def run(self) -> None:
        try:
            while await self._once():
                pass
        except asyncio.CancelledError:
            self._change(State.DOWN, "stopped")
            raise
        finally:
            await self._station.link.close()

    async def _once(self) -> bool:
        """One connection and the pause after it; whether there is to be another."""
        try:
            reason = await self._serve()
        except LinkEndedError as error:
            self._change(State.DOWN, str(error))
            return False
        except LinkError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - a bug of ours or a plug-in's: this device restarts, the others go on
            reason = self._crashed(error)
        if _stopping():
            self._change(State.DOWN, "stopped")
            return False
        if not reason:
            return True
        if self._pump is not None and self._pump.heard:
            self._backoff.reset()
        if self._status.state is not State.SILENT:
            self._change(State.DOWN, reason)
        await self._clock.sleep(self._backoff.next())
        return True

    async def _serve(self) -> str:
        """One connection; why there is to be a pause after it, or nothing."""
        if self._pump is None:
            self._pump = self._make(self._station, self._status)
        await self._expect()
        await self._pump.run()
        if self._station.link.passive:
            return ""
        return f"{self._status.link}: the device closed the connection"

    async def _expect(self) -> None:
        """Say that a device which connects to us is waited for, once it can."""
        link = self._station.link
        if not link.passive:
            return
        if isinstance(link, ListenLink):
            await link.listen()  # a busy port stays "down" until it is ours
        self._change(State.CONNECTING, f"{link.describe()}: waiting for the device to connect")

    def _crashed(self, error: Exception) -> str:
        self._pump = None  # its codec may be in no state to go on
        self._status.count("crashed")
        what = place(error)
        known = what in self._crashes or len(self._crashes) >= TRACEBACKS_MAX
        if not known:
            self._crashes.add(what)
        device = self._status.device_id
        about = {"event": "device crashed", "device": device}
        _log.error("%s: crashed, starts again: %s", device, what, exc_info=None if known else error, extra=about)
        return f"crashed: {what}; see the log"

    def _change(self, state: State, reason: str) -> None:
        self._status.change(state, reason, self._clock.wall())


def _stopping() -> bool:
    """Whether this task was told to stop, even if an error on the way out took the place of the cancellation."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
