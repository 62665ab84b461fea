"""The running gateway: opens the journal, starts destinations and devices, answers for its state, stops cleanly.

The only module that knows all the others. To add something that runs beside devices and destinations, add a line to `_chores`;
to add a word that the control socket answers, a line to `_answers`; to show something, a key to `status`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from gateway import __version__, control, logs, routes
from gateway.acquire.station import station
from gateway.acquire.status import DeviceStatus, State
from gateway.acquire.supervisor import Supervisor
from gateway.config import Config
from gateway.crew import Chore, Crew
from gateway.errors import DamagedError, StoreError
from gateway.metrics import process
from gateway.metrics.exposition import Family
from gateway.metrics.families import families
from gateway.metrics.server import Endpoint
from gateway.notify import notify
from gateway.patients import acts
from gateway.routes import Routes
from gateway.store import overview
from gateway.store.journal import Journal
from gateway.store.watch import Watch

log = logging.getLogger(__name__)

CONFIGURATION = "configuration"
PRUNE_S = 3600.0
"""Between two prunings: an hour's worth is small."""
SALVAGES_MAX, SALVAGES_S = 3, 3600.0
"""So many new beginnings in so many seconds: a disk that damages what was just salvaged is to be replaced, not worn down."""


class Service:
    """One gateway on one configuration."""

    def __init__(self, settings: Config) -> None:
        self.settings = settings
        self.started = datetime.now(UTC)
        self._journal: Journal
        self._watch: Watch
        self._crew: Crew
        self._routes: Routes
        self._supervisor: Supervisor

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set. Raises ConfigError or StoreError when it cannot begin; nothing is half started then."""
        async with AsyncExitStack() as stack:
            stations = [station(device, self.settings.zone(device)) for device in self.settings.device]
            await self._build(stack)
            await self._associate()
            await self._deliver()
            self._routes.start([routes.route(one, self._journal) for one in self.settings.destination])
            stack.push_async_callback(_close_server, await control.serve(self.settings.gateway.data, self._answers()))
            for one in stations:
                self._supervisor.start(one)
            for chore in self._chores():
                self._crew.start(chore.name, chore.run)
            notify("READY=1")
            name, devices, destinations = self._journal.gateway.name, len(stations), len(self.settings.destination)
            log.info("%s is up: %d devices, %d destinations", name, devices, destinations)
            await self._crew.until(stop)
            notify("STOPPING=1")
            log.info("%s stops", name)

    def _chores(self) -> tuple[Chore, ...]:
        """What runs beside devices and destinations, from when they are started until the gateway stops."""
        return (
            Chore("disk", self._watch_disk, frozenset({"gateway.disk"})),
            Chore("prune", self._prune, frozenset({"gateway.keep_days"})),
            Chore("journal check", self._journal.guard.watch),
            Chore("log repeats", logs.tend),
            Chore("metrics", self._serve_metrics, frozenset({"gateway.metrics"})),
        )

    def _answers(self) -> control.Answers:
        """The words that the control socket knows; each is given the rest of its line."""
        return {"status": lambda _rest: self.status()}

    async def status(self) -> dict[str, Any]:
        """What `wardlink status` and the screens show of a running gateway."""
        journal = self._journal
        return {
            "journal": await journal.read(overview.overview),
            "gateway": journal.gateway.name,
            "eui64": journal.gateway.eui64,
            "version": __version__,
            "started": self.started,
            "check": journal.guard.progress.as_json(),
            "devices": [_device(one) for one in self._supervisor.statuses.values()],
            "destinations": self._routes.status(),
            "commits": journal.commits.as_json(),
            "room": self._watch.status(),
            "disk": process.disk(self.settings.gateway.data),
            "process": process.figures(),
        }

    async def _build(self, stack: AsyncExitStack) -> None:
        """The rooms, each closed in the reverse order: devices first, the journal last."""
        own = self.settings.gateway
        disk = own.disk
        self._journal = await Journal.open(
            own.data, name=own.name, eui64=own.eui64, max_bytes=disk.max_bytes, reserve_bytes=disk.reserve_bytes
        )
        await self._journal.count_days(ZoneInfo(own.timezone))
        stack.push_async_callback(self._journal.close)
        self._watch = Watch(self._journal, disk)
        await self._watch.look()
        self._crew = Crew()
        stack.push_async_callback(self._crew.close)
        self._routes = Routes(self._crew)
        stack.push_async_callback(self._routes.close)
        self._supervisor = Supervisor(self._journal)
        stack.push_async_callback(self._supervisor.close)

    async def _associate(self) -> None:
        """The configuration's fixed associations: each is recorded once, then left to the people at the bedside."""
        said = await self._journal.read(partial(acts.history, every_version=True))
        known = {(one.device, one.subject.patient_id) for one in said if one.source == CONFIGURATION}
        for fixed in self.settings.association:
            if (fixed.device, fixed.patient.patient_id) in known:
                continue
            who, since = fixed.patient.subject(), fixed.since
            act = partial(acts.associate, device=fixed.device, subject=who, at=since, by=CONFIGURATION, source=CONFIGURATION)
            await self._journal.act(act)

    async def _deliver(self) -> None:
        """Tell the journal who takes what, before the first device is read."""
        wanted = self.settings.destination
        await self._journal.use({one.id: one.takes for one in wanted}, begin_now=[one.id for one in wanted if one.begin == "now"])

    async def _serve_metrics(self) -> None:
        async def figures() -> list[Family]:
            return families(await self.status(), datetime.now(UTC))

        await Endpoint(figures, self._trouble).run(self.settings.gateway.metrics)

    async def _trouble(self) -> str:
        """Why readings are not kept at present, for whoever watches over many gateways; empty when they are."""
        try:
            await self._journal.read(overview.last_report)
        except StoreError as error:
            return str(error)
        return next((one.reason for one in self._supervisor.statuses.values() if one.state is State.HOLDING), "")

    async def _watch_disk(self) -> None:
        await self._watch.use(self.settings.gateway.disk)
        await self._watch.run()

    async def _prune(self) -> None:
        """Forget, in small steps and now and then, what every destination has been done with for long enough."""
        while True:
            try:
                await self._journal.prune(datetime.now(UTC) - timedelta(days=self.settings.gateway.keep_days))
            except StoreError as error:
                log.warning("old reports could not be forgotten: %s", error)
            await asyncio.sleep(PRUNE_S)


