"""wardlink trace record: both directions with their times; polls like the driver, acknowledges nothing."""

from __future__ import annotations

import asyncio
import stat
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.acquire import registry
from gateway.acquire.links.memory import MemoryConnection, MemoryLink
from gateway.acquire.links.trace import RecordedLink, TraceHeader, TraceRecord, TraceWriter, read_trace
from gateway.cli import trace
from gateway.errors import LinkError
from protocols.sansio import Codec

if TYPE_CHECKING:
    from tests.gateway.cli.conftest import Wardlink
else:
    Wardlink = object


async def recorded(file: Path, connection: MemoryConnection, codec: Codec[Any] | None) -> tuple[TraceRecord, ...]:
    """What is in the file after the device hung up."""
    writer = TraceWriter(file, TraceHeader("", "", "", "memory", datetime.now(UTC)), time.monotonic())
    line = await RecordedLink(MemoryLink(connection), writer).open()
    async with asyncio.timeout(10):
        await trace._line(line, codec)
    writer.close()
    assert connection.closed
    return read_trace(file).records


def codec(driver: str, profile: str = "") -> Codec[Any]:
    declaration = registry.load(driver)
    found: Codec[Any] = declaration.codec(registry.options(declaration, profile, {}))
    return found


async def test_without_a_driver_it_only_listens(tmp_path: Path) -> None:
    connection = MemoryConnection()
    connection.say(b"\x05")
    connection.say(b"abc")
    connection.hang_up()
    records = await recorded(tmp_path / "x.trace", connection, None)
    assert [(one.sent, one.data) for one in records] == [(False, b"\x05"), (False, b"abc")]
    assert connection.written == b""


async def test_with_a_driver_it_polls_as_that_one_does(tmp_path: Path) -> None:
    connection = MemoryConnection()
    line = asyncio.ensure_future(recorded(tmp_path / "x.trace", connection, codec("pb840")))
    async with asyncio.timeout(10):
        await connection.until_written(1)
    connection.hang_up()
    (poll, *_) = await line
    assert poll.sent
    assert poll.data.endswith(b"SNDF\r")


async def test_what_a_device_wants_acknowledged_is_refused_so_that_it_keeps_it(tmp_path: Path) -> None:
    connection = MemoryConnection()
    line = asyncio.ensure_future(recorded(tmp_path / "x.trace", connection, codec("astm", "generic")))
    connection.say(b"\x05")
    async with asyncio.timeout(10):
        await connection.until_written(1)
        connection.say(b"\x021H|\\^&\r\x03E5\r\n")  # the sum of LIS01-A2 over "1H|\^&" CR ETX: 0x31+48+7C+5C+5E+26+0D+03 = 0x1E5
        await connection.until_written(2)
    connection.hang_up()
    records = await line
    assert [one.data for one in records if one.sent] == [b"\x06", b"\x15"]


async def test_a_line_that_is_not_there_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trace, "PAUSE_S", 0)
    connection = MemoryConnection()
    connection.say(b"abc")
    connection.hang_up(LinkError("unplugged"))
    link = MemoryLink(LinkError("port absent"), connection)
    writer = TraceWriter(tmp_path / "x.trace", TraceHeader("", "", "", "memory", datetime.now(UTC)), time.monotonic())
    task = asyncio.ensure_future(trace._lines(RecordedLink(link, writer), None))
    said = ""
    async with asyncio.timeout(10):
        while "unplugged" not in said:
            await asyncio.sleep(0)
            said += capsys.readouterr().err
    task.cancel()
    await asyncio.wait([task])
    writer.close()
    assert said == "port absent\nrecording memory\nunplugged\n"
    assert [one.data for one in read_trace(tmp_path / "x.trace").records] == [b"abc"]


def test_a_recording_ends_by_itself_and_is_its_owners_alone(wardlink: Wardlink, tmp_path: Path) -> None:
    file = tmp_path / "x.trace"
    said = wardlink("trace", "record", file, "--link", "tcp://127.0.0.1:9", "--driver", "nonin", "--for", "0.01")
    assert said.code == 0
    assert said.err.endswith(f"{file}: recorded\n")
    assert read_trace(file).header.driver == "nonin"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
