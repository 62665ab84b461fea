"""The running gateway: opens the journal, starts destinations and devices, answers for its state, stops cleanly.

The only module that knows all the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from gateway import __version__, control
from gateway.acquire.station import station
from gateway.acquire.status import DeviceStatus
from gateway.acquire.supervisor import Supervisor
from gateway.config import AnyDestination, Config, FhirServer, MllpLab
from gateway.deliver.destination import Destination
from gateway.deliver.dispatch import Dispatcher
from gateway.deliver.messages import Renderer
from gateway.errors import StoreError
from gateway.model import Gateway
from gateway.patients import acts
from gateway.store import overview
from gateway.store.journal import Journal

log = logging.getLogger(__name__)

CONFIGURATION = "configuration"
PRUNE_S = 3600.0
"""Between two prunings: an hour's worth is small."""
DRAIN_S = 5.0
"""Seconds that a message under way gets to be acknowledged when the gateway is told to stop; it is sent again otherwise."""


@dataclass(slots=True)
class _Route:
    """A destination at work."""

    settings: AnyDestination
    destination: Any
    dispatcher: Dispatcher


class Service:
    """One gateway on one configuration."""

    def __init__(self, settings: Config) -> None:
        self.settings = settings
        self.started = datetime.now(UTC)
        self._routes: list[_Route] = []
        self._supervisor: Supervisor | None = None
        self._journal: Journal | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set. Raises ConfigError or StoreError when it cannot begin; nothing is half started then."""
        stations = [station(device, self.settings.zone(device)) for device in self.settings.device]
        async with AsyncExitStack() as stack:
            journal = self._journal = await self._open(stack)
            await self._associate(journal)
            tasks = await self._deliver(journal, stack)
            server = await control.serve(self.settings.gateway.data, {"status": self.status})
            stack.push_async_callback(_close_server, server)
            self._supervisor = Supervisor(journal)
            stack.push_async_callback(self._supervisor.close)
            for one in stations:
                self._supervisor.start(one)
            notify("READY=1")
            log.info("%s is up: %d devices, %d destinations", journal.gateway.name, len(stations), len(self._routes))
            await _first(stop, tasks)
            notify("STOPPING=1")
            log.info("%s stops", journal.gateway.name)

    async def status(self) -> dict[str, Any]:
        """What `wardlink status` and the screens show of a running gateway."""
        journal = self._journal
        assert journal is not None
        return {
            "journal": await journal.read(overview.overview),
            "gateway": journal.gateway.name,
            "eui64": journal.gateway.eui64,
            "version": __version__,
            "started": self.started,
            "devices": [_device(one) for one in self._supervisor.statuses.values()] if self._supervisor else [],
            "destinations": [_destination(route) for route in self._routes],
        }

    async def _open(self, stack: AsyncExitStack) -> Journal:
        own = self.settings.gateway
        journal = await Journal.open(own.data, name=own.name, eui64=own.eui64)
        stack.push_async_callback(journal.close)
        return journal

    async def _associate(self, journal: Journal) -> None:
        """The configuration's fixed associations: each is recorded once, then left to the people at the bedside."""
        said = await journal.read(partial(acts.history, every_version=True))
        known = {(one.device, one.subject.patient_id) for one in said if one.source == CONFIGURATION}
        for fixed in self.settings.association:
            if (fixed.device, fixed.patient.patient_id) in known:
                continue
            who, since = fixed.patient.subject(), fixed.since
            act = partial(acts.associate, device=fixed.device, subject=who, at=since, by=CONFIGURATION, source=CONFIGURATION)
            await journal.act(act)

    async def _prune(self, journal: Journal) -> None:
        """Forget, in small steps and now and then, what every destination has been done with for long enough."""
        while True:
            try:
                await journal.prune(datetime.now(UTC) - timedelta(days=self.settings.gateway.keep_days))
            except StoreError as error:
                log.warning("old reports could not be forgotten: %s", error)
            await asyncio.sleep(PRUNE_S)

    async def _deliver(self, journal: Journal, stack: AsyncExitStack) -> list[asyncio.Task[None]]:
        wanted = self.settings.destination
        for settings in wanted:
            destination = make_destination(settings)
            stack.push_async_callback(destination.close)
            dispatcher = Dispatcher(journal, settings.id, destination, make_renderer(settings, journal.gateway), settings)
            self._routes.append(_Route(settings, destination, dispatcher))
        await journal.use({one.id: one.takes for one in wanted}, begin_now=[one.id for one in wanted if one.begin == "now"])
        tasks = [asyncio.create_task(route.dispatcher.run(), name=f"destination {route.settings.id}") for route in self._routes]
        tasks.append(asyncio.create_task(self._prune(journal), name="prune"))
        stack.push_async_callback(_stop, tasks)
        return tasks


def make_destination(settings: AnyDestination) -> Destination:
    """The way to a receiver."""
    if isinstance(settings, FhirServer):
        from gateway.deliver.destinations.fhir import FhirDestination

        return FhirDestination(settings, settings.id)
    from gateway.deliver.destinations.mllp import MllpDestination

    return MllpDestination(settings, settings.id)


def make_renderer(settings: AnyDestination, gateway: Gateway) -> Renderer:
    """A destination's message format."""
    if isinstance(settings, FhirServer):
        from gateway.deliver.messages import fhir

        return fhir.renderer(settings, gateway)
    if isinstance(settings, MllpLab):
        from gateway.deliver.messages import lab

        return lab.renderer(settings, gateway)
    from gateway.deliver.messages import pcd01

    return pcd01.renderer(settings, gateway)


def run(settings: Config) -> None:
    """Run a gateway until SIGINT or SIGTERM."""
    asyncio.run(_run(settings))


async def _run(settings: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await Service(settings).run(stop)


async def _first(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Until `stop` is set; a destination's task that ends before is a bug, and ends the gateway with its error."""
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in done - {stopping}:
        task.result()


async def _stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=DRAIN_S)


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
        "last_report": one.last_report,
        "clock_offset_s": one.clock_offset_s,
        "counts": dict(one.counts),
        "values": {code: list(last) for code, last in one.values.items()},
    }


def _destination(route: _Route) -> dict[str, Any]:
    return {
        "id": route.settings.id,
        "describe": route.destination.describe(),
        "plaintext": route.destination.plaintext,
        "takes": sorted(category.value for category in route.settings.takes),
        "state": route.dispatcher.state,
    }


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); nothing where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.connect("\0" + address[1:] if address.startswith("@") else address)
        line.sendall(state.encode())


def warnings(settings: Config) -> Iterator[str]:
    """What a person should know of a configuration that can be used all the same."""
    for destination in settings.destination:
        if getattr(destination, "plain", False):
            yield f"destination {destination.id}: plain = true: messages travel unencrypted over the network"
    taken = {category for destination in settings.destination for category in destination.takes}
    if settings.device and not taken:
        yield "no destination takes anything: readings are kept, and sent nowhere"
