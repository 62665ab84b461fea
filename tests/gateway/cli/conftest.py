"""The command as a person calls it, in this process; a configuration and a journal to call it on."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import cli, config
from gateway.deliver import making
from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused
from gateway.deliver.dispatch import Dispatcher
from gateway.model import Category, DeviceIdentity, Entry, Kind, Observation, Order, Report, Specimen, Subject
from gateway.patients import acts
from gateway.store import statement
from gateway.store.journal import Journal, open_reader
from protocols.hl7v2.message import Message, parse

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


LABORATORY = """
[gateway]
name = "lab-1"
data = "{data}"

[[device]]
id = "LAB-1"
driver = "astm"
link = "tcp://localhost:4001"

[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
takes = ["lab"]
address = "localhost:2575"

[[destination]]
id = "chart"
kind = "fhir"
format = "fhir"
takes = ["lab"]
url = "http://localhost:8080/fhir"
"""


class Receivers:
    """A laboratory whose gateway runs now and then, and what each destination got."""

    def __init__(self, toml: Path) -> None:
        self.toml = toml
        self.got: dict[str, list[Outgoing]] = {"lis": [], "chart": []}
        self.answer: Outcome = Accepted("AA")

    def keep(self, *reports: Report) -> None:
        asyncio.run(self._run(reports))

    def deliver(self) -> None:
        """A gateway runs until nothing waits."""
        asyncio.run(self._run(()))

    async def _run(self, reports: tuple[Report, ...]) -> None:
        found = config.load(self.toml)
        journal = await Journal.open(found.gateway.data, name="lab-1", eui64="02A0C90000000001", reserve_bytes=65536)
        await journal.use({one.id: one.takes for one in found.destination})
        for one in reports:
            await journal.keep([one], device_id=one.device.id)
        for settings in [] if reports else found.destination:
            await self._one(journal, settings)
        await journal.close()

    async def _one(self, journal: Journal, settings: Any) -> None:
        idle, got, answer = asyncio.Event(), self.got[settings.id], self.answer

        class Receiver:
            async def send(self, message: Outgoing) -> Outcome:
                got.append(message)
                return answer

            async def close(self) -> None: ...

        async def wait(work: asyncio.Event, _timeout_s: float | None) -> None:
            idle.set()
            await work.wait()

        renderer = making.make_renderer(settings, journal.gateway)
        task = asyncio.create_task(Dispatcher(journal, settings.id, Receiver(), renderer, settings, wait=wait).run())
        async with asyncio.timeout(20):
            await idle.wait()
        task.cancel()
        await asyncio.wait([task])

    @property
    def lis(self) -> list[Message]:
        found = [parse(message.body) for message in self.got["lis"]]
        return [message for message in found if message is not None]

    @property
    def chart(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in self.got["chart"]]

    def account(self) -> dict[str, tuple[int, int, int]]:
        """received, delivered, waiting of each destination; each line adds up."""
        with closing(open_reader(self.toml.parent / "data")) as conn:
            lines = statement.statement(conn)
        assert all(line.balanced for line in lines), lines
        return {line.destination: (line.received, line.delivered, line.waiting) for line in lines}

    @staticmethod
    def result(code: str, value: str = "98", unit: str = "mg/dL", **more: Any) -> Observation:
        about: dict[str, Any] = {"kind": Kind.NUMERIC, "unit": unit, "vendor_unit": unit, "status": "F", "time": START, **more}
        return Observation(vendor_code=code, value=value, **about)

    @staticmethod
    def sample(minute: int, *results: Observation, device: str = "LAB-1", model: str = "X1", report_type: str = "F") -> Report:
        return Report(
            device=DeviceIdentity(id=device, maker="Acme", model=model, serial="77"),
            driver="astm",
            category=Category.LAB,
            received_at=START + timedelta(minutes=minute),
            observations=results,
            specimen=Specimen(id=f"SYN-{minute}", type="Serum"),
            order=Order(report_type=report_type),
        )


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A laboratory's configuration: results go to a laboratory system and to a chart."""
    file = tmp_path / "lab.toml"
    file.write_text(LABORATORY.format(data=tmp_path / "data"))
    return file


@pytest.fixture
def laboratory(lab: Path) -> Receivers:
    """Its gateway never ran."""
    return Receivers(lab)


@pytest.fixture
def receivers(laboratory: Receivers) -> Receivers:
    """Two results were delivered: QQQ, that nobody knows, beside a code that the terms know; and QQQ in mmol/L."""
    found = laboratory
    known = found.result("HGB", "13.5", "g/dL", loinc="718-7")
    found.keep(found.sample(1, found.result("QQQ"), known), found.sample(2, found.result("QQQ", "5.4", "mmol/L")))
    found.deliver()
    return found
