"""The destinations at work: each a receiver, a message format and the dispatcher that feeds it from the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway.crew import Crew
from gateway.deliver import making
from gateway.deliver.destination import Destination
from gateway.deliver.dispatch import GATHER_S, Dispatcher
from gateway.deliver.measured import Measured
from gateway.deliver.messages import Renderer
from gateway.errors import ConfigError
from gateway.model import Gateway
from gateway.security import certificates
from gateway.security.certificates import Certificate
from gateway.settings.destinations import AnyDestination
from gateway.store.journal import Journal

DRAIN_S = 5.0
"""Seconds that a message under way gets to be answered when its destination is stopped; else the same bytes go again later."""


@dataclass(frozen=True, slots=True)
class Route:
    """A destination, ready to work."""

    settings: AnyDestination
    destination: Measured
    renderer: Renderer
    dispatcher: Dispatcher

    @property
    def task(self) -> str:
        """Its dispatcher's task."""
        return f"destination {self.settings.id}"

    def status(self) -> dict[str, Any]:
        """What `wardlink status` shows of it."""
        return {
            "id": self.settings.id,
            "describe": self.destination.inner.describe(),
            "plaintext": self.destination.inner.plaintext,
            "takes": sorted(category.value for category in self.settings.takes),
            "state": self.dispatcher.state,
            "late": self.dispatcher.late,
            **self.destination.status(own_certificate(self.settings)),
        }


class Routes:
    """The routes in use, by id. The journal must have been told of a destination (Journal.use) before it starts."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._routes: dict[str, Route] = {}

    def start(self, routes: Iterable[Route]) -> None:
        """Begin to deliver."""
        for route in routes:
            self._routes[route.settings.id] = route
            self._crew.start(route.task, route.dispatcher.run)

    async def stop(self, ids: Iterable[str]) -> list[Route]:
        """End some, together, and give them back: what was sent is recorded, the connection closed; what waits stays."""
        stopped = [self._routes.pop(one) for one in list(ids) if one in self._routes]
        await asyncio.gather(*(self._stop(one) for one in stopped))
        return stopped

    async def close(self) -> None:
        """End all of them."""
        await self.stop(list(self._routes))

    def status(self) -> list[dict[str, Any]]:
        """A table for each."""
        return [route.status() for route in self._routes.values()]

    async def _stop(self, route: Route) -> None:
        try:
            await route.dispatcher.finish(DRAIN_S)
            await self._crew.stop([route.task])
        finally:
            await route.destination.close()


def route(settings: AnyDestination, destination: Destination, journal: Journal, gateway: Gateway) -> Route:
    """A destination ready to work on `journal`, its messages in the name of `gateway`."""
    return _route(settings, Measured(destination), making.make_renderer(settings, gateway), journal)


def again(stopped: Route, journal: Journal) -> Route:
    """A route that was stopped, ready to go on."""
    return _route(stopped.settings, stopped.destination, stopped.renderer, journal)


def _route(settings: AnyDestination, destination: Measured, renderer: Renderer, journal: Journal) -> Route:
    dispatcher = Dispatcher(journal, settings.id, destination, renderer, settings, gather_s=GATHER_S)
    return Route(settings, destination, renderer, dispatcher)


def own_certificate(settings: AnyDestination) -> Certificate | None:
    """The certificate that the receiver is shown, as its file holds it now; None where there is none, or it cannot be read."""
    if settings.tls is None or settings.tls.cert is None:
        return None
    with suppress(ConfigError):  # told where it matters: at the next connection
        return certificates.own(settings.tls.cert)
    return None
