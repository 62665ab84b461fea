"""Unknown devices as the running gateway keeps them: in the journal, within their room; a new one is told once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.acquire.guest import TurnedAwayError
from gateway.model import Caller
from gateway.settings.unknown import UnknownSettings
from gateway.store import unknown
from gateway.store.journal import Journal
from gateway.store.times import utc_now
from gateway.store.unknown import Caps, Said, Taken

_log = logging.getLogger(__name__)

TOLD_MAX = 256
"""Devices that are told in the log once a run; a port scan must not fill it."""
MEGABYTE = 1_000_000

_WHY = {
    Taken.FULL: "there is no room for more of unknown devices (`wardlink unknown list`)",
    Taken.DISMISSED: "a person dismissed this device (`wardlink unknown list --all`)",
}


class Book:
    """The unknown devices in a journal; `now` is the wall clock."""

    def __init__(self, journal: Journal, settings: UnknownSettings | None, now: Callable[[], datetime] = utc_now) -> None:
        self._journal, self._now = journal, now
        self._told: set[Caller] = set()
        self.use(settings)

    def use(self, settings: UnknownSettings | None) -> None:
        """How much is kept from now on."""
        chosen = settings or UnknownSettings()
        self._caps = Caps(chosen.peer_mb * MEGABYTE, chosen.total_mb * MEGABYTE)

    async def keep(self, caller: Caller, raw: bytes, at: datetime, *, messages: int, call: int | None) -> int | None:
        """Make it durable; the number of the call. Raises StoreError, TurnedAwayError when there is no room or it may not call.

        Like readings it is refused while only the room is left that acknowledgements need.
        """
        said, caps = Said(raw, at, messages, call), self._caps
        taken, call = await self._journal.write(lambda tx: unknown.keep(tx.conn, caller, said, caps), intake=True)
        self._tell(caller, taken)
        if taken is not Taken.KEPT:
            raise TurnedAwayError(f"{caller.address}: {_WHY[taken]}", taken.value)
        return call

    async def forget(self, keep_days: int) -> int:
        """Delete what was decided long ago; how many parts."""
        before = self._now() - timedelta(days=keep_days)
        return await self._journal.write(lambda tx: unknown.forget(tx.conn, before))

    def _tell(self, caller: Caller, taken: Taken) -> None:
        """Once a run and caller; what it says of itself is no patient data, but its maker's business, and in the list."""
        known = Caller(address=caller.address, door=caller.door, protocol=f"{caller.protocol} {taken}")
        if known in self._told or len(self._told) >= TOLD_MAX:
            return
        self._told.add(known)
        what = "what it sends is kept and sent nowhere" if taken is Taken.KEPT else _WHY[taken]
        about = {"event": "unknown device"}
        _log.warning(
            "an unknown device calls: %s at %s (%s): %s; see `wardlink unknown list`",
            caller.address,
            caller.door,
            caller.protocol,
            what,
            extra=about,
        )
