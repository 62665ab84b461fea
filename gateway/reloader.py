"""Reloads, one after the other: who asks while one is under way shares the next, so that a storm of signals is two of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from gateway import known_good, loaded, parts
from gateway.boot import Start
from gateway.errors import WardlinkError
from gateway.loaded import Loaded
from gateway.notify import notify, reloading
from gateway.reload import Plan

log = logging.getLogger(__name__)

SETTLE_S = 3.0
"""A configuration is known to be good when the gateway has run on it for so long: one that ends it does so at once."""
ASKERS_MAX = 5
"""Names in the audit trail of one reload."""

Apply = Callable[[Loaded, str], Awaitable[Plan]]
Answer = dict[str, Any]


class Reloader:
    """The configuration that is running, and the way to another.

    `apply(new, by)` changes over and calls `take`, or raises WardlinkError to refuse; `refused(problems, by)` is told of that.
    """

    def __init__(
        self,
        start: Start,
        apply: Apply,
        refused: Callable[[str, str], Awaitable[None]],
        *,
        settle_s: float = SETTLE_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.loaded = start.loaded
        self._instead, self._problems = start.instead, start.problems
        self._apply, self._tell_refused = apply, refused
        self._settle_s, self._now = settle_s, now
        self._good = start.instead is not None
        self._refused: Answer | None = None
        self._wanted = asyncio.Event()
        self._asked: list[tuple[str, asyncio.Future[Answer]]] = []

    def request(self, by: str) -> asyncio.Future[Answer]:
        """Ask for a reload; done with what was done, or why not."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked.append((by, future))
        self._wanted.set()
        return future

    async def run(self) -> None:
        """Reload when asked to, keep what has proved good; until cancelled."""
        while True:
            try:
                async with asyncio.timeout(None if self._good else self._settle_s):
                    await self._wanted.wait()
            except TimeoutError:
                await self._keep()
                continue
            self._wanted.clear()
            asked, self._asked = self._asked, []
            answer = await self._once(", ".join(list(dict.fromkeys(by for by, _ in asked))[:ASKERS_MAX]))
            for _, future in asked:
                if not future.done():
                    future.set_result(answer)

    def take(self, new: Loaded) -> None:
        """`new` is the configuration that runs from now on; `apply` says so when nothing can refuse it any more."""
        self.loaded, self._good = new, False
        self._instead, self._problems, self._refused = None, "", None

    def start(self) -> Start:
        """What a gateway that has to begin anew starts with: what runs, whatever the file says now. Raises ConfigError."""
        return Start(self.loaded, parts.make(self.loaded.settings), self._instead, self._problems)

    def status(self) -> Answer:
        """What people see of the configuration that runs."""
        return {
            "path": str(self.loaded.path),
            "sha256": self.loaded.sha256,
            "loaded_at": self.loaded.at,
            "known_good": self._good,
            "last_known_good_since": self._instead.since if self._instead else None,
            "problems": self._problems.splitlines(),
            "refused": self._refused,
        }

    async def _once(self, by: str) -> Answer:
        path = self.loaded.path
        reloading()
        try:
            new = await asyncio.to_thread(loaded.load, path)
            plan = await self._apply(new, by)
        except WardlinkError as error:
            return await self._refuse(str(error), by)
        finally:
            notify("READY=1")
        for line in plan.lines() or ["nothing has changed"]:
            log.info("configuration: reloaded by %s: %s", by, line)
        return {"applied": True, "path": str(path), "sha256": new.sha256, "did": plan.lines(), "problems": []}

    async def _refuse(self, problems: str, by: str) -> Answer:
        lines = problems.splitlines()
        self._refused = {"at": self._now(), "problems": lines}
        for line in lines:
            log.error("configuration: reload refused, the old one goes on: %s", line)
        await self._tell_refused(problems, by)
        return {"applied": False, "path": str(self.loaded.path), "sha256": self.loaded.sha256, "did": [], "problems": lines}

    async def _keep(self) -> None:
        """It has run for a while: from now on it stands in where its file is spoilt."""
        self._good = True
        try:
            await asyncio.to_thread(known_good.keep, self.loaded.settings.gateway.data, self.loaded, self._now())
        except OSError as error:
            log.warning("configuration: could not be kept as known good: %s", error)
