"""The gateway's own tasks: dispatchers and chores. One that ends by itself is a bug, and ends the gateway with its error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Chore:
    """A task that runs as long as the gateway does; `keys` of the configuration it reads when it starts ("gateway.keep_days").

    A reload that changes one of them starts it again. It catches what it expects to go wrong: a chore's error ends the gateway.
    """

    name: str
    run: Work
    keys: frozenset[str] = frozenset()


def reading(chores: Iterable[Chore], keys: Collection[str]) -> list[Chore]:
    """Those that read one of these keys."""
    return [chore for chore in chores if not chore.keys.isdisjoint(keys)]


class Crew:
    """Tasks that run until they are stopped."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, name: str, work: Work) -> None:
        """Begin with a task."""
        assert name not in self._tasks, f"{name} runs already"
        task = self._tasks[name] = asyncio.create_task(work(), name=name)
        task.add_done_callback(self._end)

    async def stop(self, names: Iterable[str]) -> None:
        """Cancel tasks, together, and wait until they are gone; harmless for one that does not run."""
        tasks = [self._tasks.pop(name) for name in list(names) if name in self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Stop all of them."""
        await self.stop(list(self._tasks))

    async def until(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set; raise the error of a task that ended by itself."""
        stopping = asyncio.create_task(stop.wait())
        waiting: list[asyncio.Future[Any]] = [stopping, self._ended]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
        if self._ended.done():
            self._ended.result()

    def _end(self, task: asyncio.Task[None]) -> None:
        if self._tasks.get(task.get_name()) is not task:  # stopped on purpose
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("%s: failed while it was being stopped", task.get_name(), exc_info=error)
            return
        del self._tasks[task.get_name()]
        if not self._ended.done():
            error = None if task.cancelled() else task.exception()
            self._ended.set_exception(error or RuntimeError(f"{task.get_name()} ended by itself"))
