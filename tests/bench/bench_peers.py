"""Side by side with what one would pick instead: `python -m tests.bench.bench_peers [REPORTS]`.

Method: the same work on the same machine in one run. Queues: 50 producers hand over the JSON of a report of 30 readings (3.5 kB)
and wait until the queue says it has it; the journal additionally turns each report into that JSON, knows repeats, and counts for
the statement. Messages: the PCD-01 of a report of 30 readings (34 OBX) is built by ours from the report, by the others from its
segments and fields, which is less work; then it is parsed. Packages are fetched by pip into a venv in a temporary folder; one that
cannot be had is skipped, and said so. Mosquitto is left out: its bridge queue is written by a timer, not for each message, so a
producer cannot wait for what it promises.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

import hl7
from hl7apy.core import Message, Segment

from gateway.deliver.messages import pcd01
from gateway.model import Entry, encode
from gateway.settings.pcd01 import Pcd01Settings
from protocols.hl7v2.message import parse
from tests.bench.bench_journal import ours, reports
from tests.bench.bench_messages import BOX, NOON, WHO, vitals

PEERS = ("persist-queue", "thingsboard-gateway")
INSTALL_TIMEOUT_S = 300


def queues(folder: Path, count: int) -> None:
    """The journal and the others' queues."""
    work = {f"D{n}": reports(f"D{n}", count // 50) for n in range(50)}
    speed, _ = asyncio.run(ours(folder / "journal", work, through=False))
    print(f"queue    {'wardlink':20} {speed:8.0f} reports/s said and on the disk (synced for each answer)")
    payload = encode(work["D0"][0])
    python = folder / "venv" / "bin" / "python"
    venv.create(folder / "venv", with_pip=True)
    for peer in PEERS:
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", peer]
        if subprocess.run(command, check=False, capture_output=True, timeout=INSTALL_TIMEOUT_S).returncode != 0:
            print(f"queue    {peer:20} SKIPPED: pip cannot install it here")
            continue
        mine = folder / peer
        mine.mkdir()
        command = [str(python), str(Path(__file__).with_name("peer.py")), peer, str(mine), str(count)]
        done = subprocess.run(command, check=False, input=payload, capture_output=True)
        if done.returncode != 0:
            print(f"queue    {peer:20} SKIPPED: it failed: {done.stderr.decode().strip().splitlines()[-1]}")
            continue
        told = json.loads(done.stdout.splitlines()[-1])
        print(
            f"queue    {peer:20} {told['put']:8.0f} reports/s said, {told['stored']:.0f} in the file ({told['how']}); "
            f"wardlink is {speed / told['stored']:.2f} times as fast to the file"
        )


def with_hl7(segments: list[list[str]]) -> str:
    """python-hl7's containers, made as its parser makes them."""
    lines = [
        hl7.Segment("|", [hl7.Field("~", [hl7.Repetition("^", part.split("^"))]) for part in fields]) for fields in segments[1:]
    ]
    return f"{'|'.join(segments[0])}\r{hl7.Message(chr(13), lines)}"


def with_hl7apy(segments: list[list[str]]) -> str:
    """hl7apy's objects, one a field."""
    message = Message("ORU_R01", version="2.6")
    message.msh = "|".join(segments[0])
    for name, *fields in segments[1:]:
        segment = Segment(name, version="2.6")
        for number, text in enumerate(fields, 1):
            if text:
                setattr(segment, f"{name.lower()}_{number}", text)
        message.add(segment)
    return str(message.to_er7())


def messages(seconds: float) -> None:
    """Build and parse."""
    render = pcd01.renderer(Pcd01Settings(), BOX)
    entry = Entry(id=1, epoch="a1b2c3d4", stored_at=NOON, report=vitals(1))
    text = render(entry, WHO).body.decode()
    segments = [line.split("|") for line in text.split("\r") if line]
    _beside(
        "build",
        {
            "wardlink": lambda: render(entry, WHO),
            "python-hl7": lambda: with_hl7(segments),
            "hl7apy": lambda: with_hl7apy(segments),
        },
        seconds,
    )
    _beside("parse", {"wardlink": lambda: parse(text.encode()), "python-hl7": lambda: hl7.parse(text)}, seconds)


def _beside(what: str, how: dict[str, Callable[[], object]], seconds: float) -> None:
    ours_a_second = 0.0
    for name, work in how.items():
        work()
        made, begin = 0, time.process_time()
        while time.process_time() - begin < seconds:
            work()
            made += 1
        rate = made / (time.process_time() - begin)
        ours_a_second = ours_a_second or rate
        print(f"{what:8} {name:20} {rate:8.0f} messages/s; wardlink is {ours_a_second / rate:.0f} times as fast", flush=True)


if __name__ == "__main__":
    messages(2.0)
    with tempfile.TemporaryDirectory() as temporary:
        queues(Path(temporary), int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
