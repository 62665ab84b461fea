"""A gateway on a disk of 64 MiB that somebody else fills: the analyzer is refused and keeps its results, and all goes on by itself."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.analyzer import Analyzer
from tests.faults.oracle import Oracle
from tests.faults.oximeter import Oximeter
from tests.faults.world import World

CONFIG = """
[gateway.disk]
reserve_bytes = 16777216
history_percent = 0.01
waveforms_percent = 0.02
trends_percent = 0.03              # so that the marks are passed from the beginning

[[device]]
id = "XN"
driver = "astm"
profile = "generic"
link = "tcp-listen://127.0.0.1:{lab}"

[[device]]
id = "OXI"
driver = "masimo"
link = "tcp-listen://127.0.0.1:{bed}"

[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
address = "127.0.0.1:{to}"
retry_base_s = 0.2
retry_cap_s = 1

[[destination]]
id = "engine"
kind = "mllp"
format = "pcd01"
address = "127.0.0.1:{to}"
hold = false
retry_base_s = 0.2
retry_cap_s = 1
"""


@pytest.fixture
def small(world: World) -> Iterator[World]:
    """A world whose gateway has a file system of 64 MiB."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a gateway on a full disk; mounting a small tmpfs needs root")
    world.data.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(world.data)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("NOT TESTED: a gateway on a full disk; no tmpfs can be mounted here")
    yield world
    world.close()
    subprocess.run(["umount", "-l", str(world.data)], check=True)


def fill(folder: Path) -> Path:
    """A foreign file that takes all there is."""
    path = folder / "core.1234"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(65536)):
            pass
    return path


@pytest.mark.slow
async def test_a_disk_that_others_fill_stops_intake_and_all_goes_on_when_they_let_go(small: World) -> None:
    world, lab, bed, to = small, small.port(), small.port(), small.port()
    world.configure(CONFIG.format(lab=lab, bed=bed, to=to))
    analyzer, oximeter = Analyzer(lab, 1, interval_s="0.05"), Oximeter("OXI", bed, "0000000001", 0.05, "")
    taken = analyzer.device.acknowledged
    gateway = world.gateway()
    analyzer.start()
    oximeter.start()
    await world.eventually(lambda: len(taken) > 20 and len(oximeter.said) > 20, "both devices are heard")

    foreign = fill(world.data)
    await world.eventually(lambda: (world.status() or {})["room"]["level"] == "full", "the gateway sees the full disk")
    await world.eventually(lambda: world.device("XN").get("counts", {}).get("rejected"), "the analyzer is refused")
    stopped = len(taken)
    told = world.ask("status", expect=1)
    assert "devices are not acknowledged" in " ".join(told.split())

    receiver = world.receiver(port=to)
    await world.eventually(lambda: world.drained("lis"), "what had been kept is delivered on the full disk")
    assert len(taken) == stopped, "nothing is acknowledged that cannot be kept"
    foreign.unlink()
    await world.eventually(lambda: len(taken) > stopped + 5, "the analyzer is taken again, without a person")
    assert (world.status() or {})["room"]["level"] != "full"
    analyzer.cease()
    await world.eventually(lambda: not analyzer.device.waiting, "the analyzer got everything out")
    await oximeter.stop()
    await world.eventually(lambda: world.drained("lis") and world.drained("engine"), "the receiver got everything")
    await analyzer.stop()

    judged = Oracle(
        analyzers={"XN": analyzer},
        receivers={"lis": lambda: [r for r in receiver.rows() if b"ORU^R01^ORU_R01" in r.body and b"XN" in r.body]},
    )
    line = world.account()["OXI", "engine"]
    assert sum(line["dropped"].values()) > 0
    assert set(line["dropped"]) <= {"trends thinned, disk filling", "waiting trends thinned, disk filling"}
    assert line["delivered"] + sum(line["dropped"].values()) == line["received"]
    assert world.account()["XN", "lis"]["dropped"] == {}
    assert judged.judge(world.account()).faults == []
    assert gateway.stop() == 0
    assert "Traceback" not in gateway.said()
