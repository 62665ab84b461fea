"""An analyzer as tests need it: records or a device's bytes through the real codec and driver, times in UTC."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from drivers.lab.astm import DRIVER
from drivers.lab.profile import AstmOptions
from gateway.model import DeviceIdentity, Report
from protocols.astm.records import AstmMessage
from protocols.sansio import Codec, Event, Fragment, Message

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


class Analyzer:
    """A configured analyzer; `options` are keys set over its profile's."""

    def __init__(self, profile: str = "generic", zone: tzinfo = UTC, **options: object) -> None:
        assert DRIVER.profiles is not None
        keys = tomllib.loads((DRIVER.profiles / f"{profile}.toml").read_text("utf-8"))
        self.options = AstmOptions.model_validate(keys | options)
        self.context = DRIVER.context(
            DeviceIdentity(id=DRIVER.id),
            self.options,
            wall=lambda t_s: START + timedelta(seconds=t_s),
            timezone=zone,
            profile=profile,
        )

    def hear(self, wire: bytes | Sequence[bytes], chunk: int = 0) -> list[Report]:
        """The reports of a device's bytes, all at once, `chunk` bytes a read, or the reads given; every frame is confirmed at once."""
        line = DRIVER.codec(self.options)
        line.start(0.0)
        reads = _cut(wire, chunk) if isinstance(wire, bytes) else wire
        events = [event for data in reads for event in self._read(line, data)]
        events += line.end(1.0)
        return [report for event in events if isinstance(event, Message) for report in DRIVER.interpret(event, self.context)]

    def _read(self, line: Codec[AstmMessage], data: bytes) -> Sequence[Event[AstmMessage]]:
        events = line.receive(data, 0.5)
        for event in events:
            if isinstance(event, Message | Fragment) and event.token is not None:
                line.confirm(event.token)
        line.data_to_send()
        return events

    def read(self, *records: str) -> list[Report]:
        """The reports of a message of these records, sent without frames; H and L are put around them if missing."""
        lines: Sequence[str] = records
        if not records[0].startswith("H"):
            lines = ("H|\\^&|||Analyzer", *records)
        return self.hear("".join(f"{line}\r" for line in (*lines, "L|1|N")).encode())


def _cut(wire: bytes, chunk: int) -> list[bytes]:
    size = chunk or len(wire) or 1
    return [wire[at : at + size] for at in range(0, len(wire), size)]


@pytest.fixture
def analyzer() -> Callable[..., Analyzer]:
    """Makes an analyzer: `analyzer("sysmex-xn")`."""
    return Analyzer
