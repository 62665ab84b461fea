"""From one configuration to the next while the gateway runs: what did not change goes on undisturbed, what waits stays."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from zoneinfo import ZoneInfo

from gateway import fixed, known_good, parts, routes
from gateway.acquire.supervisor import Supervisor
from gateway.config import AssociationConfig
from gateway.errors import ConfigError, StoreError, WardlinkError
from gateway.loaded import Loaded
from gateway.model import Gateway
from gateway.parts import Parts
from gateway.reload import Act, Kind, Plan, diff
from gateway.routes import Route, Routes
from gateway.store import audit
from gateway.store.journal import Journal
from gateway.store.times import utc_now
from gateway.verify import take_over

BEGINS, ENDS = (Act.START, Act.RESTART), (Act.STOP, Act.RESTART)
DETAIL_MAX = 2000
"""Characters of what was done or refused in the audit trail: thirty steps; the log has all of them."""

Note = Callable[[sqlite3.Connection], None]


class Changeover:
    """Brings journal, destinations and devices from one configuration to another."""

    def __init__(self, journal: Journal, routes_: Routes, supervisor: Supervisor) -> None:
        self._journal, self._routes, self._supervisor = journal, routes_, supervisor

    async def begin(self, new: Loaded, made: Parts) -> None:
        """The first configuration of a gateway that starts: destinations begin to deliver. Raises ConfigError or StoreError."""
        before = await asyncio.to_thread(known_good.last, new.settings.gateway.data, new.path)
        changed = before is None or before.sha256 != new.sha256
        await self._use(new, fixed.new_since(before, new.settings), partial(_note, "start", new, "") if changed else None)
        self._routes.start(self._made(made))

    async def change(self, old: Loaded, new: Loaded, by: str, *, live: Collection[str], take: Callable[[Loaded], None]) -> Plan:
        """Change over; `take` is called when nothing can refuse it any more.

        Raises WardlinkError when it cannot be, and all is as it was. Any other error is a bug half way: the gateway must end.
        """
        undo = take_over(new.settings)
        try:
            plan = diff(old, new, eui64=self._journal.gateway.eui64, live=live)
            if plan.refusals:
                raise ConfigError("\n".join(plan.refusals))
            made = parts.make(new.settings, plan.ids(Kind.DEVICE, *BEGINS), plan.ids(Kind.DESTINATION, *BEGINS))
            await self._redirect(plan, new, made, by)
        except WardlinkError:
            undo()
            raise
        take(new)
        if "gateway.timezone" in plan.keys:
            await self._journal.count_days(ZoneInfo(new.settings.gateway.timezone))
        await self._supervisor.stop_all(plan.ids(Kind.DEVICE, *ENDS))
        self._supervisor.start_all(made.stations)
        return plan

    async def note_refusal(self, old: Loaded, by: str, problems: str) -> None:
        """Leave in the audit trail that somebody wanted a change that could not be."""
        note = partial(_note, "reload refused", old, problems, by=by)
        with suppress(StoreError):  # the log has it
            await self._journal.write(lambda tx: note(tx.conn))

    async def _redirect(self, plan: Plan, new: Loaded, made: Parts, by: str) -> None:
        """Destinations and the journal. When the journal refuses, the former destinations go on."""
        name = new.settings.gateway.name if "gateway.name" in plan.keys else None
        begun = self._made(made, name)
        stopped = await self._routes.stop(plan.ids(Kind.DESTINATION, *ENDS))
        try:
            await self._use(new, plan.associations, partial(_note, "reload", new, "; ".join(plan.lines()), by=by), name)
        except WardlinkError:
            self._routes.start([routes.again(one, self._journal) for one in stopped])
            raise
        self._routes.start(begun)

    async def _use(self, new: Loaded, fresh: Collection[AssociationConfig], note: Note | None, name: str | None = None) -> None:
        """All that the journal must know of `new`, in one transaction."""
        wanted = new.settings.destination

        def act(conn: sqlite3.Connection) -> None:
            fixed.record(conn, new.settings, fresh)
            if note is not None:
                note(conn)

        await self._journal.use(
            {one.id: one.takes for one in wanted},
            begin_now=[one.id for one in wanted if one.begin == "now"],
            formerly={one.id: one.formerly for one in wanted if one.formerly},
            name=name,
            act=act,
        )

    def _made(self, made: Parts, name: str | None = None) -> list[Route]:
        """Routes of these destinations, in the gateway's name or its new one."""
        own = self._journal.gateway
        gateway = own if name is None else Gateway(name=name, eui64=own.eui64)
        return [routes.route(settings, destination, self._journal, gateway) for settings, destination in made.destinations]


def _note(act: str, one: Loaded, what: str, conn: sqlite3.Connection, *, by: str = "configuration") -> None:
    detail = {"sha256": one.sha256, "what": what[:DETAIL_MAX]}
    audit.record(conn, at=utc_now(), by=by, act=act, object_id=str(one.path), detail=detail)
