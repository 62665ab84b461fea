"""A damaged journal under real processes: what was acknowledged arrives or is counted as lost, and people are told."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults import hl7
from tests.faults.analyzer import Analyzer
from tests.faults.world import World

PAGE = 4096
RESULTS = 60
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


async def fill(world: World) -> tuple[Analyzer, int]:
    """Results that the gateway has acknowledged and can send to nobody yet; the analyzer, and the receiver's port."""
    port, to = world.port(), world.port()
    world.configure(CONFIG.format(port=port, to=to))
    world.gateway()
    analyzer = Analyzer(port, 7, interval_s="0.01", count=str(RESULTS))
    analyzer.start()
    await world.eventually(lambda: len(analyzer.device.acknowledged) == RESULTS, "every result is acknowledged")
    await analyzer.stop()
    return analyzer, to


def fold(world: World) -> Path:
    """Have everything in the file itself; the file."""
    path = world.data / "journal.sqlite3"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path


def zero_pages_with(path: Path, ids: set[str]) -> None:
    """Zero the pages on which these specimens stand."""
    data = path.read_bytes()
    with path.open("r+b") as file:
        for page in {data.index(f'"id":"{one}"'.encode()) // PAGE for one in ids}:
            file.seek(page * PAGE)
            file.write(bytes(PAGE))


async def judge(world: World, analyzer: Analyzer, to: int) -> None:
    """Everything that was acknowledged is at the receiver, once, or counted as lost; and status says what was done."""
    receiver = world.receiver(port=to)
    await world.eventually(lambda: world.drained("lis"), "all that is left was sent")
    line = world.account()["LAB", "lis"]
    lost = line["lost"].get("damaged", 0)
    acknowledged = {result.specimen for result in analyzer.device.acknowledged}
    came = [hl7.fields(body, "SPM", 2)[0] for body in receiver.accepted().values()]
    missing = {one for one in acknowledged if not any(one in text for text in came)}
    assert 0 < len(missing) < RESULTS
    assert (len(missing), len(came), line["received"]) == (lost, RESULTS - lost, RESULTS)
    assert receiver.summary()["changed"] == 0, "an id came with two contents"
    said = " ".join(world.run("status", "--config", str(world.config)).stdout.decode().split())
    assert "was damaged and salvaged" in said
    assert f"{lost} LOST of what was to be sent (lis: LAB {lost})" in said
    (one,) = json.loads(world.run("status", "--json", "--config", str(world.config)).stdout)["journal"]["salvages"]
    assert one["lost"] == {"lis": {"LAB": lost}}
    assert Path(one["evidence"]).stat().st_size >= PAGE


@pytest.mark.slow
async def test_damage_that_was_done_while_it_stood_still(world: World) -> None:
    analyzer, to = await fill(world)
    assert world._processes[0].stop() == 0
    path = fold(world)
    zero_pages_with(path, {analyzer.device.acknowledged[n].specimen for n in (20, 40)})
    gateway = world.gateway()
    await world.eventually(lambda: "was damaged and made anew" in gateway.said(), "the gateway salvages")
    await world.eventually(lambda: world.status() is not None, "it is up again")
    await judge(world, analyzer, to)
    assert gateway.stop() == 0


@pytest.mark.slow
async def test_damage_under_a_running_gateway(world: World) -> None:
    analyzer, to = await fill(world)
    (gateway,) = world._processes
    await world.eventually(lambda: world.status()["check"]["state"] == "checked", "the check at the start is over")  # type: ignore[index]
    path = fold(world)
    zero_pages_with(path, {analyzer.device.acknowledged[n].specimen for n in (20, 40)})
    await judge(world, analyzer, to)
    assert "nothing is acknowledged until it is salvaged" in gateway.said()
    assert gateway.stop() == 0


def test_a_gateway_whose_journal_cannot_be_salvaged_says_so_and_leaves_it(world: World) -> None:
    world.configure()
    world.gateway().stop()
    path = world.data / "journal.sqlite3"
    path.write_bytes(bytes(PAGE) * 3)
    for log in world.data.glob("journal.sqlite3-*"):
        log.unlink()  # a whole journal may still stand there
    (world.data / "journal.sqlite3.salvaging").mkdir()
    done = world.run("run", "--config", str(world.config))
    assert done.returncode == 2
    assert b"could not be salvaged" in done.stderr
    assert path.read_bytes() == bytes(PAGE) * 3
