"""The queues of others, for bench_peers: runs in a Python of its own, `PYTHON peer.py QUEUE FOLDER COUNT`, and imports nothing of ours.

Every queue gets the payload of standard input COUNT times from 50 threads. Printed, as JSON: payloads a second until `put` had
returned for all, and until all were in the file; how the file is synced.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

THREADS = 50


class Quiet(logging.Logger):
    """The logger that ThingsBoard's storage wants."""

    def trace(self, *_words: object) -> None:
        """Nothing is said."""


def persist_queue(folder: Path) -> tuple[Callable[[str], Any], str, str, Callable[[], Any]]:
    """persist-queue's acknowledged queue, as its README begins."""
    queue = import_module("persistqueue").SQLiteAckQueue(str(folder), multithreading=True)
    return queue.put, "SELECT count(*) FROM ack_queue_default", "each put commits", queue.close


def thingsboard(folder: Path) -> tuple[Callable[[str], Any], str, str, Callable[[], Any]]:
    """The SQLite storage of thingsboard-gateway, with its defaults."""
    storage = import_module("thingsboard_gateway.storage.sqlite.sqlite_event_storage")
    settings = {"data_file_path": f"{folder}/"}
    one = storage.SQLiteEventStorage(settings, Quiet("quiet"), threading.Event())
    return one.put, "SELECT count(*) FROM messages", "put returns from memory; synchronous=NORMAL", one.stop


QUEUES = {"persist-queue": persist_queue, "thingsboard-gateway": thingsboard}


def main(name: str, folder: Path, count: int) -> None:
    """Fill the queue and say how fast that was."""
    payload = sys.stdin.read()
    put, counted, how, close = QUEUES[name](folder)

    def fill() -> None:
        for _ in range(count // THREADS):
            put(payload)

    threads = [threading.Thread(target=fill) for _ in range(THREADS)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    returned, there = time.perf_counter() - begin, 0
    while there < count and time.perf_counter() < begin + 120:
        time.sleep(0.02)
        there = max(_rows(file, counted) for file in folder.glob("*.db"))
    took = time.perf_counter() - begin
    print(json.dumps({"put": count / returned, "stored": there / took, "how": how}), flush=True)
    close()


def _rows(file: Path, query: str) -> int:
    with closing(sqlite3.connect(file)) as conn:
        return int(conn.execute(query).fetchone()[0])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
