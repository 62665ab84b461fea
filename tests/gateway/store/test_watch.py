"""The watch over a small disk of its own: each mark's policy, what makes the disk fill, and that it recovers without a person."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.model import Category, Report
from gateway.settings.disk import DiskSettings
from gateway.store import cursors, drops, retention
from gateway.store.cursors import Pin, Result, State
from gateway.store.database import FILE, WAL_LIMIT
from gateway.store.journal import Journal, open_reader
from gateway.store.marks import Level, Marks
from gateway.store.statement import Line, balanced, statement
from gateway.store.times import utc_now
from gateway.store.watch import Watch
from gateway.thinning import WAITING_TRENDS, WAITING_WAVEFORMS, Policy

MakeReport = Callable[..., Report]
MIB = 2**20
RESERVE = 4 * MIB
RAW = os.urandom(8_000)
EACH = 8
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVERYTHING = frozenset(Category)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MiB of our own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a disk that fills; mounting a small tmpfs needs root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"NOT TESTED: a disk that fills; mount said {mounted.stderr!r}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


class Box:
    """A journal, its watch, and a clock that goes a second a report."""

    def __init__(self, journal: Journal, watch: Watch, make: MakeReport) -> None:
        self.journal, self.watch, self._make = journal, watch, make
        self.n = 0

    async def keep(self, category: Category = Category.VITALS, n: int = 1) -> None:
        at = [NOON + timedelta(seconds=self.n + one) for one in range(1, n + 1)]
        await self.journal.keep([self._make(at=one, category=category, raw=RAW) for one in at], device_id="4E-044")
        self.n += n

    async def fill(self, until: Level, category: Category = Category.VITALS) -> int:
        """Keep until the watch sees `until`; how many that took. It looks often, and does not act."""
        for kept in range(0, 8000, EACH):
            if await self.watch.look() >= until:
                return kept
            try:
                await self.keep(category, EACH)
            except StoreError:
                assert until is Level.FULL
        raise AssertionError(f"{until} was never reached")

    async def deliver(self, limit: int = 10_000) -> int:
        """What a dispatcher writes for at most `limit` reports; how many there were."""
        query = partial(cursors.batch, destination="engine", now=utc_now(), order="device")
        done = 0
        while done < limit and (items := (await self.journal.read(partial(query, limit=min(64, limit - done)))).items):
            pins = [(item.report, Pin(f"id{item.report}", os.urandom(5600))) for item in items]
            results = [Result(item=item, state=State.DELIVERED, unpin=True) for item in items]
            await self.journal.write(partial(cursors.pin, destination="engine", pins=pins))
            await self.journal.write(
                partial(cursors.settle, destination="engine", results=results, acknowledged=("AA", utc_now()))
            )
            done += len(items)
        return done

    async def line(self) -> Line:
        """The statement's only line; it must balance."""
        found = await self.journal.read(statement)
        assert balanced(found), found
        (line,) = found
        return line

    async def settle(self) -> Level:
        """Look and act until nothing changes any more."""
        before: object = None
        for _ in range(20):
            level = await self.watch.look()
            await self.watch.relieve()
            now = (level, await self.journal.read(lambda conn: conn.execute("SELECT count(*) FROM reports").fetchone()))
            if now == before:
                return level
            before = now
        raise AssertionError("it never came to rest")


@pytest.fixture
async def box(disk: Path, make_report: MakeReport) -> AsyncIterator[Box]:
    async with opened(disk, make_report) as made:
        yield made


@contextlib.asynccontextmanager
async def opened(folder: Path, make_report: MakeReport, max_bytes: int | None = None) -> AsyncIterator[Box]:
    journal = await Journal.open(folder, name="g", reserve_bytes=RESERVE, max_bytes=max_bytes)
    await journal.use({"engine": EVERYTHING})
    ticks = iter(range(0, 10**9, 100))  # long after the last look, each time: no rest between two sweeps is waited for
    try:
        yield Box(journal, Watch(journal, DiskSettings(), clock=lambda: float(next(ticks))), make_report)
    finally:
        await journal.close()


def hog(folder: Path, leave: int = 0) -> Path:
    """A foreign file that takes all room but `leave` bytes."""
    path = folder / "hog"
    room = os.statvfs(folder)
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        size = room.f_bavail * room.f_frsize - leave
        os.posix_fallocate(file.fileno(), 0, size) if leave else None
        while not leave and file.write(bytes(4096)) == 4096:
            pass
    return path


