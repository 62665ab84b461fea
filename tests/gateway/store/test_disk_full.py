"""A full disk stops intake with a clear error, loses nothing, and never stops the recording of acknowledgements."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.model import Category, Report
from gateway.store import cursors, retention
from gateway.store.cursors import Pin, Result, State
from gateway.store.journal import Journal
from gateway.store.statement import statement
from gateway.store.times import utc_now

MakeReport = Callable[..., Report]
BIG = bytes(range(256)) * 1024
VITALS = frozenset({Category.VITALS})


async def fill(journal: Journal, make_report: MakeReport) -> int:
    """Keep until the journal refuses; how many were kept."""
    kept = 0
    while kept < 1000:
        try:
            await journal.keep([make_report(raw=BIG)], device_id="4E-044")
        except StoreError:
            return kept
        kept += 1
    raise AssertionError("the journal never refused")


async def deliver_all(journal: Journal, kept: int) -> None:
    """Everything a dispatcher writes for the reports kept: pins, then outcomes."""
    while items := (await journal.read(lambda conn: cursors.batch(conn, "engine", now=utc_now(), limit=8, order="device"))).items:
        pins = [(item.report, Pin(f"id{item.report}", os.urandom(5600))) for item in items]
        results = [Result(item=item, state=State.DELIVERED, unpin=True) for item in items]
        await journal.write(partial(cursors.pin, destination="engine", pins=pins))
        await journal.write(partial(cursors.settle, destination="engine", results=results, acknowledged=("AA", utc_now())))
    (line,) = await journal.read(statement)
    assert (line.received, line.delivered, line.balanced) == (kept, kept, True)


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = await Journal.open(tmp_path, name="g", max_bytes=8 * 2**20, reserve_bytes=2**20)
    await journal.use({"engine": VITALS})
    yield journal
    await journal.close()


async def test_the_quota_refuses_intake_and_says_what_to_do(small: Journal, make_report: MakeReport) -> None:
    assert await fill(small, make_report) > 10
    with pytest.raises(StoreError, match="deliver or prune, or raise the limit"):
        await small.keep([make_report()], device_id="4E-044")
    with pytest.raises(StoreError):
        await small.keep_fragment("LAB-02", b"x", datetime(2026, 11, 21, tzinfo=UTC))


async def test_outcomes_are_recorded_within_the_quota_and_room_comes_back(small: Journal, make_report: MakeReport) -> None:
    kept = await fill(small, make_report)
    await deliver_all(small, kept)
    assert await small.prune(utc_now() + timedelta(days=1)) == kept
    assert await fill(small, make_report) > 10


async def test_the_files_own_limit_is_a_store_error_that_passes(small: Journal, make_report: MakeReport) -> None:
    await small.write(lambda tx: tx.conn.execute("PRAGMA max_page_count=1"))  # SQLite takes the present size for it
    kept = await fill(small, make_report)
    with pytest.raises(StoreError, match="full"):
        await small.keep([make_report(raw=BIG)], device_id="4E-044")
    await small.write(lambda tx: tx.conn.execute("PRAGMA max_page_count=100000"))
    (number,) = await small.keep([make_report(raw=BIG)], device_id="4E-044")
    assert number is not None
    (line,) = await small.read(statement)
    assert (line.received, line.balanced) == (kept + 1, True), "nothing of a refused batch is counted or kept"


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB of our own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a really full disk; mounting a small tmpfs needs root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"NOT TESTED: a really full disk; mount said {mounted.stderr!r}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_really_full_disk_loses_nothing_and_still_records_outcomes(tmpfs: Path, make_report: MakeReport) -> None:
    journal = await Journal.open(tmpfs, name="g", reserve_bytes=8 * 2**20)
    await journal.use({"engine": VITALS})
    kept = await fill(journal, make_report)
    assert kept > 5
    retention.fold_log(tmpfs)  # else the log's own length would do for a while
    hog = tmpfs / "hog"  # somebody else takes the rest
    with hog.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096) == 4096:
                pass
        except OSError:
            pass
    with pytest.raises(StoreError):
        await journal.keep([make_report()], device_id="4E-044")
    await deliver_all(journal, kept)
    assert not (tmpfs / "journal.reserve").exists(), "the reserve was what made it possible"
    with pytest.raises(StoreError, match="the disk is full"):
        await journal.keep([make_report()], device_id="4E-044")
    hog.unlink()
    await journal.prune(utc_now() + timedelta(days=1))
    (number,) = await journal.keep([make_report()], device_id="4E-044")
    assert number is not None
    await journal.close()
    journal = await Journal.open(tmpfs, name="g", reserve_bytes=2**20)
    assert await journal.read(lambda conn: conn.execute("PRAGMA integrity_check").fetchone()) == ("ok",)
    await journal.close()
