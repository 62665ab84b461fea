"""Copies and moves with real processes: under load, killed in the middle, from one box to another."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.store import backup, opening
from gateway.store.entries import entries
from gateway.store.journal import open_reader
from tests.faults.analyzer import Analyzer
from tests.faults.world import World

CONFIG = """
[[device]]
id = "LAB"
driver = "astm"
profile = "generic"
link = "tcp-listen://127.0.0.1:{port}"

[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
address = "127.0.0.1:{to}"
retry_base_s = 0.2
"""
KILLS = 4
ROWS = 4000


def ids(world: World) -> dict[int, str]:
    with closing(open_reader(world.data)) as conn:
        return {entry.id: entry.key for entry in entries(conn)}


@pytest.mark.slow
async def test_a_copy_made_under_load_is_put_back_and_no_id_comes_twice(world: World) -> None:
    port, to = world.port(), world.port()
    world.configure(CONFIG.format(port=port, to=to))
    receiver = world.receiver(port=to)
    gateway = world.gateway()
    analyzer = Analyzer(port, 3, interval_s="0.01")
    analyzer.start()
    await world.eventually(lambda: len(analyzer.device.acknowledged) > 20, "there is something to copy")
    told = json.loads(world.ask("backup", str(world.folder / "copy"), "--json"))
    then = len(analyzer.device.acknowledged)
    await world.eventually(lambda: len(analyzer.device.acknowledged) > then + 20, "it goes on under the copy")
    await analyzer.stop()
    await world.eventually(lambda: world.drained("lis"), "everything is delivered")
    assert gateway.stop() == 0
    assert 20 < told["rows"]["reports"] <= then + 1, "at most one more than the analyzer has heard of"
    before = ids(world)

    refused = world.run("restore", str(world.folder / "copy"), "--config", str(world.config))
    assert (refused.returncode, b"--force-aside" in refused.stderr) == (2, True)
    world.ask("restore", str(world.folder / "copy"), "--force-aside")
    assert len(ids(world)) == told["rows"]["reports"]
    world.gateway()
    other = Analyzer(port, 4, interval_s="0.01", count="30")
    other.start()
    await world.eventually(lambda: len(other.device.acknowledged) == 30, "the restored gateway works")
    await world.eventually(lambda: world.drained("lis"), "and delivers")
    await other.stop()
    after = ids(world)
    assert set(before.values()) & set(after.values()) == {
        key for number, key in before.items() if number <= told["rows"]["reports"]
    }
    assert receiver.summary()["changed"] == 0, "an id came with two contents"
    acknowledged = {result.specimen for one in (analyzer, other) for result in one.device.acknowledged}
    taken = "".join(receiver.accepted().values())
    assert [one for one in acknowledged if one not in taken] == []
    world.account()


@pytest.mark.slow
async def test_a_gateway_moves_to_another_box_with_its_queue(world: World) -> None:
    port, to = world.port(), world.port()
    world.configure(CONFIG.format(port=port, to=to))
    gateway = world.gateway()
    analyzer = Analyzer(port, 5, interval_s="0.01", count="30")
    analyzer.start()
    await world.eventually(lambda: len(analyzer.device.acknowledged) == 30, "there is a queue")
    await analyzer.stop()
    bundle = world.folder / "gateway.tar"
    running = world.run("bundle", str(bundle), "--config", str(world.config))
    assert (running.returncode, b"another gateway is running" in running.stderr) == (2, True)
    assert gateway.stop() == 0
    queue = ids(world)
    assert "sends nothing any more" in world.ask("bundle", str(bundle))
    left = world.run("run", "--config", str(world.config))
    assert (left.returncode, b"--take-back" in left.stderr) == (2, True)
    assert b"was moved" in world.run("status", "--config", str(world.config)).stdout.replace(b"\n", b" ")

    world.data.rename(world.folder / "old")  # another box: nothing of the first is there
    world.config.unlink()
    world.ask("unbundle", str(bundle))
    assert ids(world) == queue
    receiver = world.receiver(port=to)
    world.gateway()
    await world.eventually(lambda: world.drained("lis"), "the queue is delivered from here")
    assert sorted(receiver.accepted()) == sorted(queue.values())
    assert receiver.summary()["repeats"] == 0
    assert world.account()["LAB", "lis"]["delivered"] == 30


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose journal takes a while to copy, and a copy of it with one report more."""
    world = World(tmp_path_factory.mktemp("large"))
    world.configure()
    world.gateway().stop()
    with closing(sqlite3.connect(world.data / "journal.sqlite3")) as conn:
        row = "'D', 'vitals', '2026-11-21T08:00:00.000000Z', '2026-11-21T08:00:00.000000Z', '{}', zeroblob(5000)"
        conn.execute("INSERT INTO epochs VALUES (1, '0a1b2c3d')")
        conn.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
            f" INSERT INTO reports (device, category, received_at, stored_at, payload, raw) SELECT {row} FROM n"
        )
        conn.commit()
    backup.backup(world.data, world.folder / "copy")
    with closing(sqlite3.connect(world.folder / "copy")) as conn:
        conn.execute(f"INSERT INTO reports (device, category, received_at, stored_at, payload, raw) VALUES ({row})")
        conn.commit()
    return world.folder


def kill_at(world: World, arguments: list[str], seen: Callable[[], bool], delay_s: float) -> bool:
    """kill -9 a command, so long after `seen`; whether it was still at work."""
    process = world.start(*arguments, "--config", str(world.config))
    world.until(lambda: seen() or not process.running, "the command is at work")
    time.sleep(delay_s)  # the moment of the kill, not a wait for anything
    at_work = process.running
    process.kill()
    return at_work


@pytest.mark.slow
def test_a_copy_that_is_killed_in_the_middle_is_none(world: World, large: Path) -> None:
    shutil.copytree(large / "data", world.data, ignore=shutil.ignore_patterns("control.sock"))
    world.configure()
    target, dice, met = world.folder / "copy", random.Random(11), 0
    for _ in range(KILLS):
        fresh = target.with_name("copy.partial")
        fresh.unlink(missing_ok=True)
        met += kill_at(world, ["backup", str(target)], fresh.exists, dice.uniform(0, 0.2))
        if target.exists():
            assert backup.verify(target).rows["reports"] == ROWS
            target.unlink()
    assert met, "no kill came in time"
    world.ask("backup", str(target))
    assert backup.verify(target).rows["reports"] == ROWS
    assert not target.with_name("copy.partial").exists()


@pytest.mark.slow
def test_a_restore_that_is_killed_leaves_the_old_journal_or_the_new(world: World, large: Path) -> None:
    dice, met = random.Random(12), 0
    for number in range(KILLS):
        shutil.rmtree(world.data, ignore_errors=True)
        shutil.copytree(large / "data", world.data, ignore=shutil.ignore_patterns("control.sock"))
        world.configure()
        fresh = world.data / "journal.sqlite3.restoring"
        met += kill_at(world, ["restore", str(large / "copy"), "--force-aside"], fresh.exists, dice.uniform(0, 0.12))
        assert opening.look(world.data) is None, "what every start does first: it ends the swap, and finds nothing damaged"
        with closing(open_reader(world.data)) as conn:
            (there,) = conn.execute("SELECT count(*) FROM reports").fetchone()
            restored = conn.execute("SELECT 1 FROM audit WHERE act = 'restore'").fetchone() is not None
        assert there == (ROWS + 1 if restored else ROWS), number
    assert met, "no kill came in time"
