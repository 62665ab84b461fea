"""The command as a person calls it, in this process; a configuration and a journal to call it on."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import cli
from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused
from gateway.deliver.dispatch import Dispatcher
from gateway.model import Category, DeviceIdentity, Entry, Kind, Observation, Report, Subject
from gateway.patients import acts
from gateway.store.journal import Journal

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
CONFIG = """
[gateway]
name = "4-east-1"
data = "{data}"

[[device]]
id = "4E-044"
driver = "masimo"
link = "tcp://localhost:4001"

[[device]]
id = "4E-045"
driver = "nonin"
link = "tcp://localhost:4002"

[[destination]]
id = "engine"
kind = "mllp"
format = "pcd01"
address = "localhost:2575"
"""


@dataclass(frozen=True)
class Result:
    """What a call left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """One JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Wardlink = Callable[..., Result]


@pytest.fixture
def wardlink(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Wardlink:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("WARDLINK_CONFIG", raising=False)

    def call(*words: str | Path, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "argv", ["wardlink", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsysbinary.readouterr()
        return Result(int(ended.value.code or 0), said.out.decode(), said.err.decode())

    return call


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    """A configuration whose gateway never ran."""
    file = tmp_path / "wardlink.toml"
    file.write_text(CONFIG.format(data=tmp_path / "data"))
    return file


@pytest.fixture
def ran(toml: Path) -> Path:
    """The same after a while: of 4E-044 one report is delivered and two are refused, one of 4E-045 has no patient."""
    asyncio.run(_run(toml.parent / "data"))
    return toml


async def _run(folder: Path) -> None:
    journal = await Journal.open(folder, name="4-east-1", eui64="02A0C90000000001", reserve_bytes=65536)
    await journal.use({"engine": frozenset({Category.VITALS})})
    reports = [report("4E-044", minute, str(97 + minute)) for minute in range(3)]
    await journal.keep(reports, device_id="4E-044")
    await journal.keep([report("4E-045", 3, "90")], device_id="4E-045")
    await journal.keep_incomplete("4E-045", b"half", START, "link end")
    await journal.count("4E-045", "checksum", 2)
    subject = Subject(patient_id="SYN-1")
    await journal.act(lambda conn: acts.associate(conn, "4E-044", subject, at=START, by="n1", source="scan", reason="admission"))
    await _deliver(journal)
    await journal.close()


class _Receiver:
    """Accepts 97, refuses what comes after it."""

    async def send(self, message: Outgoing) -> Outcome:
        return Accepted("AA") if message.body == b"97" else Refused("no such patient", "AR")

    async def close(self) -> None: ...


async def _deliver(journal: Journal) -> None:
    idle = asyncio.Event()

    async def wait(work: asyncio.Event, _timeout_s: float | None) -> None:
        idle.set()
        await work.wait()

    task = asyncio.create_task(Dispatcher(journal, "engine", _Receiver(), _plain, wait=wait).run())
    async with asyncio.timeout(10):
        await idle.wait()
    task.cancel()
    await asyncio.wait([task])


def _plain(entry: Entry, _subject: Subject | None) -> Outgoing:
    return Outgoing(id=entry.key, body=str(entry.report.observations[0].value).encode())


def report(device: str, minute: int, value: str) -> Report:
    spo2 = Observation(
        kind=Kind.NUMERIC,
        vendor_code="SPO2",
        value=value,
        refid="MDC_PULS_OXIM_SAT_O2",
        unit="%",
        flags=("L", "A"),
        notes=("a, b",),
    )
    return Report(
        device=DeviceIdentity(id=device),
        driver="masimo",
        category=Category.VITALS,
        received_at=START + timedelta(minutes=minute),
        observations=(spo2,),
        raw=b"\x00",
    )
