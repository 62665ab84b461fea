"""The gateway's process: which configuration it starts with, its signals, and a new beginning when its journal was damaged."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import deque
from collections.abc import Collection
from pathlib import Path

from gateway import boot
from gateway.errors import DamagedError, WardlinkError
from gateway.service import Service
from gateway.store import swap
from gateway.verify import warnings

log = logging.getLogger(__name__)

SALVAGES_MAX, SALVAGES_S = 3, 3600.0
"""So many new beginnings in so many seconds: a disk that damages what was just salvaged is to be replaced, not worn down."""


def run(path: Path, *, strict: bool = False) -> None:
    """Run a gateway until SIGINT or SIGTERM; SIGHUP reloads its configuration.

    Raises ConfigError when there is none to start with. A journal that shows itself damaged is salvaged by beginning anew, at
    once; DamagedError when that does not help.
    """
    early: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, _frame: early.append(number))  # until a loop listens, it would end the process
    start = boot.choose(path, strict=strict)
    for warning in warnings(start.loaded.settings):
        log.warning("%s", warning)
    salvaged: deque[float] = deque(maxlen=SALVAGES_MAX)
    while True:
        service = Service(start)
        try:
            asyncio.run(_run(service, early))
        except DamagedError as error:
            if len(salvaged) == SALVAGES_MAX and time.monotonic() - salvaged[0] < SALVAGES_S:
                raise
            salvaged.append(time.monotonic())
            log.critical("%s", error)
            start = service.reloader.start()
        except WardlinkError:
            raise
        except Exception as error:
            what = f"the gateway ended by an error that nobody expected: {type(error).__name__}"
            swap.suspect(start.loaded.settings.gateway.data, what)  # what was read may have been what was never written
            raise
        else:
            return


async def _run(service: Service, early: Collection[int]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, service.reloader.request, "SIGHUP")
    if early:
        service.reloader.request("SIGHUP")
    await service.run(stop)
