"""Recorded lines: the file, and the tee around any link that writes it.

A trace is JSON lines. The first is {"wardlink_trace": 1, "device", "driver", "profile", "link", "started": ISO 8601 UTC}, each
other one {"t": seconds since the start, "rx" | "tx": hex}. rx is what the device sent. Unknown keys are left alone.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from gateway.acquire.clock import Clock, SystemClock
from gateway.acquire.links import Connection, Link
from gateway.errors import ConfigError

SIZE_MAX = 256 * 1024 * 1024
"""Bytes of a recording: a day of a busy monitor; a forgotten recording must not fill the disk."""
_MAGIC = b'{"wardlink_trace"'


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """What was recorded, where, from when."""

    device: str
    driver: str
    profile: str
    link: str
    started: datetime


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """Bytes at `t_s` seconds after the start; `sent`: by us, else by the device."""

    t_s: float
    data: bytes
    sent: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole recording."""

    header: TraceHeader
    records: tuple[TraceRecord, ...]


def is_trace(data: bytes) -> bool:
    """Whether `data` begins as a trace does."""
    return data.startswith(_MAGIC)


def read_trace(path: Path) -> Trace:
    """The recording in `path`. Raises ConfigError that names file and line."""
    try:
        if path.stat().st_size > SIZE_MAX:
            raise ConfigError(f"{path}: larger than {SIZE_MAX} bytes; expected a trace, cut into parts")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_trace(data, str(path))


def read_trace_bytes(data: bytes) -> tuple[datetime, list[tuple[float, bytes]]]:
    """When it started (UTC), and what the device sent: (seconds since then, bytes)."""
    trace = parse_trace(data)
    return trace.header.started, [(record.t_s, record.data) for record in trace.records if not record.sent]


def parse_trace(data: bytes, name: str = "trace") -> Trace:
    """The recording in `data`; a last line that a crash cut short is passed over. Raises ConfigError."""
    lines = data.split(b"\n")
    whole, cut = lines[:-1], lines[-1]
    if not whole and cut:
        whole = [cut]
    if not whole:
        raise ConfigError(f"{name}: empty; expected a trace")
    header = _header(whole[0], f"{name}:1")
    records = [_record(line, f"{name}:{number}") for number, line in enumerate(whole[1:], 2) if line.strip()]
    return Trace(header, tuple(record for record in records if record is not None))


def _object(line: bytes, where: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # brackets in thousands are no trace either
        found = None
    if not isinstance(found, dict):
        raise ConfigError(f"{where}: expected a JSON object, as `wardlink trace record` writes it")
    return found


def _header(line: bytes, where: str) -> TraceHeader:
    found = _object(line, where)
    if found.get("wardlink_trace") != 1:
        raise ConfigError(f"{where}: got wardlink_trace {found.get('wardlink_trace')!r}; expected 1")
    try:
        started = datetime.fromisoformat(str(found.get("started")))
        started_utc = started.astimezone(UTC) if started.tzinfo is not None else None
    except (ValueError, OverflowError):
        started_utc = None
    if started_utc is None:
        raise ConfigError(f"{where}: started: got {found.get('started')!r}; expected ISO 8601 with an offset")
    device, driver, profile, link = (str(found.get(key, "")) for key in ("device", "driver", "profile", "link"))
    return TraceHeader(device, driver, profile, link, started_utc)


def _record(line: bytes, where: str) -> TraceRecord | None:
    found = _object(line, where)
    sent = "tx" in found
    text = found.get("tx" if sent else "rx")
    if text is None:
        return None
    t_s = found.get("t")
    if isinstance(t_s, bool) or not isinstance(t_s, int | float) or not (math.isfinite(t_s) and 0 <= t_s < 1e9):
        raise ConfigError(f"{where}: t: got {t_s!r}; expected seconds since the start")
    try:
        return TraceRecord(float(t_s), bytes.fromhex(str(text)), sent)
    except ValueError:
        raise ConfigError(f"{where}: {'tx' if sent else 'rx'}: expected hex digits") from None


class TraceWriter:
    """Writes a trace, for its owner's eyes only; stops quietly at SIZE_MAX (`full` says so)."""

    def __init__(self, path: Path, header: TraceHeader, start: float) -> None:
        """`start`: the monotonic time of `header.started`. Raises ConfigError when the file cannot be made."""
        self._start = start
        self._size = 0
        self.full = False
        try:
            self._file: TextIO = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii")
        except FileExistsError:
            raise ConfigError(f"{path}: exists already; a recording never overwrites another, choose a new name") from None
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
        started = header.started.astimezone(UTC).isoformat()
        about = {"device": header.device, "driver": header.driver, "profile": header.profile, "link": header.link}
        self._put({"wardlink_trace": 1, **about, "started": started})

    def received(self, data: bytes, now: float) -> None:
        """The device sent `data` at monotonic time `now`."""
        self._put({"t": round(now - self._start, 6), "rx": data.hex()})

    def sent(self, data: bytes, now: float) -> None:
        """We sent `data` at monotonic time `now`."""
        self._put({"t": round(now - self._start, 6), "tx": data.hex()})

    def close(self) -> None:
        """The recording is over."""
        self._file.close()

    def _put(self, record: dict[str, object]) -> None:
        line = json.dumps(record) + "\n"
        self._size += len(line)
        self.full = self.full or self._size > SIZE_MAX
        if not self.full and not self._file.closed:
            self._file.write(line)
            self._file.flush()


class RecordedLink:
    """A link whose connections are written to a trace as they are used."""

    def __init__(self, link: Link, writer: TraceWriter, clock: Clock | None = None) -> None:
        self._link, self._writer, self._clock = link, writer, clock or SystemClock()
        self.passive = link.passive

    async def open(self) -> Connection:
        return _Tee(await self._link.open(), self._writer, self._clock)

    async def close(self) -> None:
        await self._link.close()

    def describe(self) -> str:
        return self._link.describe()


class _Tee:
    def __init__(self, connection: Connection, writer: TraceWriter, clock: Clock) -> None:
        self._connection, self._writer, self._clock = connection, writer, clock
        self.clock = connection.clock

    async def read(self) -> bytes:
        data = await self._connection.read()
        if data:
            self._writer.received(data, (self.clock or self._clock).monotonic())
        return data

    async def write(self, data: bytes) -> None:
        self._writer.sent(data, (self.clock or self._clock).monotonic())
        await self._connection.write(data)

    async def close(self) -> None:
        await self._connection.close()

    def describe(self) -> str:
        return self._connection.describe()
