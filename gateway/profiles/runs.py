"""A recording through a driver and options: readings, faults, and what was left over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

from gateway.acquire import offline, recording
from gateway.acquire.flow import Flow
from gateway.acquire.offline import Faults
from gateway.acquire.written import Written, unwritten
from gateway.driver import Context, Driver
from gateway.errors import ConfigError
from gateway.model import Category, DeviceIdentity, Report
from gateway.readings import Reading, readings
from protocols.sansio import Codec, Event, Message

WIRE, EXPECTED, OPTIONS, NOTES = "wire.bin", "expected.json", "options.json", "notes.md"


@dataclass(slots=True)
class Run:
    """What came of a recording. `messages`: what the codec understood, whether it held a reading or not."""

    reports: list[Report] = field(default_factory=list)
    messages: list[Message[Any]] = field(default_factory=list)
    faults: list[Faults] = field(default_factory=list)
    known: bool = False
    """Whether the recording says when it was received."""

    @property
    def readings(self) -> list[Reading]:
        """In wire order."""
        return [one for report in self.reports for one in readings(report, received_known=self.known)]

    @property
    def unknown_units(self) -> Counter[str]:
        """Units that nobody knows, as the device writes them."""
        return Counter(one["vendor_unit"] for one in self.readings if one["vendor_unit"] and one["unit"] is None)

    @property
    def unmapped(self) -> Counter[str]:
        """Codes of results for which no term is known."""
        results = [report for report in self.reports if report.category is not Category.EVENTS]
        seen = [one for report in results for one in report.observations]
        return Counter(one.vendor_code for one in seen if not one.mapped)

    @property
    def numbers(self) -> int:
        """Readings that are numbers."""
        return sum(one["kind"] == "numeric" and one["value"] is not None for one in self.readings)

    @property
    def mapped(self) -> int:
        """Readings with a term."""
        return sum(one["loinc"] is not None or one["refid"] is not None for one in self.readings)

    @property
    def bad(self) -> int:
        """Bytes in damaged frames or broken-off transmissions."""
        return sum(sum(one.size.values()) + sum(len(left.raw) for left in one.incomplete) for one in self.faults)

    def lines(self) -> Iterator[str]:
        """The faults in words."""
        for one in self.faults:
            yield from one.lines()


def flows(path: Path, how: Written = Written.RAW) -> list[Flow]:
    """The flows of a recording: raw bytes, a trace, a capture, or text that stands for bytes. Raises ConfigError."""
    return recording.read(path, unwritten(str(path), content(path), how))


def content(path: Path) -> bytes:
    """A recording as the file has it. Raises ConfigError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def context(driver: Driver[Any, Any], options: Any, profile: str, zone: tzinfo = UTC) -> Context[Any]:
    """A fresh context, as `wardlink decode` makes it."""
    identity = DeviceIdentity(id=driver.id, maker=driver.maker)
    return driver.context(identity, options, wall=lambda _: offline.EPOCH, timezone=zone, profile=profile)


def run(driver: Driver[Any, Any], options: Any, found: Sequence[Flow], profile: str = "", zone: tzinfo = UTC) -> Run:
    """Every flow of a recording, those in which nothing is understood left out where there are several."""
    made = [_one(driver, options, flow, profile, zone) for flow in found]
    heard = [one for one in made if one.messages] or made
    whole = Run(known=any(one.known for one in heard))
    for one in heard:
        whole.reports += one.reports
        whole.messages += one.messages
        whole.faults += one.faults
    return whole


def _one(driver: Driver[Any, Any], options: Any, flow: Flow, profile: str, zone: tzinfo) -> Run:
    about = context(driver, options, profile, zone)
    codec = Listening(about.codec())
    done = Run(known=flow.started is not None)
    for item in offline.decode(flow, codec, about):
        if isinstance(item, Faults):
            done.faults.append(item)
        else:
            done.reports.append(item)
    done.messages = codec.messages
    return done


class Listening:
    """A codec whose messages are remembered."""

    def __init__(self, codec: Codec[Any]) -> None:
        self._codec = codec
        self.messages: list[Message[Any]] = []
        self.start, self.data_to_send, self.deadline = codec.start, codec.data_to_send, codec.deadline
        self.confirm, self.reject = codec.confirm, codec.reject

    def receive(self, data: bytes, now: float) -> Sequence[Event[Any]]:
        return self._heard(self._codec.receive(data, now))

    def on_deadline(self, now: float) -> Sequence[Event[Any]]:
        return self._heard(self._codec.on_deadline(now))

    def end(self, now: float) -> Sequence[Event[Any]]:
        return self._heard(self._codec.end(now))

    def _heard(self, events: Sequence[Event[Any]]) -> Sequence[Event[Any]]:
        self.messages += [event for event in events if isinstance(event, Message)]
        return events
