"""How many reports a second become durable, and pass through: `python tests/bench/bench_journal.py [REPORTS]`.

Method: 50 devices, each keeps a report of 30 readings, waits until it is durable, keeps the next; group commits form by
themselves. "bare" is the standard library's sqlite3 alone: the same payload and raw bytes into one table without an index, in
transactions of the mean size that the journal's groups had, WAL and FULL like the journal. "through" adds a dispatcher that
pins 5.6 kB a message and a receiver in memory that accepts at once. The three take turns, five rounds; medians are printed.
A journal on /dev/shm would measure nothing: the folder is on the disk of the temporary directory.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from gateway.deliver.destination import Accepted, Outgoing
from gateway.deliver.dispatch import Dispatcher
from gateway.model import Category, DeviceIdentity, Entry, Kind, Observation, Report, Subject, encode
from gateway.patients.acts import associate
from gateway.store.journal import Journal, open_reader

DEVICES = 50
READINGS = 30
ROUNDS = 5
BODY = bytes(range(32, 127)) * 59
"""5.6 kB, as 34 OBX have."""


def reports(device: str, count: int) -> list[Report]:
    """Reports of 30 readings, 300 raw bytes each."""
    readings = tuple(
        Observation(
            kind=Kind.NUMERIC, vendor_code=f"C{n}", value=f"{n + 60}", refid="MDC_PULS_OXIM_SAT_O2", unit="%", vendor_unit="%"
        )
        for n in range(READINGS)
    )
    return [
        Report(
            device=DeviceIdentity(id=device, maker="Test", model="Bench"),
            driver="bench",
            category=Category.VITALS,
            received_at=datetime.now(UTC),
            observations=readings,
            identity=f"{device}/{number}",
            raw=bytes(300),
        )
        for number in range(count)
    ]


class Everything:
    """A receiver in memory; `full` is set when `count` messages have come."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.full = asyncio.Event()

    async def send(self, _message: Outgoing) -> Accepted:
        self._left -= 1
        if self._left == 0:
            self.full.set()
        return Accepted("AA")

    async def close(self) -> None: ...


def render(entry: Entry, _subject: Subject | None) -> Outgoing:
    """A message of the usual size at no cost of its own."""
    return Outgoing(entry.key, entry.key.encode() + BODY)


async def keep_all(journal: Journal, work: dict[str, list[Report]]) -> None:
    """Every device keeps its reports, one after the other."""

    async def device(name: str, mine: Sequence[Report]) -> None:
        for report in mine:
            await journal.keep([report], device_id=name)

    await asyncio.gather(*(device(name, mine) for name, mine in work.items()))


async def ours(folder: Path, work: dict[str, list[Report]], *, through: bool) -> tuple[float, float]:
    """Reports a second and the mean size of a group."""
    count = sum(map(len, work.values()))
    journal = await Journal.open(folder, name="bench")
    await journal.use({"engine": frozenset({Category.VITALS})})
    for device in work:
        subject = Subject(patient_id="SYN-1")
        await journal.act(lambda conn, d=device, s=subject: associate(conn, d, s, by="bench", source="bench"))  # type: ignore[misc]
    receiver = Everything(count)
    task = asyncio.create_task(Dispatcher(journal, "engine", receiver, render).run()) if through else None
    work = {device: reports(device, len(mine)) for device, mine in work.items()}  # later than the associations
    begin = time.perf_counter()
    await keep_all(journal, work)
    if task is not None:
        await receiver.full.wait()
    took = time.perf_counter() - begin
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
    await journal.close()
    with closing(open_reader(folder)) as conn:
        (groups,) = conn.execute("SELECT count(DISTINCT stored_at) FROM reports").fetchone()
    return count / took, count / groups


def bare(folder: Path, work: dict[str, list[Report]], group: int) -> float:
    """Rows a second of sqlite3 alone."""
    rows = [(encode(report).decode(), report.raw) for mine in work.values() for report in mine]
    with closing(sqlite3.connect(folder / "bare.sqlite3", isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("PRAGMA synchronous=FULL")
        conn.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, payload TEXT, raw BLOB)")
        begin = time.perf_counter()
        for first in range(0, len(rows), group):
            conn.execute("BEGIN IMMEDIATE")
            conn.executemany("INSERT INTO t (payload, raw) VALUES (?, ?)", rows[first : first + group])
            conn.execute("COMMIT")
        return len(rows) / (time.perf_counter() - begin)


def main(count: int) -> None:
    """Measure in turns; print medians and their ratio."""
    work = {f"D{n}": reports(f"D{n}", count // DEVICES) for n in range(DEVICES)}
    durable, through, alone, groups = [], [], [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            speed, group = asyncio.run(ours(folder / "a", work, through=False))
            durable.append(speed)
            groups.append(group)
            alone.append(bare(folder, work, max(1, round(group))))
            through.append(asyncio.run(ours(folder / "b", work, through=True))[0])
    size = len(encode(work["D0"][0])) + 300
    kept, passed, plain = statistics.median(durable), statistics.median(through), statistics.median(alone)
    print(f"{count} reports of {READINGS} readings, {size} bytes each; {statistics.median(groups):.0f} in a commit")
    print(
        f"durable  {kept:8.0f} reports/s {kept * READINGS:9.0f} readings/s   {kept / plain:.2f} of bare sqlite3 ({plain:.0f} rows/s)"
    )
    print(f"through  {passed:8.0f} reports/s {passed * READINGS:9.0f} readings/s   (kept, pinned, sent to memory, settled)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
