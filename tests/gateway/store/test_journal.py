"""What is kept is kept: once, durably, alone in its folder, and readable from outside."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.errors import ConfigError, LocalProtocolError, StoreError
from gateway.model import Category, Report
from gateway.store import cursors, database, status
from gateway.store.entries import entries
from gateway.store.journal import Journal, open_reader
from gateway.store.statement import statement
from gateway.store.writer import Transaction

MakeReport = Callable[..., Report]
AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


async def test_ids_rise_and_a_repeat_has_none(journal: Journal, make_report: MakeReport) -> None:
    first, repeat, other = make_report(identity="a"), make_report(identity="a"), make_report(identity="b")
    one, none, two = await journal.keep([first, repeat, other], device_id="4E-044")
    assert one is not None
    assert none is None
    assert two is not None
    assert one < two
    assert await journal.keep([repeat], device_id="4E-044") == [None]


async def test_the_same_identity_of_another_device_is_no_repeat(journal: Journal, make_report: MakeReport) -> None:
    assert await journal.keep([make_report(identity="a")], device_id="4E-044") == [1]
    assert await journal.keep([make_report(identity="a")], device_id="4E-045") == [2]


async def test_without_identity_equal_reports_are_different_reports(journal: Journal, make_report: MakeReport) -> None:
    assert await journal.keep([make_report(), make_report()], device_id="4E-044") == [1, 2]


async def test_repeats_are_counted(journal: Journal, make_report: MakeReport) -> None:
    await journal.keep([make_report(identity="a")], device_id="4E-044")
    await journal.keep([make_report(identity="a")], device_id="4E-044")
    counted = await journal.read(status.counters)
    assert [(one.device, one.what, one.n) for one in counted] == [("4E-044", "repeat", 1)]


async def test_a_row_comes_back_as_the_report_that_was_kept(journal: Journal, make_report: MakeReport) -> None:
    kept = make_report(value="98.60", raw=bytes(range(256)))
    await journal.keep([kept], device_id="4E-044")
    (entry,) = await journal.read(lambda conn: list(entries(conn)))
    assert entry.report == kept
    assert (entry.id, entry.epoch) == (1, journal.epoch)
    assert len(entry.key) == 20


async def test_a_row_can_be_read_with_any_sqlite_tool(tmp_path: Path, journal: Journal, make_report: MakeReport) -> None:
    await journal.keep([make_report(value="98", at=AT.astimezone())], device_id="4E-044")
    sql = "SELECT device, received_at, json_extract(payload, '$.observations[0].value'), hex(raw) FROM reports"
    with closing(sqlite3.connect(tmp_path / "data" / "journal.sqlite3")) as conn:
        assert conn.execute(sql).fetchall() == [("4E-044", "2026-11-21T08:00:00.000000Z", "98", "010200")]


async def test_a_reader_outside_sees_what_was_kept_and_cannot_write(
    tmp_path: Path, journal: Journal, make_report: MakeReport
) -> None:
    await journal.keep([make_report()], device_id="4E-044")
    with closing(open_reader(tmp_path / "data")) as conn:
        assert conn.execute("SELECT count(*) FROM reports").fetchone() == (1,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            conn.execute("DELETE FROM reports")


async def test_a_reader_works_when_no_gateway_runs(tmp_path: Path, make_report: MakeReport) -> None:
    journal = await Journal.open(tmp_path, name="g", reserve_bytes=65536)
    await journal.keep([make_report()], device_id="4E-044")
    await journal.close()
    with closing(open_reader(tmp_path)) as conn:
        assert conn.execute("SELECT count(*) FROM reports").fetchone() == (1,)


async def test_files_are_for_their_owner_alone(tmp_path: Path, journal: Journal, make_report: MakeReport) -> None:
    await journal.keep([make_report()], device_id="4E-044")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    assert {"journal.sqlite3", "journal.sqlite3-wal"} <= modes.keys()
    assert set(modes.values()) == {0o600}


async def test_every_commit_is_synced_to_a_write_ahead_log(journal: Journal) -> None:
    def pragmas(tx: Transaction) -> list[object]:
        names = ("journal_mode", "synchronous", "auto_vacuum", "busy_timeout")
        return [tx.conn.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert await journal.write(pragmas) == ["wal", 2, 2, 5000]  # FULL is 2, INCREMENTAL is 2


async def test_two_gateways_cannot_share_a_folder(tmp_path: Path, journal: Journal) -> None:
    with pytest.raises(ConfigError, match="another gateway is running"):
        await Journal.open(tmp_path / "data", name="other")


async def test_the_folder_is_free_again_after_close(tmp_path: Path) -> None:
    for _ in range(2):
        await (await Journal.open(tmp_path, name="g", reserve_bytes=65536)).close()


async def test_the_eui64_is_made_once_and_kept(tmp_path: Path) -> None:
    seen = []
    for name in ("a", "b"):
        journal = await Journal.open(tmp_path, name=name, reserve_bytes=65536)
        seen.append((journal.gateway.eui64, journal.gateway.name))
        await journal.close()
    assert [name for _, name in seen] == ["a", "b"]
    (eui64,) = {eui64 for eui64, _ in seen}
    assert len(eui64) == 16
    assert int(eui64[:2], 16) & 0b11 == 0b10, "locally administered, individual"


async def test_a_configured_eui64_wins_and_stays(tmp_path: Path) -> None:
    for given, expected in ((None, None), ("02-a1-b2-ff-fe-c3-d4-e5", "02A1B2FFFEC3D4E5"), (None, "02A1B2FFFEC3D4E5")):
        journal = await Journal.open(tmp_path, name="g", eui64=given, reserve_bytes=65536)
        assert expected is None or journal.gateway.eui64 == expected
        await journal.close()


async def test_an_eui64_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected 16 hex digits"):
        await Journal.open(tmp_path, name="g", eui64="12345")
    await (await Journal.open(tmp_path, name="g", reserve_bytes=65536)).close()


async def test_fragments_end_with_their_transmission(journal: Journal, make_report: MakeReport) -> None:
    await journal.keep_fragment("LAB-02", b"\x021H|", AT)
    await journal.keep_fragment("LAB-03", b"\x021H|", AT)
    await journal.keep([make_report("LAB-02")], device_id="LAB-02", ends_transmission=True)
    left = await journal.read(lambda conn: conn.execute("SELECT device FROM fragments").fetchall())
    assert left == [("LAB-03",)]


async def test_a_failed_keep_leaves_the_fragments(journal: Journal, make_report: MakeReport) -> None:
    await journal.keep_fragment("LAB-02", b"\x021H|", AT)
    await journal.write(
        lambda tx: tx.conn.execute("CREATE TRIGGER t BEFORE INSERT ON reports BEGIN SELECT RAISE(ABORT, 'no'); END")
    )
    with pytest.raises(StoreError):
        await journal.keep([make_report("LAB-02")], device_id="LAB-02", ends_transmission=True)
    left = await journal.read(lambda conn: conn.execute("SELECT device FROM fragments").fetchall())
    assert left == [("LAB-02",)]


async def test_fragments_of_a_crash_are_shown_as_incomplete(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path, name="g", reserve_bytes=65536)
    await journal.keep_fragment("LAB-02", b"first", AT)
    await journal.keep_fragment("LAB-02", b"second", AT + timedelta(seconds=1))
    await journal.close()
    journal = await Journal.open(tmp_path, name="g", reserve_bytes=65536)
    (broken,) = await journal.read(status.incomplete)
    assert (broken.device, broken.raw, broken.reason, broken.received_at) == ("LAB-02", b"firstsecond", "gateway restarted", AT)
    assert await journal.read(lambda conn: conn.execute("SELECT count(*) FROM fragments").fetchone()) == (0,)
    await journal.close()


INCOMPLETE = {
    "what the codec accepted is what is kept": ([b"one", b"two"], b"onetwo", b"onetwo"),
    "without it the fragments are": ([b"one", b"two"], b"", b"onetwo"),
    "a shorter word of the codec never hides acknowledged bytes": ([b"one", b"two"], b"x", b"onetwox"),
    "no fragments at all": ([], b"half", b"half"),
}


@pytest.mark.parametrize(("fragments", "raw", "expected"), INCOMPLETE.values(), ids=INCOMPLETE)
async def test_an_incomplete_transmission_replaces_its_fragments(
    journal: Journal, fragments: list[bytes], raw: bytes, expected: bytes
) -> None:
    for fragment in fragments:
        await journal.keep_fragment("LAB-02", fragment, AT)
    await journal.keep_incomplete("LAB-02", raw, AT, "cable")
    (broken,) = await journal.read(status.incomplete)
    assert (broken.raw, broken.reason) == (expected, "cable")
    assert await journal.read(lambda conn: conn.execute("SELECT count(*) FROM fragments").fetchone()) == (0,)


async def test_counts_ride_with_the_next_commit(journal: Journal, make_report: MakeReport) -> None:
    await journal.count("4E-044", "checksum")
    await journal.count("4E-044", "checksum", 2)
    await journal.keep([make_report()], device_id="4E-044")
    counted = await journal.read(status.counters)
    assert [(one.what, one.n) for one in counted] == [("checksum", 3)]


async def test_counts_of_a_silent_line_are_written_at_close(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path, name="g", reserve_bytes=65536)
    await journal.count("4E-044", "garbage")
    await journal.close()
    with closing(open_reader(tmp_path)) as conn:
        assert [(one.what, one.n) for one in status.counters(conn)] == [("garbage", 1)]


async def test_counts_survive_a_failed_commit(journal: Journal) -> None:
    await journal.count("4E-044", "garbage")
    with pytest.raises(StoreError):
        await journal.write(lambda tx: tx.conn.execute("INSERT INTO nowhere VALUES (1)"))
    await journal.write(lambda _tx: None)
    assert [(one.what, one.n) for one in await journal.read(status.counters)] == [("garbage", 1)]


async def test_words_that_are_counted_are_bounded(journal: Journal) -> None:
    for number in range(100):
        await journal.count("4E-044", f"word {number}")
    await journal.write(lambda _tx: None)
    counted = await journal.read(status.counters)
    assert len(counted) == 65
    assert next(one.n for one in counted if one.what == "other") == 36


async def test_one_bad_item_does_not_fail_its_group(journal: Journal, make_report: MakeReport) -> None:
    def bad(_tx: Transaction) -> None:
        raise ZeroDivisionError

    outcomes = await asyncio.gather(
        journal.keep([make_report(identity="a")], device_id="4E-044"),
        journal.write(bad),
        journal.write(lambda tx: tx.conn.execute("INSERT INTO nowhere VALUES (1)")),
        journal.keep([make_report(identity="b")], device_id="4E-044"),
        return_exceptions=True,
    )
    assert outcomes[0] == [1]
    assert isinstance(outcomes[1], ZeroDivisionError)
    assert isinstance(outcomes[2], StoreError)
    assert outcomes[3] == [2]


async def test_many_keepers_share_commits(journal: Journal, make_report: MakeReport) -> None:
    """The writer is held up in one change; what gathers meanwhile goes into few commits, each with one moment."""
    gathered = asyncio.Event()
    release = asyncio.get_running_loop().create_future()

    def slow(_tx: Transaction) -> None:
        asyncio.run_coroutine_threadsafe(_wait(release), loop).result()

    async def _wait(until: asyncio.Future[None]) -> None:
        gathered.set()
        await until

    loop = asyncio.get_running_loop()
    first = asyncio.ensure_future(journal.write(slow))
    await gathered.wait()
    keeps = [asyncio.ensure_future(journal.keep([make_report()], device_id=f"D{n}")) for n in range(150)]
    await asyncio.sleep(0)
    release.set_result(None)
    await asyncio.gather(first, *keeps)
    moments = await journal.read(lambda conn: conn.execute("SELECT count(DISTINCT stored_at) FROM reports").fetchone())
    assert moments == (1,)


async def test_a_report_without_an_offset_in_its_time_is_our_own_mistake(journal: Journal, make_report: MakeReport) -> None:
    with pytest.raises(LocalProtocolError, match="without an offset"):
        await journal.keep([make_report(at=datetime(2026, 11, 21, 8, 0))], device_id="4E-044")  # noqa: DTZ001 - the case


async def test_a_closed_journal_says_so(tmp_path: Path, make_report: MakeReport) -> None:
    journal = await Journal.open(tmp_path, name="g", reserve_bytes=65536)
    await journal.close()
    with pytest.raises(StoreError, match="closed"):
        await journal.keep([make_report()], device_id="4E-044")


async def test_a_locked_journal_refuses_and_recovers(
    tmp_path: Path, make_report: MakeReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 1)
    journal = await Journal.open(tmp_path, name="g", reserve_bytes=65536)
    with closing(sqlite3.connect(tmp_path / "journal.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            await journal.keep([make_report()], device_id="4E-044")
        other.execute("ROLLBACK")
    assert await journal.keep([make_report()], device_id="4E-044") == [1]
    await journal.close()


async def test_a_broken_connection_is_opened_afresh(journal: Journal, make_report: MakeReport) -> None:
    def break_it(tx: Transaction) -> None:
        tx.conn.close()
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(StoreError):
        await journal.write(break_it)
    assert await journal.keep([make_report()], device_id="4E-044") == [1]


async def test_a_report_that_is_no_text_is_our_own_mistake(journal: Journal, make_report: MakeReport) -> None:
    with pytest.raises(LocalProtocolError, match="cannot be written as JSON"):
        await journal.keep([make_report(value="\ud800")], device_id="4E-044")


async def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3").write_bytes(b"this is no database, and it is long enough to be looked at" * 50)
    for open_it in (open_reader, database.open_for_acts):
        with pytest.raises(StoreError, match=r"journal\.sqlite3.*not a database"):
            open_it(tmp_path)


async def test_a_destination_the_journal_was_not_told_of_is_our_own_mistake(journal: Journal) -> None:
    with pytest.raises(LocalProtocolError, match=r"Journal\.use first"):
        await journal.read(lambda conn: cursors.batch(conn, "engine", now=AT, limit=1, order="device"))


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    with closing(database.open_for_acts(tmp_path)) as conn:
        conn.execute("PRAGMA user_version=99")
    for open_it in (database.open_for_acts, open_reader):
        with pytest.raises(StoreError, match="schema 99, this wardlink knows up to "):
            open_it(tmp_path)


def test_an_older_schema_is_read_once_a_gateway_has_opened_it_and_copied_in_any_case(tmp_path: Path) -> None:
    with closing(database.connect(tmp_path)) as conn:
        database.migrate(conn, database.schemas()[:-1])
    with pytest.raises(StoreError, match="start the gateway once, it brings it there; `wardlink backup` copies it as it is"):
        open_reader(tmp_path)
    with closing(database.open_reader(tmp_path, any_schema=True)) as conn:
        assert conn.execute("PRAGMA user_version").fetchone() == (database.schemas()[-2][0],)
    database.open_for_acts(tmp_path).close()
    open_reader(tmp_path).close()


def test_a_migration_happens_wholly_or_not_at_all(tmp_path: Path) -> None:
    with closing(database.open_for_acts(tmp_path)) as conn:
        newest = database.schemas()[-1][0]
        broken = [
            *database.schemas(),
            (newest + 1, "CREATE TABLE extra (x);\nINSERT INTO extra VALUES (1);\nINSERT INTO nowhere VALUES (1);"),
        ]
        with pytest.raises(StoreError, match="left as it was"):
            database.migrate(conn, broken)
        assert conn.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'extra'").fetchone() == (0,)
        assert conn.execute("PRAGMA user_version").fetchone() == (newest,)
        database.migrate(conn, [*database.schemas(), (newest + 1, "CREATE TABLE extra (x);")])
        assert conn.execute("PRAGMA user_version").fetchone() == (newest + 1,)


def test_every_schema_number_is_used_once() -> None:
    numbers = [number for number, _ in database.schemas()]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))


def test_no_journal_no_reader(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no journal"):
        open_reader(tmp_path)


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot make the data folder"):
        await Journal.open(tmp_path / "file" / "data", name="g")


async def test_export_since_finds_the_first_row_of_that_time(journal: Journal, make_report: MakeReport) -> None:
    await journal.keep([make_report() for _ in range(10)], device_id="4E-044")
    times = [f"2026-11-21T08:00:0{second}.000000Z" for second in (0, 0, 1, 1, 1, 3, 5, 5, 7, 9)]
    await journal.write(
        lambda tx: tx.conn.executemany("UPDATE reports SET stored_at = ? WHERE id = ?", [(t, n + 1) for n, t in enumerate(times)])
    )
    found = {since: await journal.read(partial(_first_id, since=AT + timedelta(seconds=since))) for since in (0, 1, 2, 3, 9, 10)}
    assert found == {0: 1, 1: 3, 2: 6, 3: 6, 9: 10, 10: None}


def _first_id(conn: sqlite3.Connection, since: datetime) -> int | None:
    return next((one.id for one in entries(conn, since=since)), None)


VITALS, LAB = frozenset({Category.VITALS}), frozenset({Category.LAB})


async def test_only_what_a_destination_takes_is_received_for_it(journal: Journal, make_report: MakeReport) -> None:
    await journal.use({"engine": VITALS, "lis": LAB})
    await journal.keep([make_report(), make_report(category=Category.LAB), make_report()], device_id="4E-044")
    lines = await journal.read(statement)
    assert [(line.destination, line.received, line.waiting, line.balanced) for line in lines] == [
        ("engine", 2, 2, True),
        ("lis", 1, 1, True),
    ]


CHANGES = {
    "a new destination begins with the oldest": ({}, {"late": VITALS}, (), ("late", 5, 5, 0)),
    "or with the next": ({}, {"late": VITALS}, ("late",), ("late", 2, 2, 0)),
    "one that takes more gets what waits of it": ({"engine": LAB}, {"engine": VITALS | LAB}, (), ("engine", 5, 5, 0)),
    "one that takes less drops by name": ({"engine": VITALS | LAB}, {"engine": LAB}, (), ("engine", 3, 0, 3)),
    "one that leaves keeps what waits": ({"engine": VITALS}, {}, (), ("engine", 3, 3, 0)),
}


@pytest.mark.parametrize(("before", "after", "begin_now", "expected"), CHANGES.values(), ids=CHANGES)
async def test_the_statement_balances_over_changes_of_the_configuration(
    journal: Journal,
    make_report: MakeReport,
    before: dict[str, frozenset[Category]],
    after: dict[str, frozenset[Category]],
    begin_now: tuple[str, ...],
    expected: tuple[str, int, int, int],
) -> None:
    await journal.use(before)
    await journal.keep([make_report() for _ in range(3)], device_id="4E-044")
    await journal.use(after, begin_now=begin_now)
    await journal.keep([make_report() for _ in range(2)], device_id="4E-044")
    (line,) = await journal.read(statement)
    assert (line.destination, line.received, line.waiting, sum(line.dropped.values())) == expected
    assert line.balanced


async def test_a_destination_that_comes_back_gets_what_it_missed(journal: Journal, make_report: MakeReport) -> None:
    for takes in ({"engine": VITALS}, {}, {"engine": VITALS}):
        await journal.use(takes)
        await journal.keep([make_report()], device_id="4E-044")
    (line,) = await journal.read(statement)
    assert (line.received, line.waiting, line.balanced) == (3, 3, True)


async def test_a_failed_change_of_destinations_leaves_the_old_ones(journal: Journal, make_report: MakeReport) -> None:
    await journal.use({"engine": VITALS})
    await journal.write(
        lambda tx: tx.conn.execute("CREATE TRIGGER t BEFORE INSERT ON destinations BEGIN SELECT RAISE(ABORT, 'no'); END")
    )
    with pytest.raises(StoreError):
        await journal.use({"other": VITALS})
    await journal.keep([make_report()], device_id="4E-044")
    (line,) = await journal.read(statement)
    assert (line.destination, line.received, line.balanced) == ("engine", 1, True)


async def test_a_lost_row_makes_the_statement_fail(journal: Journal, make_report: MakeReport) -> None:
    await journal.use({"engine": VITALS})
    await journal.keep([make_report(), make_report()], device_id="4E-044")
    await journal.write(lambda tx: tx.conn.execute("DELETE FROM reports WHERE id = 1"))
    (line,) = await journal.read(statement)
    assert not line.balanced


async def test_only_what_everybody_has_is_pruned(journal: Journal, make_report: MakeReport) -> None:
    await journal.use({"engine": VITALS})
    await journal.keep([make_report(), make_report(category=Category.LAB), make_report()], device_id="4E-044")
    await journal.write(lambda tx: tx.conn.execute("UPDATE destinations SET cursor = 1"))
    later = datetime.now(UTC) + timedelta(days=1)
    assert await journal.prune(datetime(2000, 1, 1, tzinfo=UTC)) == 0
    assert await journal.prune(later) == 2, "the delivered one, and the one nobody takes"
    left = await journal.read(lambda conn: [one.id for one in entries(conn)])
    assert left == [3]