MARKS = [
    (0.0, Level.ROOM, Policy()),
    (0.599, Level.ROOM, Policy()),
    (0.60, Level.HISTORY, Policy()),
    (0.70, Level.WAVEFORMS, Policy(waveforms=True)),
    (0.85, Level.TRENDS, Policy(waveforms=True, trend_interval_s=60)),
    (0.99, Level.TRENDS, Policy(waveforms=True, trend_interval_s=60)),
]


@pytest.mark.parametrize(("share", "level", "policy"), MARKS)
def test_the_marks(share: float, level: Level, policy: Policy) -> None:
    marks = Marks(DiskSettings())
    assert (marks.move(share, full=False), marks.policy()) == (level, policy)
    assert marks.move(share, full=True) is Level.FULL
    assert marks.policy() == Policy(waveforms=True, trend_interval_s=60)


def test_a_mark_is_left_two_percent_below_itself() -> None:
    marks = Marks(DiskSettings())
    moved = [marks.move(share, full=False) for share in (0.71, 0.69, 0.681, 0.679, 0.69, 0.59, 0.579)]
    assert [one.name for one in moved] == ["WAVEFORMS", "WAVEFORMS", "WAVEFORMS", "HISTORY", "HISTORY", "HISTORY", "ROOM"]


async def test_delivered_reports_are_forgotten_before_anything_is_given_up(box: Box) -> None:
    await box.fill(Level.HISTORY)
    await box.deliver()
    kept = box.n
    assert await box.settle() is Level.ROOM
    assert (await box.journal.read(lambda conn: conn.execute("SELECT min(id) FROM reports").fetchone()))[0] > 1, "the oldest went"
    line = await box.line()
    assert (line.received, line.delivered, line.dropped) == (kept, kept, {})


async def test_waiting_reports_are_not_history(box: Box) -> None:
    kept = await box.fill(Level.HISTORY)
    assert await box.settle() is Level.HISTORY
    assert (await box.line()).waiting == kept


async def test_waveforms_go_first_then_trends_are_thinned_and_results_stay(box: Box) -> None:
    await box.keep(Category.LAB, 50)
    await box.keep(Category.WAVEFORMS, 250)
    assert await box.fill(Level.TRENDS) > 300
    trends = box.n - 300
    assert await box.settle() < Level.TRENDS
    line = await box.line()
    assert line.dropped == {WAITING_WAVEFORMS: 250}, "that was room enough: no trend was touched"
    await box.fill(Level.TRENDS)
    more = box.n - 300
    assert await box.settle() < Level.TRENDS
    line = await box.line()
    assert line.dropped[WAITING_TRENDS] > 0
    assert line.received == 300 + more
    rows = await box.journal.read(lambda conn: dict(conn.execute("SELECT category, count(*) FROM reports GROUP BY 1").fetchall()))
    assert rows["lab"] == 50
    assert rows["vitals"] == more - line.dropped[WAITING_TRENDS]
    assert more > trends


async def test_of_thinned_trends_one_a_minute_is_left_oldest_first(box: Box) -> None:
    await box.fill(Level.TRENDS)
    await box.settle()
    rows = await box.journal.read(lambda conn: conn.execute("SELECT received_at FROM reports ORDER BY id").fetchall())
    seconds = [round((datetime.fromisoformat(at) - NOON).total_seconds()) for (at,) in rows]
    line = await box.line()
    thinned = [later - earlier for earlier, later in pairwise(seconds) if later - earlier > 1]
    assert seconds[0] == 1, "the first of all is left"
    assert set(thinned[:-1]) <= {60}
    assert seconds[-1] == box.n, "the newest is left"
    assert line.dropped == {WAITING_TRENDS: box.n - len(seconds)}


async def test_intake_stops_before_the_disk_is_full_and_goes_on_by_itself_when_receivers_are_back(box: Box, disk: Path) -> None:
    await box.fill(Level.FULL, Category.LAB)
    left = os.statvfs(disk)
    assert left.f_bavail * left.f_frsize > RESERVE // 4, "it is not the disk that said no"
    assert box.journal.reserve.whole
    with pytest.raises(StoreError, match="the disk is nearly full"):
        await box.keep()
    await box.watch.relieve()
    line = await box.line()
    assert line.dropped == {}, "results are never dropped"
    assert await box.deliver() == line.received
    assert await box.settle() is Level.ROOM
    await box.keep()
    assert (await box.line()).waiting == 1


