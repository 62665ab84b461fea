"""A copy is good or there is none; a journal is put back at once or not at all; a moved gateway works on one box only."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.errors import ActError, ConfigError, StoreError
from gateway.model import Category, Report
from gateway.store import audit, backup, bundle, database, moved, unbundle
from gateway.store.entries import entries
from gateway.store.journal import Journal

MakeReport = Callable[..., Report]
NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
TAKES = {"engine": frozenset({Category.VITALS})}


async def keep(folder: Path, reports: list[Report]) -> dict[int, str]:
    """One run that keeps reports; the message ids of all that is there."""
    journal = await Journal.open(folder, name="4-east-1", reserve_bytes=65536)
    await journal.use(TAKES)
    if reports:
        await journal.keep(reports, device_id="4E-044")
    keys = await journal.read(lambda conn: {entry.id: entry.key for entry in entries(conn)})
    await journal.close()
    return keys


# ---- backup


async def test_a_copy_holds_what_the_journal_held_and_is_for_its_owner_alone(tmp_path: Path, make_report: MakeReport) -> None:
    keys = await keep(tmp_path / "data", [make_report(value=f"{n}") for n in range(20)])
    found = backup.backup(tmp_path / "data", tmp_path / "copy")
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    assert (found.gateway, found.rows["reports"], found.damaged) == ("4-east-1", 20, ())
    with closing(sqlite3.connect(f"file:{tmp_path / 'copy'}?mode=ro&immutable=1", uri=True)) as conn:
        assert {entry.id: entry.key for entry in entries(conn)} == keys
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]


async def test_copies_that_are_made_under_load_are_each_one_moment(tmp_path: Path, make_report: MakeReport) -> None:
    journal = await Journal.open(tmp_path / "data", name="g", reserve_bytes=65536)
    await journal.use(TAKES)
    going = True

    async def load() -> None:
        while going:
            await journal.keep([make_report(), make_report()], device_id="4E-044")

    loading = asyncio.create_task(load())
    sizes = []
    for number in range(5):
        found = await asyncio.to_thread(backup.backup, tmp_path / "data", tmp_path / f"copy-{number}")
        with closing(sqlite3.connect(tmp_path / f"copy-{number}")) as conn:
            (received,) = conn.execute("SELECT n FROM tally WHERE what = 'received'").fetchone() or (0,)
        assert found.rows["reports"] == received, "the rows of one moment and the count of another"
        sizes.append(found.rows["reports"])
    going = False
    await loading
    await journal.close()
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0], "nothing was kept meanwhile, so nothing was proved"


async def test_a_copy_of_that_name_is_replaced_only_when_asked(tmp_path: Path, make_report: MakeReport) -> None:
    await keep(tmp_path / "data", [make_report()])
    (tmp_path / "copy").write_text("something else")
    with pytest.raises(ActError, match="is there already"):
        backup.backup(tmp_path / "data", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "something else"
    assert backup.backup(tmp_path / "data", tmp_path / "copy", replace=True).rows["reports"] == 1


async def test_a_damaged_journal_gives_no_copy(tmp_path: Path, make_report: MakeReport) -> None:
    await keep(tmp_path / "data", [make_report(value=f"{n}", raw=bytes(1000)) for n in range(50)])
    path = tmp_path / "data" / database.FILE
    data = bytearray(path.read_bytes())
    at = data.rindex(b"MDC_PULS_OXIM_SAT_O2") // 4096 * 4096
    data[at : at + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises((ActError, StoreError)):
        backup.backup(tmp_path / "data", tmp_path / "copy")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data"]


async def test_a_row_that_is_damaged_in_the_journal_is_named(tmp_path: Path, make_report: MakeReport) -> None:
    await keep(tmp_path / "data", [make_report(raw=b"first raw"), make_report(raw=b"other raw")])
    path = tmp_path / "data" / database.FILE
    path.write_bytes(path.read_bytes().replace(b"other raw", b"0ther raw"))
    assert backup.backup(tmp_path / "data", tmp_path / "copy").damaged == (2,)


def test_a_copy_onto_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    database.open_for_acts(tmp_path / "data").close()
    with pytest.raises(StoreError, match="cannot be written"):
        backup.backup(tmp_path / "data", Path("/proc/copy"))


# ---- restore


async def test_what_is_put_back_is_what_was_copied_and_gives_out_no_id_again(tmp_path: Path, make_report: MakeReport) -> None:
    before = await keep(tmp_path / "data", [make_report(), make_report()])
    backup.backup(tmp_path / "data", tmp_path / "copy")
    gone = await keep(tmp_path / "data", [make_report(value="97")])
    _, former = backup.restore(tmp_path / "data", tmp_path / "copy", aside=True, by="t", now=NOW)
    after = await keep(tmp_path / "data", [make_report(value="96")])
    assert before.items() <= after.items(), "what is sent again has its old ids"
    assert after[3] != gone[3], "a number given out after the copy was made means another report now"
    assert former is not None
    with closing(sqlite3.connect(former)) as conn:
        assert conn.execute("SELECT count(*) FROM reports").fetchone() == (3,)
    with closing(database.open_reader(tmp_path / "data")) as conn:
        assert [(act.by, act.act) for act in audit.acts(conn)] == [("t", "restore")]


async def test_nothing_is_put_over_a_journal_unasked_or_under_a_running_gateway(tmp_path: Path, make_report: MakeReport) -> None:
    await keep(tmp_path / "data", [make_report()])
    backup.backup(tmp_path / "data", tmp_path / "copy")
    with pytest.raises(ActError, match="--force-aside"):
        backup.restore(tmp_path / "data", tmp_path / "copy", aside=False, by="t", now=NOW)
    journal = await Journal.open(tmp_path / "data", name="g", reserve_bytes=65536)
    with pytest.raises(ConfigError, match="another gateway is running"):
        backup.restore(tmp_path / "data", tmp_path / "copy", aside=True, by="t", now=NOW)
    await journal.close()


async def test_a_bad_copy_is_refused_and_the_journal_stays(tmp_path: Path, make_report: MakeReport) -> None:
    keys = await keep(tmp_path / "data", [make_report(raw=bytes(3000)) for _ in range(9)])
    backup.backup(tmp_path / "data", tmp_path / "copy")
    data = (tmp_path / "copy").read_bytes()
    newer = data[:60] + (99).to_bytes(4, "big") + data[64:]
    no_map = data[:4096] + bytes(4096) + data[8192:]  # the pointer map: no query ever looks at it
    for bad in (b"", b"no database at all" * 300, data[: len(data) // 2 // 4096 * 4096], newer, no_map):
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(ActError):
            backup.restore(tmp_path / "data", tmp_path / "bad", aside=True, by="t", now=NOW)
    with pytest.raises(ActError, match="no such file"):
        backup.restore(tmp_path / "data", tmp_path / "nothing", aside=True, by="t", now=NOW)
    assert await keep(tmp_path / "data", []) == keys
    assert not list((tmp_path / "data").glob("*aside*"))


async def test_a_copy_goes_into_an_empty_folder_unasked(tmp_path: Path, make_report: MakeReport) -> None:
    keys = await keep(tmp_path / "data", [make_report()])
    backup.backup(tmp_path / "data", tmp_path / "copy")
    assert backup.restore(tmp_path / "other", tmp_path / "copy", aside=False, by="t", now=NOW)[1] is None
    assert await keep(tmp_path / "other", []) == keys


# ---- bundle


@pytest.fixture
async def box(tmp_path: Path, make_report: MakeReport) -> tuple[Path, Path]:
    """A gateway that stands still: its data folder and its configuration, with terms, a certificate and a key."""
    etc = tmp_path / "etc"
    (etc / "terms").mkdir(parents=True)
    (etc / "terms" / "site.csv").write_text("a,b\n")
    (etc / "gw.pem").write_text("a certificate")
    (etc / "gw.key").write_text("a secret")
    (tmp_path / "elsewhere.pem").write_text("an authority")
    (etc / "w.toml").write_text(
        f'[gateway]\ndata = "{tmp_path / "data"}"\nterms = "{etc / "terms"}"\n'
        f'[[destination]]\ntls = {{ ca = "{tmp_path / "elsewhere.pem"}", cert = "{etc / "gw.pem"}", key = "{etc / "gw.key"}" }}\n'
        '[[destination]]\ntls = { key = "credential:gw.key" }\n'
    )
    await keep(tmp_path / "data", [make_report(), make_report()])
    return tmp_path / "data", etc / "w.toml"


def pack(box: tuple[Path, Path], target: Path, *, keys: bool = False) -> bundle.Bundle:
    return bundle.pack(*box, target, keys=keys, by="t", now=NOW)


async def test_a_moved_gateway_goes_on_elsewhere_and_not_here(box: tuple[Path, Path], tmp_path: Path) -> None:
    folder, config = box
    with closing(database.open_reader(folder)) as conn:
        keys = {entry.id: entry.key for entry in entries(conn)}
    pack(box, tmp_path / "b.tar")
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600
    for opened in (Journal.open(folder, name="g"), asyncio.to_thread(database.open_for_acts, folder)):
        with pytest.raises(ConfigError, match=r"was moved into the bundle .*b\.tar by t"):
            await opened
    folder.rename(tmp_path / "old box")
    text = config.read_text()
    config.unlink()
    (config.parent / "terms" / "site.csv").unlink()
    placed = unbundle.unpack(tmp_path / "b.tar", config, aside=False, by="t", now=NOW)
    assert config.read_text() == text
    assert (config.parent / "terms" / "site.csv").read_text() == "a,b\n"
    assert placed.aside is None
    assert await keep(folder, []) == keys
    assert {stat.S_IMODE(path.stat().st_mode) for path in placed.files} == {0o600}


async def test_keys_come_along_only_when_asked(box: tuple[Path, Path], tmp_path: Path) -> None:
    _, config = box
    made = pack(box, tmp_path / "without.tar")
    assert b"a secret" not in (tmp_path / "without.tar").read_bytes()
    assert made.missing == [
        str(tmp_path / "elsewhere.pem"),
        *(str(config.parent / f"gw.{end}") for end in ("pem", "key")),
        "credential:gw.key",
    ]
    assert pack(box, tmp_path / "with.tar", keys=True).missing == ["credential:gw.key"]
    assert b"a secret" in (tmp_path / "with.tar").read_bytes()


async def test_what_stood_outside_the_configurations_folder_is_laid_beside_it(box: tuple[Path, Path], tmp_path: Path) -> None:
    folder, config = box
    pack(box, tmp_path / "b.tar", keys=True)
    folder.rename(tmp_path / "old box")
    (tmp_path / "elsewhere.pem").unlink()
    placed = unbundle.unpack(tmp_path / "b.tar", config, aside=False, by="t", now=NOW)
    ((lies, stood),) = placed.to_place.items()
    assert stood == str(tmp_path / "elsewhere.pem")
    assert Path(lies).read_text() == "an authority"
    assert Path(lies).parent == config.parent / "unbundled"
    assert not (tmp_path / "elsewhere.pem").exists()


async def test_what_is_in_the_way_stops_it_before_anything_is_changed(box: tuple[Path, Path], tmp_path: Path) -> None:
    folder, config = box
    pack(box, tmp_path / "b.tar")
    was = (folder / database.FILE).read_bytes()
    folder.rename(tmp_path / "old box")
    config.write_text("# another configuration\n")
    with pytest.raises(ActError, match=r"in the way.*w\.toml"):
        unbundle.unpack(tmp_path / "b.tar", config, aside=False, by="t", now=NOW)
    assert config.read_text() == "# another configuration\n"
    assert not (folder / database.FILE).exists()
    unbundle.unpack(tmp_path / "b.tar", config, aside=True, by="t", now=NOW)
    (former,) = config.parent.glob("w.toml.aside-*")
    assert former.read_text() == "# another configuration\n"
    assert was


async def test_a_gateway_that_comes_home_works_here_again(box: tuple[Path, Path], tmp_path: Path) -> None:
    pack(box, tmp_path / "b.tar")
    placed = unbundle.unpack(tmp_path / "b.tar", box[1], aside=True, by="t", now=NOW)
    assert placed.aside is not None
    assert placed.aside.exists()
    assert len(await keep(box[0], [])) == 2


async def test_a_bundle_that_could_not_be_made_leaves_the_gateway_usable(box: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        pack(box, tmp_path / "no such folder" / "b.tar")
    with pytest.raises(ActError, match="is there already"):
        pack(box, box[1])
    assert moved.read(box[0]) is None
    left = {path.name.removesuffix("-shm").removesuffix("-wal") for path in box[0].iterdir()}
    assert left == {"journal.lock", "journal.reserve", "journal.sqlite3"}


def test_a_running_gateway_is_not_moved(box: tuple[Path, Path], tmp_path: Path) -> None:
    handle = database.lock(box[0])
    with pytest.raises(ConfigError, match="another gateway is running"):
        pack(box, tmp_path / "b.tar")
    os.close(handle)
    assert not (tmp_path / "b.tar").exists()


def forged(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], listed: list[dict[str, object]]) -> Path:
    """A bundle made by hand, with what it lists and what it holds."""
    path = tmp_path / "forged.tar"
    manifest = json.dumps({"format": 1, "members": listed, "missing": [], "journal": {}}).encode()
    with tarfile.open(path, "w") as archive:
        first = tarfile.TarInfo("manifest.json")
        first.size = len(manifest)
        archive.addfile(first, io.BytesIO(manifest))
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


def entry(name: str, data: bytes, **changed: object) -> tuple[tuple[tarfile.TarInfo, bytes], dict[str, object]]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    listed = {"name": name, "path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **changed}
    return (info, data), listed


def link(name: str) -> tuple[tuple[tarfile.TarInfo, bytes], dict[str, object]]:
    (info, data), listed = entry(name, b"")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return (info, data), listed


HOSTILE: dict[str, Callable[[], tuple[tuple[tarfile.TarInfo, bytes], dict[str, object]]]] = {
    "a way out": lambda: entry("../out", b"x"),
    "an absolute name": lambda: entry("/tmp/out", b"x"),
    "a name that is a place": lambda: entry("files/..", b"x"),
    "another content": lambda: entry("files/001-x", b"x", sha256="0" * 64),
    "another size": lambda: entry("files/001-x", b"x", size=2),
    "a size beyond all": lambda: entry("files/001-x", b"x", size=2**40),
    "a number that is none": lambda: entry("files/001-x", b"x", size="many"),
    "no file but a link": lambda: link("files/001-x"),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_bundle_is_refused_and_changes_nothing(
    tmp_path: Path, make_report: MakeReport, hostile: Callable[[], tuple[tuple[tarfile.TarInfo, bytes], dict[str, object]]]
) -> None:
    await keep(tmp_path / "was", [make_report()])
    backup.backup(tmp_path / "was", tmp_path / "copy")
    parts = [
        entry("wardlink.toml", f'[gateway]\ndata = "{tmp_path / "data"}"\n'.encode()),
        entry("journal.sqlite3", (tmp_path / "copy").read_bytes()),
        hostile(),
    ]
    path = forged(tmp_path, [member for member, _ in parts], [listed for _, listed in parts])
    with pytest.raises(ActError):
        unbundle.unpack(path, tmp_path / "etc" / "w.toml", aside=True, by="t", now=NOW)
    assert not (tmp_path / "etc" / "w.toml").exists()
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "data" / database.FILE).exists()
    good = forged(tmp_path, [member for member, _ in parts[:2]], [listed for _, listed in parts[:2]])
    unbundle.unpack(good, tmp_path / "etc" / "w.toml", aside=False, by="t", now=NOW)
    assert (tmp_path / "data" / database.FILE).exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
async def test_a_bundle_that_was_cut_short_is_refused(box: tuple[Path, Path], tmp_path: Path, share: float) -> None:
    pack(box, tmp_path / "b.tar")
    box[0].rename(tmp_path / "old box")
    whole = (tmp_path / "b.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: int((len(whole) - 10240) * share)])
    with pytest.raises(ActError):
        unbundle.unpack(tmp_path / "cut.tar", box[1], aside=False, by="t", now=NOW)
    assert not (box[0] / database.FILE).exists()
