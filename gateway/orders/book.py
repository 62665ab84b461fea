"""The order cache as devices' tasks ask it: a read of the journal's database, and a note of who was told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.model import Inquiry, WorkOrder
from gateway.orders import acts
from gateway.orders.hl7 import Command
from gateway.store import orders
from gateway.store.journal import Journal
from gateway.store.orders import Outcome
from gateway.store.times import utc_now


class Book:
    """The orders in a journal; `now` is the wall clock."""

    def __init__(self, journal: Journal, now: Callable[[], datetime] = utc_now) -> None:
        self._journal, self._now = journal, now

    async def find(self, asked: Inquiry, device_id: str) -> Sequence[WorkOrder]:
        """What a device asks for."""
        return await self._journal.read(lambda conn: orders.find(conn, asked, device_id, self._now()))

    async def waiting(self, device_id: str) -> Sequence[WorkOrder]:
        """What a device that is sent worklists was not told yet."""
        return await self._journal.read(lambda conn: orders.waiting(conn, device_id, self._now()))

    async def told(self, said: Sequence[WorkOrder], device_id: str) -> None:
        """The device has acknowledged these."""
        await self._journal.write(lambda tx: orders.told(tx.conn, said, device_id, self._now()))

    async def carry_out(self, commands: Sequence[Command], by: str) -> list[Outcome]:
        """Do what a laboratory system wants, all of it or nothing; durable when this returns. Raises ActError or StoreError.

        Like readings it is refused while only the room is left that acknowledgements need.
        """
        now = self._now()
        return await self._journal.write(lambda tx: [_carry_out(tx.conn, one, by, now) for one in commands], intake=True)

    async def forget(self) -> int:
        """Delete orders that are too old to be answered; how many."""
        return await self._journal.write(lambda tx: orders.forget(tx.conn, self._now()))


def _carry_out(conn: sqlite3.Connection, command: Command, by: str, now: datetime) -> Outcome:
    if command.cancel:
        return acts.cancel(conn, command.order.placer, by=by, source="hl7", now=now)
    return acts.place(conn, command.order, by=by, source="hl7", now=now)
