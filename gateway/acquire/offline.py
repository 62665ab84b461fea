"""Recorded bytes through the real codec and driver, without a gateway: `wardlink decode`, profile tests, replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.acquire.flow import Flow
from gateway.driver import Context
from gateway.model import Report
from protocols.sansio import BadFrame, Codec, Event, Fragment, Incomplete, Message, Note, Overhearing

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""The receive time of bytes that carry none: plainly no real one, and the same at every run."""
_OFFSETS_MAX = 8
"""Offsets named per kind of fault: the first ones lead a person to the place, a thousand do not."""
_READ_MAX = 65536
"""Bytes given to a codec at once: a socket's read; what they complete is some hundred reports."""


@dataclass(slots=True)
class Faults:
    """What was wrong in one flow: counts by reason with the first offsets, and what the link noted."""

    bad: Counter[str] = field(default_factory=Counter)
    size: Counter[str] = field(default_factory=Counter)
    offsets: dict[str, list[int]] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    incomplete: list[Incomplete] = field(default_factory=list)
    silent: int = 0
    """Messages that were understood and held no reading (a query, a keep-alive)."""

    def add(self, event: BadFrame) -> None:
        """Count one."""
        self.bad[event.reason] += 1
        self.size[event.reason] += event.size
        places = self.offsets.setdefault(event.reason, [])
        if len(places) < _OFFSETS_MAX:
            places.append(event.offset)

    def lines(self) -> Iterator[str]:
        """The same in words."""
        for reason, count in self.bad.most_common():
            places = ", ".join(map(str, self.offsets[reason]))
            more = ", …" if count > len(self.offsets[reason]) else ""
            yield f"{count} bad: {reason} ({self.size[reason]} bytes), at offset {places}{more}"
        for what, count in self.notes.most_common():
            yield f"{count} noted: {what}"
        for left in self.incomplete:
            yield f"1 incomplete transmission kept out: {left.reason} ({len(left.raw)} bytes)"
        if self.silent:
            yield f"{self.silent} understood without a reading (query, keep-alive or other)"


def decode(flow: Flow, codec: Codec[Any], context: Context[Any], at: datetime | None = None) -> Iterator[Report | Faults]:
    """The reports of a flow in wire order, at last its Faults. Acknowledgements are granted at once and thrown away."""
    faults = Faults()
    context.wall = wall_clock(flow, at)
    if isinstance(codec, Overhearing):
        codec.overhear()
    codec.start(0.0)
    for chunk in flow.chunks:
        for part in (chunk.data,) if flow.datagram else _parts(chunk.data):
            yield from _take(codec.receive(part, chunk.t_s), codec, context, faults)
    last = flow.chunks[-1].t_s if flow.chunks else 0.0
    yield from _take(codec.end(last), codec, context, faults)
    yield faults


def _parts(data: bytes) -> Iterator[bytes]:
    """A whole file in one chunk as reads of a stream, so that its events are not all held at once."""
    return (data[at : at + _READ_MAX] for at in range(0, len(data), _READ_MAX))


def wall_clock(flow: Flow, at: datetime | None) -> Callable[[float], datetime]:
    """Codec seconds to UTC: by the file's own start, else by `at`, else by EPOCH."""
    start = (flow.started or at or EPOCH).astimezone(UTC)
    return lambda t_s: start + timedelta(seconds=t_s)


def _take(events: Sequence[Event[Any]], codec: Codec[Any], context: Context[Any], faults: Faults) -> Iterator[Report]:
    for event in events:
        match event:
            case Message():
                reports = list(context.driver.interpret(event, context))
                faults.silent += not reports
                yield from reports
                if event.token is not None:
                    codec.confirm(event.token)
            case Fragment():
                codec.confirm(event.token)
            case Incomplete():
                faults.incomplete.append(event)
            case BadFrame():
                faults.add(event)
            case Note():
                faults.notes[event.what] += 1
    codec.data_to_send()