def run(settings: Config) -> None:
    """Run a gateway until SIGINT or SIGTERM. A journal that shows itself damaged is salvaged by beginning anew, at once.

    DamagedError when that does not help.
    """
    salvaged: deque[float] = deque(maxlen=SALVAGES_MAX)
    while True:
        try:
            asyncio.run(_run(settings))
        except DamagedError as error:
            if len(salvaged) == SALVAGES_MAX and time.monotonic() - salvaged[0] < SALVAGES_S:
                raise
            salvaged.append(time.monotonic())
            log.critical("%s", error)
        else:
            return


async def _run(settings: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await Service(settings).run(stop)


async def _close_server(server: asyncio.Server) -> None:
    server.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.wait_closed(), control.TIMEOUT_S)


def _device(one: DeviceStatus) -> dict[str, Any]:
    return {
        "id": one.device_id,
        "driver": one.driver,
        "link": one.link,
        "state": one.state.value,
        "reason": one.reason,
        "since": one.since,
        "reports": one.reports,
        "readings": one.readings,
        "bytes": one.received_bytes,
        "unmapped": one.unmapped,
        "last_report": one.last_report,
        "clock_offset_s": one.clock_offset_s,
        "counts": dict(one.counts),
        "values": {code: list(last) for code, last in one.values.items()},
    }


def warnings(settings: Config) -> Iterator[str]:
    """What a person should know of a configuration that can be used all the same."""
    for destination in settings.destination:
        if getattr(destination, "plain", False):
            yield f"destination {destination.id}: plain = true: messages travel unencrypted over the network"
    taken = {category for destination in settings.destination for category in destination.takes}
    if settings.device and not taken:
        yield "no destination takes anything: readings are kept, and sent nowhere"
