"""The lists as devices' tasks ask for them: a read of the journal's database, and a note of what a device was told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gateway.model import Subject
from gateway.rolls import Lists, ListTold
from gateway.store import lists
from gateway.store.journal import Journal
from gateway.store.times import utc_now


class Rolls:
    """The lists in a journal; `now` is the wall clock."""

    def __init__(self, journal: Journal, now: Callable[[], datetime] = utc_now) -> None:
        self._journal, self._now = journal, now

    async def lists(self, device_id: str, point_of_care: str) -> Lists:
        """The lists of a device, and what it was told of them."""
        return await self._journal.read(lambda conn: lists.lists(conn, device_id, point_of_care, self._now()))

    async def patient(self, number: str) -> Subject | None:
        """The patient of that number, or of the specimen of that number."""
        return await self._journal.read(lambda conn: lists.find_patient(conn, number))

    async def told(self, device_id: str, name: str, then: ListTold) -> None:
        """The device has acknowledged all of a list."""
        await self._journal.write(lambda tx: lists.note_told(tx.conn, device_id, name, then))
