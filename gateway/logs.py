"""The log: one line a state change, as text, as JSON or for journald; no patient data; what repeats is counted.

Calls may say what they are about: `extra={"event": "device state", "device": "4E-044"}`, likewise "destination".
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import TextIO

from gateway.errors import WardlinkError

BURST = 5
"""Lines of one kind about one thing that are written in a window: a device that comes and goes twice is told in full."""
WINDOW_S = 60.0
"""What repeats within this is counted and told once at its end."""
KINDS_MAX = 1000
"""Kinds of lines that are counted at a time: a thousand devices in trouble; beyond that the oldest window ends early."""
ABOUT = ("device", "destination")


class Form(StrEnum):
    """How a line looks; auto: journald when standard error leads there, else text."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"
    JOURNALD = "journald"


class _Formatter(logging.Formatter):
    """A traceback says where and what kind; an exception's own words only where they were written for people."""

    def formatException(  # noqa: N802 - logging's name
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        error = ei[1]
        lines: list[str] = []
        while error is not None and len(lines) < 200:  # a chain of causes; a bug may make it a ring
            lines[:0] = [*traceback.format_tb(error.__traceback__), f"{_kind(error)}\n"]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "".join(lines).rstrip("\n")

    def message(self, record: logging.LogRecord) -> str:
        """The words. asyncio adds the look of tasks and handles, with all that they hold."""
        text = record.getMessage()
        return text.partition("\n")[0] if record.name == "asyncio" else text

    def trace(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


class TextFormatter(_Formatter):
    """A line with its time, for a terminal or a file."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{moment(record)} {record.levelname} {self.message(record)}"
        return "\n".join(filter(None, [line, self.trace(record)]))


class JsonFormatter(_Formatter):
    """One JSON object a line, for a log collector."""

    def format(self, record: logging.LogRecord) -> str:
        found = {"time": moment(record), "level": record.levelname, "event": event(record)}
        found |= {key: str(getattr(record, key)) for key in ABOUT if hasattr(record, key)}
        found["message"] = self.message(record)
        if where := self.trace(record):
            found["traceback"] = where
        return json.dumps(found, ensure_ascii=False)


class JournaldFormatter(_Formatter):
    """Each line with its priority in front (sd-daemon(3)); journald has times of its own."""

    def format(self, record: logging.LogRecord) -> str:
        text = "\n".join(filter(None, [self.message(record), self.trace(record)]))
        return "\n".join(f"<{priority(record.levelno)}>{line}" for line in text.split("\n"))


_FORMATTERS: dict[Form, type[_Formatter]] = {
    Form.TEXT: TextFormatter,
    Form.JSON: JsonFormatter,
    Form.JOURNALD: JournaldFormatter,
}


@dataclass(slots=True)
class _Window:
    """Lines of one kind: since when, how many beyond the burst, the last of them."""

    since_s: float
    written: int = 0
    more: int = 0
    last: logging.LogRecord | None = None


class Repeats(logging.Filter):
    """Lets BURST lines of a kind through in a window, and at its end one that says how many more there were, with the last."""

    def __init__(self, emit: Callable[[logging.LogRecord], object], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._emit, self._clock = emit, clock
        self._windows: dict[tuple[object, ...], _Window] = {}  # in the order in which they began
        self._lock = threading.RLock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written now. What ends the gateway always is."""
        if record.levelno >= logging.CRITICAL:
            return True
        with self._lock:
            self.flush()
            window = self._windows.setdefault(_about(record), _Window(self._clock()))
            if window.written < BURST:
                window.written += 1
                return True
            window.more, window.last = window.more + 1, record
            return False

    def flush(self, *, everything: bool = False) -> None:
        """Tell of the windows that have ended."""
        ended = self._clock() - WINDOW_S
        with self._lock:
            while self._windows:
                key, window = next(iter(self._windows.items()))
                if window.since_s > ended and not everything and len(self._windows) < KINDS_MAX:
                    break
                del self._windows[key]
                if window.last is not None:
                    self._emit(_summary(window.last, window.more))


def _about(record: logging.LogRecord) -> tuple[object, ...]:
    """What makes two lines the same kind: the place, the template, and whom it is about."""
    first = record.args[0] if isinstance(record.args, tuple) and record.args else ""
    return (record.name, record.levelno, record.msg, *(getattr(record, key, "") for key in ABOUT), str(first))


def _summary(last: logging.LogRecord, more: int) -> logging.LogRecord:
    told = logging.makeLogRecord({**last.__dict__, "created": time.time(), "exc_info": None, "args": ()})
    told.msg = f"… {more} more in {WINDOW_S:g} s, the last: {last.getMessage()}"
    return told


class Handler(logging.StreamHandler[TextIO]):
    """Standard error, in one of the forms, without repeats."""

    def __init__(self, stream: TextIO, form: Form) -> None:
        super().__init__(stream)
        chosen = form if form is not Form.AUTO else Form.JOURNALD if leads_to_journald(stream) else Form.TEXT
        self.setFormatter(_FORMATTERS[chosen]())
        self.repeats = Repeats(self.emit)
        self.addFilter(self.repeats)

    def close(self) -> None:
        """What is counted is told before the end."""
        self.repeats.flush(everything=True)
        super().close()


def setup(level: str, form: Form = Form.AUTO, stream: TextIO | None = None) -> Handler:
    """Have everything that is logged go to standard error; what ends the process too."""
    handler = Handler(stream or sys.stderr, form)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    sys.excepthook = _last_words
    return handler


async def tend() -> None:
    """Tell of repeats when their time is over, until cancelled."""
    while True:
        await asyncio.sleep(WINDOW_S / 6)
        for handler in logging.getLogger().handlers:
            if isinstance(handler, Handler):
                handler.repeats.flush()


def _last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("gateway").critical("the gateway ends: %s", _kind(error), exc_info=(kind, error, trace))


def leads_to_journald(stream: TextIO) -> bool:
    """Whether the stream is the one that systemd connected to its journal: JOURNAL_STREAM names its device and inode."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def moment(record: logging.LogRecord) -> str:
    """When, in UTC to the millisecond."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def event(record: logging.LogRecord) -> str:
    """What kind of line it is: as the call says, or the module it is in."""
    return str(getattr(record, "event", record.name.removeprefix("gateway.")))


def priority(level: int) -> int:
    """The number of a level in syslog (RFC 5424 6.2.1)."""
    steps = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
    return next((number for bound, number in steps if level >= bound), 7)


def _kind(error: BaseException) -> str:
    """The exception; its words only where we wrote them for people, or the operating system did."""
    words = str(error) if isinstance(error, WardlinkError) else (error.strerror or "") if isinstance(error, OSError) else ""
    return f"{type(error).__name__}{f': {words}' if words else ''}"
