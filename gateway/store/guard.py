"""What a running gateway does about damage: nothing more is taken in, the run ends, the next one salvages.

To salvage under a working gateway would need every room to let go of the journal and take it up again; ending the run does just
that, by the one way that is always tested: the start. `gateway.main.run` begins anew at once, systemd does where it cannot.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

from gateway.errors import DamagedError, StoreError
from gateway.store import swap
from gateway.store.damage import is_damage
from gateway.store.integrity import Check, Progress

log = logging.getLogger(__name__)

CHECK_S = 86_400.0
"""Between two checks: a damaged row in a queue that stands for days should be known before it is sent for."""


class Guard:
    """Watches over one open journal. `why` is empty while no damage was met; from then on nothing may be written."""

    def __init__(self, folder: Path) -> None:
        self.why = ""
        self.progress = Progress()
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self._met = asyncio.Event()

    def meet(self, error: BaseException) -> None:
        """Judge an error of the database, on any thread; harmless when it is no damage."""
        if self.why or not (is_damage(error) or isinstance(error, DamagedError)):
            return
        self.why = str(error)
        log.critical("the journal in %s is damaged: %s; nothing is acknowledged until it is salvaged", self._folder, error)
        swap.suspect(self._folder, self.why)
        with suppress(RuntimeError):  # the loop is gone: the mark stays for the next start
            self._loop.call_soon_threadsafe(self._met.set)

    async def watch(self) -> None:
        """Check the whole journal, at once and then daily, until cancelled. DamagedError as soon as damage is met by anybody."""
        checking = asyncio.create_task(self._check(), name="journal check")
        meeting = asyncio.create_task(self._met.wait(), name="journal damage")
        try:
            await asyncio.wait([checking, meeting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            meeting.cancel()
            checking.cancel()
            await asyncio.wait([checking, meeting])
        raise DamagedError(f"the journal in {self._folder} is damaged: {self.why}: starting again salvages what can be read")

    async def _check(self) -> None:
        """Returns once it has met damage."""
        while not self.why:
            check = Check(self._folder)
            self.progress = check.progress
            try:
                await check.run()
            except DamagedError as error:
                self.meet(error)
                return
            except StoreError as error:
                log.warning("%s; it is tried again in a day", error)
            await asyncio.sleep(CHECK_S)
