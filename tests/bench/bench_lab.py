"""The laboratory's codecs on one core, and other people's beside them: `python -m tests.bench.bench_lab [SECONDS]`.

Method: transmissions of 30 results, two hundred different ones in turn, are given to the codec write by write, as an analyzer
that waits for each answer sends them; what comes out with a token is confirmed at once, so the disk is left out. Processor seconds.
"link": ASTM from ENQ to EOT to records, by the size of a frame's text; "without the records": less the time that their parser takes
alone. "results": the driver's reports as well. Peers get whole frames and no conversation, which is less work; a record a frame, for
they cannot join what is split. They are fetched by pip into a venv in a temporary folder; one that cannot be had is skipped, and said so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.acquire import registry
from gateway.model import DeviceIdentity
from protocols.astm import records
from protocols.astm.link import Receiver
from protocols.hl7v2.server import Server
from protocols.poct1a.conversation import Host
from protocols.poct1a.profile import ConversationProfile
from protocols.sansio import Codec, Message
from tests.bench.lab import NOON, RESULTS, astm_session, astm_text, hl7_message, poct1a_greeting, poct1a_result

DIFFERENT = 200
SIZES = {0: "a record a frame", 240: "240 characters", 1000: "1,000 characters", 60_000: "a message a frame"}
"""Characters of a frame's text: what most analyzers do, E1381-91's limit, what some do, LIS01-A2's limit is 63,993."""
PEERS = {"astm": ("astm",), "astmio": ("astmio", "astmio==1.0.0a1")}
"""PyPI packages, with the release to fall back to: astmio 1.0.0a3 lacks a module of its own."""
INSTALL_TIMEOUT_S = 300
SHIM = "import collections\nimport collections.abc\n\nfor name in collections.abc.__all__:\n    setattr(collections, name, getattr(collections.abc, name))\n"
"""astm 0.5.0 wants names of `collections` that Python 3.10 took away."""


@dataclass
class Count:
    """What went through a codec."""

    size: int = 0
    writes: int = 0
    messages: int = 0
    results: int = 0


def through(
    codec: Codec[Any], sessions: Sequence[list[bytes]], seconds: float, read: Callable[[Message[Any]], int] = lambda _: 0
) -> Count:
    """Give the sessions to the codec again and again; what went through in a processor second."""
    count, now, begin = Count(), 0.0, time.process_time()
    while (spent := time.process_time() - begin) < seconds:
        for session in sessions:
            for data in session:
                now += 0.001
                for event in codec.receive(data, now):
                    if (token := getattr(event, "token", None)) is not None:
                        codec.confirm(token)
                    if isinstance(event, Message):
                        count.messages += 1
                        count.results += read(event)
                codec.data_to_send()
                count.size += len(data)
            count.writes += len(session)
    return Count(*(round(value / spent) for value in (count.size, count.writes, count.messages, count.results)))


def per_second(work: Callable[[], int], seconds: float) -> float:
    """How much of it is done in a processor second."""
    work()
    done, begin = 0, time.process_time()
    while time.process_time() - begin < seconds:
        done += work()
    return done / (time.process_time() - begin)


def astm(seconds: float) -> tuple[float, float]:
    """The link layer by frame size, and the records; frames (a record each) and records read a second."""
    texts = [astm_text(n) for n in range(DIFFERENT)]
    parsed = per_second(lambda: sum(len(records.parse(text)[0].records) for text in texts), seconds)
    whole, parse_s = 0.0, (RESULTS + 4) / parsed
    for size, name in SIZES.items():
        codec = Receiver()
        codec.start(0.0)
        sessions = [astm_session(n, size) for n in range(DIFFERENT)]
        told = through(codec, sessions, seconds)
        framed = told.writes * (len(sessions[0]) - 2) / len(sessions[0])
        whole = whole or framed
        alone = told.size / told.messages / (1 / told.messages - parse_s)
        print(
            f"link     {name:20} {told.size / 1e6:6.1f} MB/s ({alone / 1e6:.1f} without the records) "
            f"{framed:8.0f} frames/s {told.messages:7.0f} messages/s",
            flush=True,
        )
    read = per_second(lambda: sum(map(_components, texts)), seconds)
    print(f"records  {parsed:8.0f} records/s; {read:.0f} with every component taken", flush=True)
    return whole, read


