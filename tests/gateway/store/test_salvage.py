"""Damage of every kind: what was readable is there again under its own number, what is not is counted, nothing else is sent.

The oracle stands outside the journal: what was kept, and on which page of the file the bytes of each report stand. A report is
readable when nothing was done to its page.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.errors import DamagedError, StoreError
from gateway.model import Category, Report, Subject, encode
from gateway.patients.acts import associate
from gateway.store import cursors, database, statement, swap
from gateway.store.cursors import Pin, Result, State
from gateway.store.entries import entries
from gateway.store.epochs import NO_END, Epochs
from gateway.store.integrity import Check
from gateway.store.journal import Journal
from gateway.store.salvages import salvages
from gateway.store.times import utc_now

MakeReport = Callable[..., Report]
AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
PAGE = 4096
KEPT = 60
DELIVERED = 25
TAKES = {"engine": frozenset({Category.VITALS, Category.LAB}), "lis": frozenset({Category.LAB})}


@dataclass
class Oracle:
    """What was kept: number to payload, raw bytes and message id; what each destination has taken."""

    payloads: dict[int, bytes] = field(default_factory=dict)
    raws: dict[int, bytes] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    delivered: set[int] = field(default_factory=set)

    def pages(self, data: bytes) -> dict[int, int]:
        """Number to the page (from 0) on which a report stands, found by its bytes."""
        return {number: data.index(payload) // PAGE for number, payload in self.payloads.items()}


async def work(folder: Path, make_report: MakeReport, *, leave: Path | None = None) -> Oracle:
    """A journal with something in every table; `leave`: a copy as a crash would leave it, taken before it is closed."""
    oracle = Oracle()
    journal = await Journal.open(folder, name="g", reserve_bytes=65536)
    await journal.use(TAKES)
    for device in ("D0", "D1"):
        who = Subject(patient_id=f"SYN-{device}")
        await journal.act(lambda conn, d=device, w=who: associate(conn, d, w, at=AT, by="t", source="test"))  # type: ignore[misc]
    for number in range(1, KEPT + 1):
        device = f"D{number % 3}"
        category = Category.LAB if device == "D2" else Category.VITALS
        report = make_report(device, value=f"{number:04d}", category=category, identity=f"i{number}", raw=b"raw of %04d" % number)
        await journal.keep([report], device_id=device)
        oracle.payloads[number], oracle.raws[number] = encode(report), report.raw
    await journal.keep_fragment("D2", b"half a message", AT)
    await journal.keep_incomplete("D1", b"broken off", AT, "time-out")
    await journal.count("D0", "bad: checksum", 3)
    oracle.keys = {entry.id: entry.key for entry in await journal.read(lambda conn: list(entries(conn)))}
    await settle(journal, "engine", DELIVERED, oracle)
    if leave is not None:
        shutil.copytree(folder, leave)
    await journal.close()
    return oracle


async def settle(journal: Journal, destination: str, n: int, oracle: Oracle) -> None:
    """Deliver the first reports but for one that is parked and one that is held; the next are pinned."""
    found = await journal.read(lambda conn: cursors.batch(conn, destination, now=utc_now(), limit=n, order="device"))
    states = {5: State.PARKED, 7: State.HELD}
    results = [Result(item=item, state=states.get(item.report, State.DELIVERED), unpin=True) for item in found.items]
    await journal.write(lambda tx: cursors.settle(tx, destination, results, ("AA", AT)))
    oracle.delivered = {item.report for item in found.items} - set(states)
    pins = [(number, Pin(oracle.keys[number], oracle.payloads[number])) for number in range(n + 1, n + 5)]
    await journal.write(lambda tx: cursors.pin(tx, destination, pins))


async def recover(folder: Path) -> Journal:
    """Start a gateway on it, as often as its own check says that it must begin anew: once."""
    for _ in range(2):
        journal = await Journal.open(folder, name="g", reserve_bytes=65536)
        try:
            Check(folder, pause=lambda _s: None).check()
        except DamagedError as error:
            journal.guard.meet(error)
            with pytest.raises(StoreError, match="damaged"):
                await journal.keep([], device_id="D0")
            await journal.close()
        else:
            return journal
    raise AssertionError("a salvaged journal was found damaged again")


async def drain(journal: Journal) -> dict[int, tuple[str, bytes]]:
    """Everything that the engine is sent from here on: number to message id and content; what cannot be sent is parked."""
    sent: dict[int, tuple[str, bytes]] = {}
    await journal.use(TAKES)
    while True:
        found = await journal.read(lambda conn: cursors.batch(conn, "engine", now=utc_now(), limit=50, order="device"))
        if not found.items:
            return sent
        results = []
        for item in found.items:
            if item.pin is not None:
                sent[item.report] = (item.pin.message_id, item.pin.body)
            elif item.entry is not None:
                sent[item.report] = (item.entry.key, encode(item.entry.report))
            state = State.DELIVERED if item.report in sent else State.PARKED
            results.append(Result(item=item, state=state, reason=item.fault, unpin=True))
        await journal.write(lambda tx, r=results: cursors.settle(tx, "engine", r))  # type: ignore[misc]


async def check(folder: Path, oracle: Oracle, readable: set[int], make_report: MakeReport, *, hidden: bool = False) -> None:
    """The promise, after whatever was done to the file. `hidden`: it may look whole; then the statement alone tells what is gone."""
    for _ in range(3):  # as often as `gateway.service.run` begins anew
        journal = await recover(folder)
        try:
            await hold(journal, folder, oracle, readable, make_report, hidden=hidden)
        except StoreError:
            assert journal.guard.why, "a refusal that is no damage"
        else:
            return
        finally:
            await journal.close()
    raise AssertionError("it came to no end")


async def hold(
    journal: Journal, folder: Path, oracle: Oracle, readable: set[int], make_report: MakeReport, *, hidden: bool
) -> None:
    """Hold a journal against the oracle, and let it work."""
    await journal.use(TAKES)
    there, salvaged = await journal.read(rows), await journal.read(salvages)
    renamed = any("under which ids" in note for one in salvaged for note in one["notes"])
    keys = {number: there[number][0] for number in there} if renamed else oracle.keys
    kept = {number: (keys[number], oracle.payloads[number], oracle.raws[number]) for number in readable}
    assert {number: there.get(number) for number in readable} == kept
    whole = salvaged or not hidden
    if whole:
        await balanced(journal)
    (new,) = await journal.keep([make_report(identity=f"afterwards {len(there)}")], device_id="D0")
    assert new is not None
    assert new > KEPT, "a number was given out again"
    sent = await drain(journal)
    for number, (key, content) in sent.items():
        if number <= KEPT:
            assert (key, content) == (keys[number], oracle.payloads[number])
    assert readable - oracle.delivered - {5, 7} <= set(sent) | await aside(journal), "readable, and neither sent nor shown"
    if whole:
        await balanced(journal)


def rows(conn: sqlite3.Connection) -> dict[int, tuple[str, bytes, bytes]]:
    """Every report as it stands there, whether it can be understood or not: number to message id, payload, raw bytes."""
    found = conn.execute("SELECT id, CAST(payload AS BLOB), raw FROM reports").fetchall()
    epochs = Epochs(conn, 0, NO_END)
    return {number: (f"{epochs.of(number)}{number:012d}", payload, raw) for number, payload, raw in found}


async def aside(journal: Journal) -> set[int]:
    return {number for (number,) in await journal.read(lambda conn: conn.execute("SELECT report FROM behind").fetchall())}


async def balanced(journal: Journal) -> None:
    lines = await journal.read(statement.statement)
    assert [line for line in lines if not line.balanced] == []
    for day, of_day in (await journal.read(statement.days)).items():
        assert [line for line in of_day if not line.balanced] == [], day


@pytest.fixture
async def sound(tmp_path: Path, make_report: MakeReport) -> tuple[Path, Oracle]:
    """A journal that was closed in order, its files in one folder, and what it holds."""
    folder = tmp_path / "sound"
    return folder, await work(folder, make_report)


@pytest.fixture
async def crashed(tmp_path: Path, make_report: MakeReport) -> tuple[Path, Oracle]:
    """A journal as a crash leaves it: all of it still in the log."""
    return tmp_path / "crashed", await work(tmp_path / "was", make_report, leave=tmp_path / "crashed")


async def test_a_sound_journal_is_not_touched(sound: tuple[Path, Oracle], make_report: MakeReport) -> None:
    folder, oracle = sound
    await check(folder, oracle, set(oracle.payloads), make_report)
    assert not list(folder.glob("*damaged*"))


async def test_whichever_page_is_gone_the_others_are_salvaged(
    sound: tuple[Path, Oracle], tmp_path: Path, make_report: MakeReport
) -> None:
    folder, oracle = sound
    data = (folder / database.FILE).read_bytes()
    stands = oracle.pages(data)
    assert len(set(stands.values())) > 4, "more than one leaf, or the trees are not tried"
    for page in range(len(data) // PAGE):
        copy = tmp_path / f"page-{page}"
        shutil.copytree(folder, copy)
        (copy / database.FILE).write_bytes(data[: page * PAGE] + bytes(PAGE) + data[(page + 1) * PAGE :])
        await check(copy, oracle, {number for number, on in stands.items() if on != page}, make_report)


def flipped(data: bytearray, page: int, rng: random.Random) -> None:
    data[page * PAGE + rng.randrange(PAGE)] ^= 1 << rng.randrange(8)


def garbled(data: bytearray, page: int, rng: random.Random) -> None:
    data[page * PAGE : (page + 1) * PAGE] = rng.randbytes(PAGE)


def exchanged(data: bytearray, page: int, rng: random.Random) -> None:
    other = rng.randrange(len(data) // PAGE)
    data[page * PAGE : (page + 1) * PAGE] = data[other * PAGE : (other + 1) * PAGE]


@pytest.mark.parametrize("damage", [flipped, garbled, exchanged], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("seed", range(8))
async def test_pages_damaged_at_random(
    sound: tuple[Path, Oracle], make_report: MakeReport, damage: Callable[[bytearray, int, random.Random], None], seed: int
) -> None:
    folder, oracle = sound
    rng = random.Random(f"{damage.__name__}/{seed}")
    data = bytearray((folder / database.FILE).read_bytes())
    stands = oracle.pages(bytes(data))
    hit = set(rng.sample(range(len(data) // PAGE), rng.randint(1, 4)))
    for page in hit:
        damage(data, page, rng)
    (folder / database.FILE).write_bytes(data)
    await check(
        folder, oracle, {number for number, on in stands.items() if on not in hit}, make_report, hidden=damage is exchanged
    )


async def test_whatever_byte_of_the_schema_is_no_text(
    sound: tuple[Path, Oracle], tmp_path: Path, make_report: MakeReport
) -> None:
    folder, oracle = sound
    data = (folder / database.FILE).read_bytes()
    for at in range(2000, PAGE, 131):
        copy = tmp_path / f"byte-{at}"
        shutil.copytree(folder, copy)
        (copy / database.FILE).write_bytes(data[:at] + b"\xef" + data[at + 1 :])
        await check(copy, oracle, set(oracle.payloads), make_report)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
async def test_a_file_that_was_cut_short(sound: tuple[Path, Oracle], make_report: MakeReport, share: float) -> None:
    folder, oracle = sound
    data = (folder / database.FILE).read_bytes()
    left = int(len(data) * share)
    stands = oracle.pages(data)
    os.truncate(folder / database.FILE, left)
    await check(folder, oracle, {number for number, on in stands.items() if (on + 1) * PAGE <= left}, make_report)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


NO_JOURNAL: dict[str, Callable[[Path], object]] = {
    "an empty file": lambda path: path.write_bytes(b""),
    "random bytes": lambda path: path.write_bytes(random.Random(7).randbytes(3 * PAGE + 11)),
    "a few bytes": lambda path: path.write_bytes(b"SQLite"),
    "a directory": folder_instead,
}


@pytest.mark.parametrize("put", NO_JOURNAL.values(), ids=NO_JOURNAL.keys())
async def test_what_is_no_journal_is_set_aside_and_a_new_one_begun(
    sound: tuple[Path, Oracle], make_report: MakeReport, put: Callable[[Path], object]
) -> None:
    folder, oracle = sound
    put(folder / database.FILE)
    was = (folder / database.FILE).read_bytes() if (folder / database.FILE).is_file() else None
    await check(folder, oracle, set(), make_report)
    (evidence,) = folder.glob(f"{database.FILE}.damaged-*")
    assert was is None or evidence.read_bytes() == was


async def test_the_damaged_files_are_kept_as_they_were(crashed: tuple[Path, Oracle], make_report: MakeReport) -> None:
    folder, _ = crashed
    wal = folder / f"{database.FILE}-wal"
    broken = bytearray(wal.read_bytes())
    broken[len(broken) // 2] ^= 1
    wal.write_bytes(broken)
    was = (folder / database.FILE).read_bytes()
    await (await recover(folder)).close()
    (log,) = folder.glob(f"{database.FILE}.damaged-*-wal")
    assert log.read_bytes() == broken
    assert log.with_name(log.name.removesuffix("-wal")).read_bytes() == was


async def test_a_crash_alone_is_no_damage(crashed: tuple[Path, Oracle], make_report: MakeReport) -> None:
    folder, oracle = crashed
    await check(folder, oracle, set(oracle.payloads), make_report)
    assert not list(folder.glob("*damaged*"))


async def test_a_log_whose_last_transaction_is_torn_is_no_damage(crashed: tuple[Path, Oracle], make_report: MakeReport) -> None:
    folder, oracle = crashed
    wal = folder / f"{database.FILE}-wal"
    os.truncate(wal, wal.stat().st_size - 100)
    journal = await recover(folder)
    assert {entry.id for entry in await journal.read(lambda conn: list(entries(conn)))} == set(oracle.payloads)
    await journal.close()
    assert not list(folder.glob("*damaged*"))


FRAME = 24 + PAGE


def in_frames(wal: bytes, oracle: Oracle, hit: set[int]) -> set[int]:
    """Reports whose bytes stand in a frame of the log that was not hit."""
    frames = [wal[at : at + FRAME] for at in range(32, len(wal) - FRAME + 1, FRAME)]
    whole = [frame for index, frame in enumerate(frames) if index not in hit]
    return {number for number, payload in oracle.payloads.items() if any(payload in frame for frame in whole)}


@pytest.mark.parametrize("place", ["page", "salt", "checksum"])
@pytest.mark.parametrize("seed", range(4))
async def test_commits_behind_a_damaged_place_in_the_log_are_found(
    crashed: tuple[Path, Oracle], make_report: MakeReport, seed: int, place: str
) -> None:
    folder, oracle = crashed
    path = folder / f"{database.FILE}-wal"
    wal = bytearray(path.read_bytes())
    count = (len(wal) - 32) // FRAME
    hit = random.Random(seed).randrange(count // 4, count // 2)
    wal[32 + hit * FRAME + {"page": 24 + 2000, "salt": 9, "checksum": 17}[place]] ^= 0x10
    path.write_bytes(wal)
    await check(folder, oracle, in_frames(bytes(wal), oracle, {hit}), make_report)
    assert list(folder.glob("*damaged*")), "commits were lost without a word"


async def test_a_log_without_its_header_is_read_all_the_same(crashed: tuple[Path, Oracle], make_report: MakeReport) -> None:
    folder, oracle = crashed
    path = folder / f"{database.FILE}-wal"
    path.write_bytes(bytes(32) + path.read_bytes()[32:])
    await check(folder, oracle, set(oracle.payloads), make_report)


async def test_a_log_of_garbage_beside_a_sound_file_costs_nothing(sound: tuple[Path, Oracle], make_report: MakeReport) -> None:
    folder, oracle = sound
    (folder / f"{database.FILE}-wal").write_bytes(random.Random(3).randbytes(50_000))
    await check(folder, oracle, set(oracle.payloads), make_report)


async def test_a_row_that_is_not_what_was_kept_is_parked_and_never_sent(
    sound: tuple[Path, Oracle], make_report: MakeReport
) -> None:
    folder, oracle = sound
    data = bytearray((folder / database.FILE).read_bytes())
    at = data.index(oracle.payloads[40])
    data[at : at + len(oracle.payloads[40])] = oracle.payloads[40].replace(b"0040", b"0041")  # a value, wrong and well-formed
    (folder / database.FILE).write_bytes(data)
    journal = await recover(folder)
    assert 40 not in await drain(journal)
    parked = await journal.read(lambda conn: conn.execute("SELECT reason FROM behind WHERE report = 40").fetchall())
    assert parked == [("damaged: the journal gave back other bytes than were kept (checksum)",)]
    await balanced(journal)
    await journal.close()


async def test_a_row_that_is_not_what_was_kept_comes_along_and_is_shown_not_lost(
    sound: tuple[Path, Oracle], make_report: MakeReport
) -> None:
    folder, oracle = sound
    data = bytearray((folder / database.FILE).read_bytes())
    at = data.index(oracle.payloads[40])
    data[at : at + len(oracle.payloads[40])] = oracle.payloads[40].replace(b"0040", b"0041")
    page = oracle.pages((folder / database.FILE).read_bytes())[1]
    data[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
    (folder / database.FILE).write_bytes(data)
    journal = await recover(folder)
    assert await journal.read(salvages), "the other page was not met"
    assert 40 not in await drain(journal)
    parked = await journal.read(lambda conn: conn.execute("SELECT reason FROM behind WHERE report = 40").fetchall())
    assert parked == [("damaged: the journal gave back other bytes than were kept (checksum)",)]
    await balanced(journal)
    await journal.close()


async def test_the_check_names_rows_that_are_not_what_was_kept(sound: tuple[Path, Oracle]) -> None:
    folder, oracle = sound
    data = bytearray((folder / database.FILE).read_bytes())
    for wrong in (oracle.raws[12], oracle.payloads[33]):
        data[data.index(wrong) + 3] ^= 0x01
    (folder / database.FILE).write_bytes(data)
    check = Check(folder, pause=lambda _s: None)
    check.check()
    assert (check.progress.state, check.progress.damaged, check.progress.n_damaged) == ("checked", [12, 33], 2)


async def test_an_association_that_is_not_what_was_said_names_nobody(sound: tuple[Path, Oracle]) -> None:
    folder, _ = sound
    data = (folder / database.FILE).read_bytes()
    wrong = data.replace(b'{"patient_id":"SYN-D0"}', b'{"patient_id":"SYN-D9"}')
    assert wrong != data
    (folder / database.FILE).write_bytes(wrong)
    journal = await recover(folder)
    await journal.use(TAKES)
    found = await journal.read(lambda conn: cursors.batch(conn, "engine", now=utc_now(), limit=50, order="device"))
    whose = {item.device: item.worn and item.worn.subject.patient_id for item in found.items if item.category is Category.VITALS}
    assert whose == {"D0": None, "D1": "SYN-D1"}
    await journal.close()


async def test_an_association_whose_place_among_the_reports_changed_names_nobody(sound: tuple[Path, Oracle]) -> None:
    folder, _ = sound
    with closing(sqlite3.connect(folder / database.FILE)) as conn:
        conn.execute("UPDATE associations SET after_report = after_report + 1 WHERE device = 'D0'")
        conn.commit()
    check = Check(folder, pause=lambda _s: None)
    check.check()
    assert check.progress.associations == 1


async def test_what_was_lost_is_counted_by_name(sound: tuple[Path, Oracle], make_report: MakeReport) -> None:
    folder, oracle = sound
    data = (folder / database.FILE).read_bytes()
    stands = oracle.pages(data)
    page = stands[KEPT - 1]
    gone = {number for number, on in stands.items() if on == page}
    (folder / database.FILE).write_bytes(data[: page * PAGE] + bytes(PAGE) + data[(page + 1) * PAGE :])
    journal = await recover(folder)
    lines = {(line.destination, line.device): line for line in await journal.read(statement.statement)}
    for device in ("D0", "D1", "D2"):
        expected = len([number for number in gone - oracle.delivered if f"D{number % 3}" == device])
        assert lines["engine", device].lost == ({"damaged": expected} if expected else {})
    await balanced(journal)
    told = await journal.read(lambda conn: conn.execute("SELECT why, evidence, found FROM salvages").fetchall())
    acts = await journal.read(lambda conn: conn.execute("SELECT by_whom, act FROM audit ORDER BY id DESC LIMIT 1").fetchall())
    assert len(told) == 1
    assert (folder / told[0][1]).exists()
    assert acts == [("wardlink", "salvage")]
    await journal.close()


async def test_everything_but_reports_comes_back_too(crashed: tuple[Path, Oracle], tmp_path: Path) -> None:
    folder, _ = crashed
    tables = (
        "associations",
        "audit",
        "counters",
        "destinations",
        "behind",
        "attempts",
        "tally",
        "epochs",
        "fragments",
        "incomplete",
    )
    with closing(sqlite3.connect(folder / database.FILE)) as conn:
        said = {table: conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}
        (eui64,) = conn.execute("SELECT value FROM meta WHERE key = 'eui64'").fetchone()
    assert all(said.values()), "a table without rows proves nothing"
    header = (folder / database.FILE).read_bytes()
    (folder / database.FILE).write_bytes(bytes(PAGE) + header[PAGE:])  # the schema is gone: only the leaves are left
    from gateway.store.opening import look

    assert look(folder) is not None
    with closing(sqlite3.connect(folder / database.FILE)) as conn:
        found = {table: conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}
        assert conn.execute("SELECT value FROM meta WHERE key = 'eui64'").fetchone() == (eui64,)
    assert found.pop("audit")[: len(said["audit"])] == said.pop("audit")
    assert found == said


async def test_a_destination_whose_row_is_lost_gets_everything_again(sound: tuple[Path, Oracle], make_report: MakeReport) -> None:
    folder, oracle = sound
    with closing(sqlite3.connect(folder / database.FILE)) as conn:
        conn.execute("DELETE FROM destinations WHERE id = 'engine'")
        conn.commit()
    swap.suspect(folder, "a test says so")
    data = bytearray((folder / database.FILE).read_bytes())
    data[oracle.pages(bytes(data))[1] * PAGE + 3] ^= 0xFF  # the cell count of the first leaf
    (folder / database.FILE).write_bytes(data)
    journal = await recover(folder)
    sent = await drain(journal)
    present = {entry.id for entry in await journal.read(lambda conn: list(entries(conn)))}
    assert set(sent) == present
    assert all(sent[number] == (oracle.keys[number], oracle.payloads[number]) for number in present)
    await balanced(journal)
    await journal.close()


async def test_a_suspicion_that_nothing_confirms_changes_nothing(sound: tuple[Path, Oracle], make_report: MakeReport) -> None:
    folder, oracle = sound
    swap.suspect(folder, "a query met something")
    with pytest.raises(StoreError, match="is to be repaired"):
        database.open_for_acts(folder)
    with pytest.raises(StoreError, match="is to be repaired"):
        database.open_reader(folder)
    await check(folder, oracle, set(oracle.payloads), make_report)
    assert not list(folder.glob("*damaged*"))
    assert not (folder / swap.MARK).exists()


async def test_an_index_that_lacks_an_entry_is_found_and_made_anew(sound: tuple[Path, Oracle], make_report: MakeReport) -> None:
    folder, oracle = sound
    with closing(sqlite3.connect(folder / database.FILE, isolation_level=None)) as conn:
        conn.execute("PRAGMA writable_schema=ON")
        was = conn.execute("SELECT sql FROM sqlite_schema WHERE name = 'reports_category'").fetchone()
        conn.execute("UPDATE sqlite_schema SET sql = sql || ' WHERE id <> 50' WHERE name = 'reports_category'")
    with closing(sqlite3.connect(folder / database.FILE, isolation_level=None)) as conn:
        conn.execute("REINDEX reports_category")
        conn.execute("PRAGMA writable_schema=ON")
        conn.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'reports_category'", was)
    with pytest.raises(DamagedError, match="the index by category names"):
        Check(folder, pause=lambda _s: None).check()
    await check(folder, oracle, set(oracle.payloads), make_report)


async def test_a_disk_without_room_for_a_new_file_leaves_the_old_one(
    sound: tuple[Path, Oracle], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = sound
    data = (folder / database.FILE).read_bytes()
    (folder / database.FILE).write_bytes(bytes(PAGE) + data[PAGE:])
    monkeypatch.setattr("gateway.store.salvage.ROOM", 1e9)
    with pytest.raises(StoreError, match=r"no room for a new one: .* MiB are needed"):
        await Journal.open(folder, name="g")
    assert (folder / database.FILE).read_bytes() == bytes(PAGE) + data[PAGE:]


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
async def test_a_swap_that_was_interrupted_is_finished(sound: tuple[Path, Oracle], make_report: MakeReport, steps: int) -> None:
    folder, oracle = sound
    (folder / f"{database.FILE}-wal").write_bytes(b"")
    shutil.copy(folder / database.FILE, folder / "fresh")
    moves = [(f"{database.FILE}{end}", f"old{end}") for end in swap.BESIDE if (folder / f"{database.FILE}{end}").exists()]
    moves.append(("fresh", database.FILE))
    swap._write(folder, swap.Mark("a restore", tuple(moves)))
    for source, target in moves[:steps]:
        (folder / source).rename(folder / target)
    await check(folder, oracle, set(oracle.payloads), make_report)
    assert (folder / "old").exists()
    assert not (folder / "fresh").exists()
