"""The log: three forms, fields, priorities, repeats; and no exception's own words."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway import logs
from gateway.errors import LinkError
from gateway.logs import Form, Handler, Repeats

PATIENT = "DOE^JOHN 4711"


@pytest.fixture
def written() -> Iterator[Callable[[Form], tuple[logging.Logger, io.StringIO]]]:
    """`written(form)`: a logger of its own, and what it writes."""
    logger = logging.Logger("gateway.store.writer", logging.DEBUG)  # noqa: LOG001 - one that nobody else has
    handlers: list[Handler] = []

    def make(form: Form) -> tuple[logging.Logger, io.StringIO]:
        stream = io.StringIO()
        handlers.append(Handler(stream, form))
        logger.handlers = [handlers[-1]]
        return logger, stream

    yield make
    for handler in handlers:
        handler.close()


Written = Callable[[Form], tuple[logging.Logger, io.StringIO]]


def test_a_line_of_json_has_its_fields(written: Written) -> None:
    logger, stream = written(Form.JSON)
    logger.warning("%s: down: cable", "4E-044", extra={"event": "device state", "device": "4E-044"})
    logger.info("the disk is fine")
    first, second = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert list(first) == ["time", "level", "event", "device", "message"]
    assert (first["level"], first["event"], first["device"], first["message"]) == (
        "WARNING", "device state", "4E-044", "4E-044: down: cable",
    )  # fmt: skip
    assert first["time"].endswith("Z")
    assert (second["event"], "device" in second) == ("store.writer", False)


@pytest.mark.parametrize(
    ("level", "prefix"),
    [(logging.CRITICAL, "<2>"), (logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>"), (logging.DEBUG, "<7>")],
)
def test_journald_gets_the_priority_that_syslog_has_for_the_level(written: Written, level: int, prefix: str) -> None:
    # RFC 5424 table 2: 2 critical, 3 error, 4 warning, 6 informational, 7 debug
    logger, stream = written(Form.JOURNALD)
    logger.log(level, "one\ntwo")
    assert stream.getvalue() == f"{prefix}one\n{prefix}two\n"


def test_text_has_utc_time_and_level(written: Written) -> None:
    logger, stream = written(Form.TEXT)
    record = logging.makeLogRecord({"msg": "up", "levelno": 20, "levelname": "INFO", "created": 1795248930.1234})
    logger.handle(record)  # date -u -d @1795248930 says 2026-11-21 08:15:30
    assert stream.getvalue() == "2026-11-21T08:15:30.123Z INFO up\n"


@pytest.mark.parametrize("form", [Form.TEXT, Form.JSON, Form.JOURNALD])
def test_an_exception_is_told_without_its_words(written: Written, form: Form) -> None:
    logger, stream = written(form)
    try:
        try:
            int(PATIENT)
        except ValueError as error:
            raise KeyError(PATIENT) from error
    except KeyError:
        logger.exception("the driver failed")
    text = stream.getvalue()
    assert "DOE" not in text
    assert "4711" not in text.replace("test_logs", "")
    assert text.index("ValueError") < text.index("KeyError")
    assert "test_logs.py" in text


def test_words_that_were_written_for_people_are_told(written: Written) -> None:
    logger, stream = written(Form.TEXT)
    for error in (LinkError("the cable is out"), FileNotFoundError(2, "No such file or directory", "/data/DOE")):
        try:
            raise error
        except (LinkError, OSError):
            logger.exception("failed")
    assert "LinkError: the cable is out" in stream.getvalue()
    assert "FileNotFoundError: No such file or directory\n" in stream.getvalue()
    assert "DOE" not in stream.getvalue()


def test_what_asyncio_knows_of_a_task_is_not_told(written: Written) -> None:
    logger, stream = written(Form.TEXT)
    logger.name = "asyncio"
    logger.error("Task exception was never retrieved\nfuture: <Task exception=ValueError('%s')>", PATIENT)
    assert stream.getvalue().endswith("ERROR Task exception was never retrieved\n")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def line(message: str, *args: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("gateway.x", level, "", 0, message, args, None)


@pytest.fixture
def counted() -> tuple[Repeats, Clock, list[str]]:
    clock, told = Clock(), list[str]()
    return Repeats(lambda record: told.append(record.getMessage()), clock), clock, told


def test_repeats_are_counted_and_told_at_the_end_of_the_minute(counted: tuple[Repeats, Clock, list[str]]) -> None:
    repeats, clock, told = counted
    passed = sum(repeats.filter(line("%s: down: try %d", "4E-044", number)) for number in range(517))
    assert (passed, told) == (5, [])
    clock.now = 59.9
    repeats.flush()
    assert told == []
    clock.now = 60.0
    repeats.flush()
    assert told == ["… 512 more in 60 s, the last: 4E-044: down: try 516"]
    assert repeats.filter(line("%s: down: try %d", "4E-044", 1))


def test_another_device_another_template_and_the_end_of_the_gateway_are_no_repeats(
    counted: tuple[Repeats, Clock, list[str]],
) -> None:
    repeats, _, told = counted
    for number in range(6):
        kept = repeats.filter(line("%s: down", "4E-044"))
        assert kept is (number < 5)
    assert repeats.filter(line("%s: down", "4E-045"))
    assert repeats.filter(line("%s: up", "4E-044"))
    assert all(repeats.filter(line("damaged", level=logging.CRITICAL)) for _ in range(9))
    repeats.flush(everything=True)
    assert told == ["… 1 more in 60 s, the last: 4E-044: down"]


def test_kinds_are_bounded_and_none_is_forgotten_untold(counted: tuple[Repeats, Clock, list[str]]) -> None:
    repeats, _, told = counted
    for _ in range(6):
        repeats.filter(line("%s: down", "first"))
    for number in range(logs.KINDS_MAX + 5):
        repeats.filter(line("%s: down", str(number)))
    assert len(repeats._windows) <= logs.KINDS_MAX
    assert told == ["… 1 more in 60 s, the last: first: down"]


def test_what_is_counted_is_told_before_the_end(written: Written) -> None:
    logger, stream = written(Form.TEXT)
    for _ in range(7):
        logger.info("again")
    logger.handlers[0].close()
    assert stream.getvalue().endswith("INFO … 2 more in 60 s, the last: again\n")


def test_the_journals_stream_is_known_by_device_and_inode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "log").open("w") as stream:
        found = os.fstat(stream.fileno())
        for said, it_is in (("", False), (f"{found.st_dev}:{found.st_ino + 1}", False), (f"{found.st_dev}:{found.st_ino}", True)):
            monkeypatch.setenv("JOURNAL_STREAM", said)
            assert logs.leads_to_journald(stream) is it_is
            chosen = Handler(stream, Form.AUTO).formatter
            assert isinstance(chosen, logs.JournaldFormatter if it_is else logs.TextFormatter)
    assert not logs.leads_to_journald(io.StringIO())


def test_what_ends_the_process_is_logged_without_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, root = io.StringIO(), logging.getLogger()
    before, level, hook, asyncio_level = root.handlers[:], root.level, sys.excepthook, logging.getLogger("asyncio").level
    root.handlers = []
    try:
        logs.setup("INFO", Form.JSON, stream)
        try:
            int(PATIENT)
        except ValueError as error:
            sys.excepthook(ValueError, error, error.__traceback__)
        said = json.loads(stream.getvalue())
    finally:
        root.handlers, sys.excepthook = before, hook
        root.setLevel(level)
        logging.getLogger("asyncio").setLevel(asyncio_level)
    assert (said["level"], said["message"]) == ("CRITICAL", "the gateway ends: ValueError")
    assert "DOE" not in stream.getvalue()
