"""Traces: what a line carried, written, read, and replayed with the recording's own time."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.acquire.links import LinkEndedError, parse_link, trace
from gateway.acquire.links.memory import MemoryConnection, MemoryLink
from gateway.acquire.links.trace import RecordedLink, TraceHeader, TraceWriter, is_trace, read_trace, read_trace_bytes
from gateway.errors import ConfigError, LinkError
from gateway.model import encode

if TYPE_CHECKING:
    from tests.gateway.acquire.conftest import Bench, FakeClock

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HEADER = TraceHeader("BED-1", "fake", "", "memory", STARTED)
LINES = """{"wardlink_trace": 1, "device": "BED-1", "driver": "fake", "profile": "", "link": "memory", "started": "2026-03-01T13:00:00+01:00"}
{"t": 0.5, "rx": "6d20310a"}
{"t": 0.75, "tx": "41434b"}
{"t": 1, "note": "something a later version says"}
{"t": 7.25, "rx": "6d20320a6d"}
"""


async def test_a_tee_writes_what_the_line_carried_and_when(tmp_path: Path, clock: FakeClock) -> None:
    path, far = tmp_path / "a.trace", MemoryConnection()
    writer = TraceWriter(path, HEADER, clock.monotonic())
    link = RecordedLink(MemoryLink(far), writer, clock)
    connection = await link.open()
    far.say(b"\x00\xff")
    clock.advance(0.25)
    await connection.read()
    clock.advance(1.0)
    await connection.write(b"OK")
    far.hang_up()
    assert await connection.read() == b""
    await connection.close()
    writer.close()
    said = [json.loads(line) for line in path.read_text().splitlines()]
    assert said[0] == {
        "wardlink_trace": 1, "device": "BED-1", "driver": "fake", "profile": "", "link": "memory", "started": "2026-03-01T12:00:00+00:00",
    }  # fmt: skip
    assert said[1:] == [{"t": 0.25, "rx": "00ff"}, {"t": 1.25, "tx": "4f4b"}]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_trace_is_read_with_its_zone_and_what_it_does_not_know_is_left_alone() -> None:
    assert is_trace(LINES.encode())
    assert not is_trace(b"H|\\^&")
    started, chunks = read_trace_bytes(LINES.encode())
    assert started == STARTED
    assert chunks == [(0.5, b"m 1\n"), (7.25, b"m 2\nm")]


def test_a_last_line_cut_by_a_crash_is_passed_over() -> None:
    assert read_trace_bytes(LINES.encode() + b'{"t": 9, "rx": "6d')[1] == read_trace_bytes(LINES.encode())[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty; expected a trace"),
        ("no json\n", ":1: expected a JSON object"),
        ('{"wardlink_trace": 2}\n', ":1: got wardlink_trace 2; expected 1"),
        (
            '{"wardlink_trace": 1, "started": "2026-03-01T12:00:00"}\n',
            ":1: started: got '2026-03-01T12:00:00'; expected ISO 8601 with an",
        ),
        (LINES + '{"t": "x", "rx": ""}\n', ":6: t: got 'x'; expected seconds"),
        (LINES + '{"t": -1, "rx": ""}\n', ":6: t: got -1; expected seconds"),
        (LINES + '{"t": 1, "rx": "zz"}\n', ":6: rx: expected hex digits"),
        (LINES + "[]\n", ":6: expected a JSON object"),
    ],
)
def test_what_is_no_trace_is_named_by_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.trace"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_trace(path)
    assert f"{path}{said}".replace(": empty", "") in str(caught.value).replace(": empty", "") or said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_recording_never_overwrites_and_stops_at_its_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.trace"
    path.touch()
    with pytest.raises(ConfigError, match="a recording never overwrites another"):
        TraceWriter(path, HEADER, 0.0)
    with pytest.raises(ConfigError, match="cannot be written: No such file or directory"):
        TraceWriter(tmp_path / "no" / "a.trace", HEADER, 0.0)
    monkeypatch.setattr(trace, "SIZE_MAX", 200)
    writer = TraceWriter(tmp_path / "b.trace", HEADER, 0.0)
    writer.received(bytes(100), 1.0)
    writer.close()
    assert writer.full
    assert (tmp_path / "b.trace").read_text().count("\n") == 1


async def replay(bench: Bench, path: Path) -> list[bytes]:
    link = parse_link(f"trace://{path}?speed=0").link()
    pump = bench.pump(link)
    await pump.run()
    with pytest.raises(LinkEndedError, match="the recording is at its end"):
        await pump.run()
    return [encode(report) for report in bench.keeper.reports]


async def test_a_replay_has_the_recordings_times_and_is_the_same_every_time(tmp_path: Path, bench: Callable[..., Bench]) -> None:
    path = tmp_path / "a.trace"
    path.write_text(LINES)
    first, one = bench(), bench()
    one.clock.now = 5e6
    assert await replay(first, path) == await replay(one, path)
    assert [report.received_at.isoformat() for report in one.keeper.reports] == [
        "2026-03-01T12:00:00.500000+00:00",
        "2026-03-01T12:00:07.250000+00:00",
    ]
    assert one.log[-1] == "incomplete m: link end"


async def test_deadlines_fall_between_the_recorded_bytes_as_they_did(tmp_path: Path, bench: Callable[..., Bench]) -> None:
    path = tmp_path / "a.trace"
    path.write_text(LINES)
    polled, streaming = bench(poll_s=3.0), bench(silence_s=5.0)
    await parse_and_run(polled, path)
    assert [line for line in polled.log if line[:4] in ("poll", "keep")] == ["keep 1", "poll 3.0", "poll 6.0", "keep 2"]
    await parse_and_run(streaming, path)
    assert streaming.status.counts["silence"] == 1


async def parse_and_run(one: Bench, path: Path) -> None:
    async with asyncio.timeout(5):
        await one.pump(parse_link(f"trace://{path}?speed=0").link()).run()


async def test_a_replay_is_paced_by_its_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.trace"
    path.write_text(LINES)
    connection = await parse_link(f"trace://{path}?speed=10").link().open()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert [await connection.read(), await connection.read(), await connection.read()] == [b"m 1\n", b"m 2\nm", b""]
    assert slept == [0.05, 0.675]


async def test_a_recording_that_is_not_there_is_a_lost_line(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="cannot be read: No such file"):
        await parse_link(f"trace://{tmp_path}/absent").link().open()
