"""The running gateway: opens the journal, starts destinations and devices, answers for its state, stops cleanly.

The only module that knows all the others. To add something that runs beside devices and destinations, add a line to `_chores`;
to add a word that the control socket answers, a line to `_answers`; to show something, a key to `status`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway import __version__, control, logs
from gateway.acquire.quarantine import Quarantine
from gateway.acquire.status import DeviceStatus, State
from gateway.acquire.supervisor import Supervisor
from gateway.boot import Start
from gateway.changeover import Changeover
from gateway.config import Config
from gateway.crew import Chore, Crew, reading
from gateway.errors import StoreError
from gateway.lists.rolls import Rolls
from gateway.loaded import Loaded
from gateway.metrics import process
from gateway.metrics.exposition import Family
from gateway.metrics.families import families
from gateway.metrics.rates import Rates
from gateway.metrics.server import Endpoint
from gateway.notify import notify, patiently
from gateway.orders.book import Book
from gateway.orders.door import Door
from gateway.reload import Plan
from gateway.reloader import SETTLE_S, Reloader
from gateway.routes import Routes
from gateway.store import overview
from gateway.store.journal import Journal
from gateway.store.watch import Watch
from gateway.unknown import desk
from gateway.unknown.book import Book as UnknownBook

log = logging.getLogger(__name__)

PRUNE_S = 3600.0
"""Between two prunings: an hour's worth is small."""


class Service:
    """One gateway on one configuration."""

    def __init__(self, start: Start, *, settle_s: float = SETTLE_S) -> None:
        self.reloader = Reloader(start, self._change, self._note_refusal, settle_s=settle_s)
        self.started = datetime.now(UTC)
        self._parts = start.parts
        self._journal: Journal
        self._watch: Watch
        self._crew: Crew
        self._routes: Routes
        self._supervisor: Supervisor
        self._orders: Book
        self._unknown: UnknownBook
        self._quarantine: Quarantine
        self._changeover: Changeover
        self._rates = Rates(self._counted)

    @property
    def settings(self) -> Config:
        """The configuration that runs."""
        return self.reloader.loaded.settings

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set. Raises ConfigError or StoreError when it cannot begin; nothing is half started then."""
        async with AsyncExitStack() as stack:
            await self._build(stack)
            await self._changeover.begin(self.reloader.loaded, self._parts)
            stack.push_async_callback(_close_server, await control.serve(self.settings.gateway.data, self._answers()))
            self._supervisor.start_all(self._parts.stations)
            for chore in self._chores():
                self._crew.start(chore.name, chore.run)
            notify("READY=1")
            name, devices, destinations = self._journal.gateway.name, len(self._parts.stations), len(self._parts.destinations)
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
            Chore("rates", self._rates.run),
            Chore("metrics", self._serve_metrics, frozenset({"gateway.metrics"})),
            Chore("orders", self._take_orders, frozenset({"gateway.orders"})),
            Chore("unknown devices", self._take_unknown, frozenset({"gateway.unknown"})),
            Chore("configuration", self.reloader.run),
        )

    def _answers(self) -> control.Answers:
        """The words that the control socket knows; each is given the rest of its line."""
        return {
            "status": lambda _rest: self.status(),
            "reload": lambda by: self.reloader.request(by or "control socket"),
            "configuration": self._configuration,
            "unknown": self._decide_unknown,
        }

    async def status(self) -> dict[str, Any]:
        """What `wardlink status` and the screens show of a running gateway."""
        journal, statuses = self._journal, self._supervisor.statuses
        return {
            "journal": await journal.read(overview.overview),
            "gateway": journal.gateway.name,
            "eui64": journal.gateway.eui64,
            "version": __version__,
            "started": self.started,
            "config": self.reloader.status(),
            "check": journal.guard.progress.as_json(),
            "devices": [_device(statuses[one.id]) for one in self.settings.device if one.id in statuses],
            "destinations": self._routes.status(),
            "rates": self._rates.per_minute(),
            "commits": journal.commits.as_json(),
            "room": self._watch.status(),
            "disk": process.disk(self.settings.gateway.data),
            "process": process.figures(),
            "unknown": self._quarantine.status(),
        }

    async def _build(self, stack: AsyncExitStack) -> None:
        """The rooms, each closed in the reverse order: devices first, the journal last."""
        own = self.settings.gateway
        disk = own.disk
        opening = Journal.open(
            own.data, name=own.name, eui64=own.eui64, max_bytes=disk.max_bytes, reserve_bytes=disk.reserve_bytes
        )
        self._journal = await patiently(opening, "opening the journal; what is damaged is being salvaged")
        await self._journal.count_days(ZoneInfo(own.timezone))
        stack.push_async_callback(self._journal.close)
        self._watch = Watch(self._journal, disk)
        await self._watch.look()
        self._crew = Crew()
        stack.push_async_callback(self._crew.close)
        self._routes = Routes(self._crew)
        stack.push_async_callback(self._routes.close)
        self._orders = Book(self._journal)
        self._unknown = UnknownBook(self._journal, own.unknown)
        self._quarantine = Quarantine(self._unknown)
        self._supervisor = Supervisor(self._journal, orders=self._orders, lists=Rolls(self._journal))
        stack.push_async_callback(self._supervisor.close)
        self._changeover = Changeover(self._journal, self._routes, self._supervisor)

    def _live(self) -> frozenset[str]:
        """The keys that chores read: they can change while the gateway runs."""
        return frozenset(key for chore in self._chores() for key in chore.keys)

    async def _change(self, new: Loaded, by: str) -> Plan:
        """Change over to `new`, and let the chores read it. Raises WardlinkError when it cannot be; all is as it was then."""
        plan = await self._changeover.change(self.reloader.loaded, new, by, live=self._live(), take=self.reloader.take)
        chores = reading(self._chores(), plan.keys)
        await self._crew.stop([chore.name for chore in chores])
        for chore in chores:
            self._crew.start(chore.name, chore.run)
        return plan

    async def _note_refusal(self, problems: str, by: str) -> None:
        await self._changeover.note_refusal(self.reloader.loaded, by, problems)

    async def _configuration(self, _rest: str) -> dict[str, Any]:
        """What runs, for `wardlink config diff`."""
        one = self.reloader.loaded
        return {
            "path": str(one.path),
            "text": one.text.decode(),
            "files": dict(one.prints),
            "eui64": self._journal.gateway.eui64,
            "live": sorted(self._live()),
        }

    async def _serve_metrics(self) -> None:
        async def figures() -> list[Family]:
            return families(await self.status(), datetime.now(UTC))

        await Endpoint(figures, self._trouble).run(self.settings.gateway.metrics)

    async def _take_orders(self) -> None:
        await Door(self._orders.carry_out, lambda: datetime.now(UTC)).run(self.settings.gateway.orders)

    async def _take_unknown(self) -> None:
        settings = self.settings.gateway.unknown
        self._unknown.use(settings)
        await self._quarantine.run(settings)

    async def _decide_unknown(self, request: str) -> dict[str, Any]:
        return await desk.carry_out(request, self._journal, self.settings, self._quarantine)

    def _counted(self) -> dict[str, int]:
        """What rates are made of."""
        return {f"device {one.device_id}": one.reports for one in self._supervisor.statuses.values()}

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
                await self._orders.forget()
                await self._unknown.forget(self.settings.gateway.keep_days)
            except StoreError as error:
                log.warning("old reports and orders could not be forgotten: %s", error)
            await asyncio.sleep(PRUNE_S)


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