def _components(text: bytes) -> int:
    rows = records.parse(text)[0].records
    for row in rows:
        for n in range(1, len(row) + 1):
            row.components(n)
    return len(rows)


def drivers(seconds: float) -> None:
    """Bytes to reports, through the driver with its generic profile."""
    poct1a = Host(ConversationProfile())
    poct1a.start(0.0)
    through(poct1a, [poct1a_greeting()], 0.001)
    told = through(poct1a, [[poct1a_result(n)] for n in range(DIFFERENT)], seconds)
    print(f"poct1a   {told.messages:8.0f} documents/s {told.size / 1e6:6.1f} MB/s")
    hl7 = Server()
    hl7.start(0.0)
    told = through(hl7, [[hl7_message(n)] for n in range(DIFFERENT)], seconds)
    print(f"hl7      {told.messages:8.0f} messages/s  {told.size / 1e6:6.1f} MB/s")
    for name, sessions in {
        "astm": [astm_session(n, 240) for n in range(DIFFERENT)],
        "poct1a": [[poct1a_result(n)] for n in range(DIFFERENT)],
        "hl7-lab": [[hl7_message(n)] for n in range(DIFFERENT)],
    }.items():
        driver = registry.load(name)
        context = driver.context(
            DeviceIdentity(id="BENCH"), registry.options(driver, "generic", {}), wall=lambda _: NOON, profile="generic"
        )
        codec = context.codec()
        codec.start(0.0)
        if name == "poct1a":
            through(codec, [poct1a_greeting()], 0.001)
        told = through(
            codec,
            sessions,
            seconds,
            lambda message: sum(len(report.observations) for report in driver.interpret(message, context)),  # noqa: B023 - called in this turn
        )
        print(f"results  {name:20} {told.results:8.0f} results/s of {told.messages:.0f} messages/s", flush=True)


def peers(seconds: float, ours: tuple[float, float]) -> None:
    """The same frames through the others'."""
    work = json.dumps([frame.decode("iso-8859-1") for n in range(DIFFERENT) for frame in astm_session(n, 0)[1:-1]])
    for name, releases in PEERS.items():
        why = ""
        for release in releases:
            with tempfile.TemporaryDirectory() as folder:
                found = _peer(Path(folder), release, work, seconds)
            if isinstance(found, dict):
                frames, rows = (a / b for a, b in zip(ours, (found["frames"], found["records"]), strict=True))
                print(f"peer     {release:20} {found['bytes'] / 1e6:6.1f} MB/s {found['frames']:8.0f} frames/s ", end="")
                print(f"{found['records']:8.0f} records/s; wardlink {frames:.1f} times the frames, {rows:.1f} times the records")
                break
            why = why or found
        if why:
            print(f"peer     {name:20} {why}")


def _peer(folder: Path, release: str, work: str, seconds: float) -> dict[str, float] | str:
    """What it did, or why it did not."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    (site,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    (site / "sitecustomize.py").write_text(SHIM)
    for package in (["wheel"], ["--no-build-isolation", release]):
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *package]
        if subprocess.run(pip, check=False, capture_output=True, timeout=INSTALL_TIMEOUT_S).returncode != 0:
            return f"{release} SKIPPED: pip cannot install it here"
    command = [str(python), str(Path(__file__).with_name("lab_peer.py")), str(seconds)]
    done = subprocess.run(command, check=False, input=work, capture_output=True, text=True)
    if done.returncode != 0:
        return f"{release} SKIPPED: {done.stderr.strip().splitlines()[-1]}"
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    DURATION_S = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    OURS = astm(DURATION_S)
    drivers(DURATION_S)
    peers(DURATION_S, OURS)