async def test_a_foreign_file_stops_intake_and_outcomes_are_recorded_with_the_reserve(
    box: Box, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await box.keep(Category.LAB, 50)
    retention.fold_log(disk)  # else the log's own length would do for a while
    foreign = hog(disk)
    with pytest.raises(StoreError, match="the disk is nearly full"):
        await box.keep()
    assert await box.watch.look() is Level.FULL
    assert await box.deliver() == 50
    assert not box.journal.reserve.whole, "that was what the reserve is for"
    with caplog.at_level(logging.INFO, "gateway"):
        assert await box.settle() is Level.FULL, "what is forgotten does not help: others have the disk"
        foreign.unlink()
        assert await box.settle() is Level.ROOM
    assert box.journal.reserve.whole
    assert "everything is kept" in caplog.text
    await box.keep()
    line = await box.line()
    assert (line.received, line.delivered, line.waiting) == (51, 50, 1)


async def test_a_gateway_that_is_restarted_on_a_full_disk_drains(disk: Path, make_report: MakeReport) -> None:
    async with opened(disk, make_report) as before:
        await before.keep(Category.LAB, 50)
    foreign = hog(disk)
    async with opened(disk, make_report) as box:
        with pytest.raises(StoreError):
            await box.keep()
        assert await box.deliver() == 50
        foreign.unlink()
        assert await box.settle() is Level.ROOM
        await box.keep()
        assert (await box.line()).waiting == 1


async def test_a_connection_that_must_be_opened_anew_on_a_full_disk_gets_the_reserve_for_an_outcome(
    disk: Path, make_report: MakeReport
) -> None:
    async with opened(disk, make_report) as box:
        await box.keep(Category.LAB)
        writer = box.journal._writer
        assert writer._conn is not None
        writer._conn.close()  # as after an I/O error; nobody else has the file open, so its log and index are gone
        writer._conn = None
        hog(disk)
        with pytest.raises(StoreError):
            await box.keep()
        assert box.journal.reserve.whole, "intake does not get it"
        await box.journal.write(lambda tx: cursors.trouble(tx, "engine", "x"))
        assert not box.journal.reserve.whole


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB that turns read-only at the first error, as Linux does with a failing disk."""
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(48 * MIB)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop,errors=remount-ro", str(image), str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"NOT TESTED: a file system that turns read-only; it needs root, mkfs.ext4 and a loop device: {error}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fail(folder: Path) -> None:
    """The kernel finds an error on the disk (ext4 documentation, sysfs attribute trigger_fs_error)."""
    (device,) = [line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if line.split()[1] == str(folder)]
    trigger = Path("/sys/fs/ext4") / Path(device).name / "trigger_fs_error"
    if not os.access(trigger, os.W_OK):
        pytest.skip("NOT TESTED: a file system that turns read-only; this kernel cannot be asked to")
    trigger.write_text("1\n")


async def test_on_a_disk_that_turns_read_only_nothing_is_taken_and_nothing_lost(failing: Path, make_report: MakeReport) -> None:
    async with opened(failing, make_report) as box:
        await box.keep(Category.LAB, 50)
        fail(failing)
        for _ in range(3):
            with pytest.raises(StoreError):
                await box.keep()
            with pytest.raises(StoreError):
                await box.journal.write(lambda tx: cursors.trouble(tx, "engine", "x"))
        assert (await box.line()).waiting == 50, "what was acknowledged can still be read"
    image = failing.with_name("image")
    subprocess.run(["umount", str(failing)], check=True)
    subprocess.run(["fsck.ext4", "-p", "-f", str(image)], check=False, capture_output=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(failing)], check=True)
    async with opened(failing, make_report) as box:
        await box.keep(Category.LAB)
        assert (await box.line()).waiting == 51
        assert await box.deliver() == 51


async def test_what_a_policy_keeps_out_is_received_and_dropped_once_the_disk_takes_counts_again(
    disk: Path, make_report: MakeReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drops, "FLUSH_S", 0.01)
    async with opened(disk, make_report, max_bytes=12 * MIB) as box:
        await box.journal.use({"engine": EVERYTHING, "lis": frozenset({Category.LAB})})
        await box.fill(Level.FULL)
        box.journal.drop("4E-044", Category.WAVEFORMS, "a policy", 3)
        assert await box.deliver() > 0
        async with asyncio.timeout(5):
            while (lines := {one.destination: one for one in await box.journal.read(statement)})["engine"].dropped == {}:
                assert balanced(list(lines.values()))
                await box.settle()
                await asyncio.sleep(0.01)
        assert lines["engine"].dropped == {"a policy": 3}
        assert "lis" not in lines, "it takes no waveforms"
        assert balanced(list(lines.values()))
        received = lines["engine"].received
        box.journal.drop("4E-044", Category.WAVEFORMS, "a policy", 2)
    async with opened(disk, make_report) as box:
        (line,) = await box.journal.read(statement)
        assert (line.received, line.dropped) == (received + 2, {"a policy": 5}), "closing writes what is left"


async def test_the_quota_works_like_a_disk(disk: Path, make_report: MakeReport) -> None:
    async with opened(disk, make_report, max_bytes=12 * MIB) as box:
        await box.fill(Level.FULL, Category.LAB)
        assert (disk / FILE).stat().st_size <= 12 * MIB
        state = box.watch.state
        assert state is not None
        assert (state.space.limit, state.space.room) == ("quota", 0)
        with pytest.raises(StoreError, match="deliver or prune, or raise the limit"):
            await box.keep()
        assert await box.deliver() == (await box.line()).received
        assert await box.settle() is Level.ROOM
        await box.keep()


async def test_what_outcomes_may_still_take_is_kept_free_for_them(disk: Path, make_report: MakeReport) -> None:
    """Small reports, three destinations, and for all of them nobody knows the patient: that is to be noted of each."""
    async with opened(disk, make_report, max_bytes=12 * MIB) as box:
        names = ("engine", "second", "third")
        await box.journal.use(dict.fromkeys(names, EVERYTHING))
        while await box.watch.look() < Level.FULL:
            with contextlib.suppress(StoreError):
                await box.journal.keep([make_report(at=NOON)] * 250, device_id="4E-044")
        for name in names:
            query = partial(cursors.batch, destination=name, now=utc_now(), limit=1000, order="device")
            while items := (await box.journal.read(query)).items:
                results = [Result(item=item, state=State.HELD, reason="no patient is known for its time") for item in items]
                await box.journal.write(partial(cursors.settle, destination=name, results=results))
        lines = await box.journal.read(statement)
        assert balanced(lines)
        assert {line.held for line in lines} == {lines[0].received}


async def test_other_settings_hold_from_now_on(disk: Path, make_report: MakeReport) -> None:
    async with opened(disk, make_report) as box:
        await box.keep()
        assert await box.watch.look() is Level.ROOM
        await box.watch.use(DiskSettings(reserve_bytes=16 * MIB, history_percent=0.1, waveforms_percent=0.2, trends_percent=0.3))
        assert await box.watch.look() is Level.FULL, "32 MiB do not hold a reserve of 16 MiB twice"
        await box.watch.use(DiskSettings(reserve_bytes=16 * MIB, max_bytes=64 * MIB))
        limit = await box.journal.write(lambda tx: tx.conn.execute("PRAGMA max_page_count").fetchone())
        assert limit == (64 * MIB // 4096,)


async def test_the_log_stays_short_under_load_and_falls_back_once_a_slow_reader_is_gone(
    tmp_path: Path, make_report: MakeReport, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path, make_report) as box:
        log = tmp_path / f"{FILE}-wal"
        longest = 0
        for _ in range(150):  # 25 MB
            await box.keep(n=20)
            await box.journal.read(lambda conn: conn.execute("SELECT max(id) FROM reports").fetchone())
            longest = max(longest, log.stat().st_size)
        assert longest < 8 * MIB, "folded every 4 MB"
        with contextlib.closing(open_reader(tmp_path)) as slow:
            slow.execute("BEGIN")
            slow.execute("SELECT count(*) FROM reports").fetchone()
            for _ in range(90):
                await box.keep(n=100)
            assert log.stat().st_size > 64 * MIB
            await box.watch.look()
            assert "keeps a read of the journal open" in caplog.text
        for _ in range(20):
            await box.keep(n=100)
        assert log.stat().st_size <= WAL_LIMIT
