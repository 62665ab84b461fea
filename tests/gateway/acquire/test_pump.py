"""The pump: durable before acknowledged, in order, whatever journal, driver and line do."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.acquire.links.memory import MemoryConnection, MemoryLink
from gateway.acquire.status import State
from gateway.errors import LinkError
from gateway.model import Category
from gateway.thinning import INTERVAL, TRENDS, Policy

if TYPE_CHECKING:
    from tests.gateway.acquire.conftest import Bench

    Make = Callable[..., Bench]


async def served(bench: Bench, *said: bytes, interval_s: float = 0, fault: LinkError | None = None) -> bytes:
    """Everything said on one connection; what the device got back."""
    connection = MemoryConnection()
    for data in said:
        connection.say(data)
    connection.hang_up(fault)
    async with asyncio.timeout(5):
        await bench.pump(MemoryLink(connection), interval_s).run()
    assert connection.closed
    return bytes(connection.written)


async def test_a_message_is_kept_before_it_is_confirmed_and_answered_before_the_next_is_kept(bench: Make) -> None:
    one = bench()
    assert await served(one, b"t 97\nt 98\n") == b"ACK 1\nACK 2\n"
    assert one.log == ["start", "keep 97", "confirm 1", "keep 98", "confirm 2"]


async def test_nothing_is_written_while_the_commit_is_under_way(bench: Make) -> None:
    one, connection = bench(), MemoryConnection()
    one.keeper.gate.clear()
    connection.say(b"t 97\n")
    connection.say(b"t 98\n")
    task = asyncio.ensure_future(one.pump(MemoryLink(connection)).run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert connection.written == b""
    assert one.log == ["start"]
    one.keeper.gate.set()
    async with asyncio.timeout(5):
        assert await connection.until_written(12) == b"ACK 1\nACK 2\n"
    connection.hang_up()
    await task


@pytest.mark.parametrize(
    ("said", "fail", "kept", "answered"),
    [
        (b"t 97\n", 0, "keep 97", "confirm 1"),
        (b"t 97\n", 1, "failed keep 97", "reject 1"),
        (b"f a\n", 0, "fragment f a", "confirm 1"),
        (b"f a\n", 1, "failed fragment f a", "reject 1"),
    ],
)
async def test_a_codec_whose_answers_name_nothing_is_told_how_late_it_is_before_each(
    bench: Make, monkeypatch: pytest.MonkeyPatch, said: bytes, fail: int, kept: str, answered: str
) -> None:
    one, connection = bench(), MemoryConnection()
    monkeypatch.setattr(one.codec, "late", lambda now: one.log.append(f"late {now:g}"), raising=False)
    one.keeper.fail = fail
    one.keeper.gate.clear()
    connection.say(said)
    task = asyncio.ensure_future(one.pump(MemoryLink(connection)).run())
    for _ in range(20):
        await asyncio.sleep(0)
    one.clock.now += 20
    one.keeper.gate.set()
    async with asyncio.timeout(5):
        await connection.until_written(1)
    assert one.log == ["start", kept, "late 1020", answered]
    connection.hang_up()
    await task


async def test_messages_nobody_waits_for_share_a_commit(bench: Make) -> None:
    one = bench()
    await served(one, b"m 1\nm 2\nm 3\n")
    assert one.log == ["start", "keep 1 2 3"]
    assert one.announced == [1, 2, 3]


async def test_reports_of_one_message_are_kept_together(bench: Make) -> None:
    one = bench()
    await served(one, b"t 1 2 event 3\n")
    assert one.log == ["start", "keep 1 2 3", "confirm 1"]
    assert [report.category for report in one.keeper.reports] == [Category.VITALS, Category.VITALS, Category.EVENTS]


async def test_fragments_are_durable_before_their_answer_and_dropped_with_the_message(bench: Make) -> None:
    one = bench()
    assert await served(one, b"f a\nf b\nt 97\nt 98\n") == b"ACK 1\nACK 2\nACK 3\nACK 4\n"
    assert one.log == [
        "start", "fragment f a", "confirm 1", "fragment f b", "confirm 2", "keep 97 ends", "confirm 3", "keep 98", "confirm 4",
    ]  # fmt: skip


async def test_a_transmission_without_a_reading_still_ends_its_fragments(bench: Make) -> None:
    one = bench()
    await served(one, b"f a\nt none\n")
    assert one.log == ["start", "fragment f a", "confirm 1", "keep  ends", "confirm 2"]
    assert one.keeper.counts["without reading"] == 1


async def test_what_the_link_leaves_incomplete_is_kept_with_its_reason(bench: Make) -> None:
    one = bench()
    await served(one, b"f a\ni EOT after ETB\nm 9")
    assert one.log == [
        "start",
        "fragment f a",
        "confirm 1",
        "incomplete i EOT after ETB: EOT after ETB",
        "incomplete m 9: link end",
    ]


async def test_a_failed_commit_is_rejected_and_the_device_sends_again(bench: Make) -> None:
    one = bench()
    one.keeper.fail = 1
    assert await served(one, b"t 97\n", b"t 97\n") == b"NAK 1\nACK 2\n"
    assert one.log == ["start", "failed keep 97", "reject 1", "keep 97", "confirm 2"]
    assert one.status.state is State.UP


async def test_a_failed_fragment_is_rejected(bench: Make) -> None:
    one = bench()
    one.keeper.fail = 1
    assert await served(one, b"f a\n", b"f a\n") == b"NAK 1\nACK 2\n"


async def test_a_stream_without_answers_is_held_and_not_read_until_the_journal_works(bench: Make) -> None:
    one, connection = bench(), MemoryConnection()
    one.keeper.fail = 3
    connection.say(b"m 97\n")
    connection.say(b"m 98\n")
    connection.hang_up()
    task = asyncio.ensure_future(one.pump(MemoryLink(connection)).run())
    for expected in (1.0, 2.0):
        await one.clock.sleeping()
        assert one.clock.slept[-1] == expected
        assert (one.status.state, one.status.reason) == (State.HOLDING, "the journal takes no reports: disk full")
        one.clock.advance(expected)
    await task
    assert one.log == ["start", "failed keep 97", "failed keep 97", "failed keep 97", "keep 97", "keep 98"]
    assert one.status.state is State.UP


async def test_what_nobody_sends_again_is_held_when_the_message_behind_it_is_rejected(bench: Make) -> None:
    one = bench()
    one.keeper.fail = 1
    assert await served(one, b"m 1\nt 2\n") == b"NAK 1\n"
    assert one.log == ["start", "failed keep 1 2", "reject 1", "keep 1"]


async def test_stopping_while_the_journal_fails_tries_once_more_and_says_what_is_lost(
    bench: Make, caplog: pytest.LogCaptureFixture
) -> None:
    one, connection = bench(), MemoryConnection()
    one.keeper.fail = 10
    connection.say(b"m 97\n")
    task = asyncio.ensure_future(one.pump(MemoryLink(connection)).run())
    await one.clock.sleeping()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert one.status.counts["lost"] == 1
    assert "the last read's reports are lost" in caplog.text
    assert connection.closed


async def test_stopping_in_a_commit_waits_for_it_and_keeps_the_rest_of_the_read(bench: Make) -> None:
    one, connection = bench(), MemoryConnection()
    one.keeper.gate.clear()
    connection.say(b"t 97\nm 98\nm 9")
    task = asyncio.ensure_future(one.pump(MemoryLink(connection)).run())
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    one.keeper.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert one.log == ["start", "keep 97", "confirm 1", "keep 98", "incomplete m 9: link end"]


async def test_a_line_that_breaks_at_the_answer_loses_nothing_that_was_read(bench: Make) -> None:
    one, connection = bench(), MemoryConnection()
    one.keeper.gate.clear()
    connection.say(b"t 97\nm 98\n")
    task = asyncio.ensure_future(one.pump(MemoryLink(connection)).run())
    for _ in range(20):
        await asyncio.sleep(0)
    connection.hang_up(LinkError("cable gone"))
    one.keeper.gate.set()
    with pytest.raises(LinkError, match="cable gone"):
        await task
    assert one.log == ["start", "keep 97", "confirm 1", "keep 98"]


async def test_a_driver_that_fails_loses_no_byte_and_is_logged_once(bench: Make, caplog: pytest.LogCaptureFixture) -> None:
    one = bench()
    assert await served(one, b"t 97 boom\nt boom\nt 98\n") == b"ACK 1\nACK 2\nACK 3\n"
    first, failed, again, good = one.keeper.reports
    assert [seen.value for seen in first.observations] == ["97"]
    assert failed.raw == b"t 97 boom"
    assert not failed.observations
    assert failed.notes == ("driver failed: KeyError: 'a bug in the driver'",)
    assert again.raw == b"t boom"
    assert good.raw == b"t 98"
    assert one.keeper.counts["driver failed"] == 2
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR]


async def test_bad_frames_and_notes_are_counted_by_reason(bench: Make) -> None:
    one = bench()
    await served(one, b"junk\nzz\nn retransmission\nm 1\n")
    assert one.keeper.counts == {"bad: garbage": 2, "note: retransmission": 1}
    assert one.status.counts == {"bad: garbage": 2, "note: retransmission": 1}


async def test_a_repeat_is_confirmed_and_counted(bench: Make) -> None:
    one = bench()
    assert await served(one, b"t id=A 97\nt id=A 97\n") == b"ACK 1\nACK 2\n"
    assert len(one.keeper.reports) == 1
    assert one.status.counts["repeat"] == 1


async def test_thinning_drops_early_vitals_counts_them_and_lets_events_pass(bench: Make) -> None:
    one, connection = bench(), MemoryConnection()
    task = asyncio.ensure_future(one.pump(MemoryLink(connection), interval_s=60).run())
    connection.say(b"m 1\nm 2\nt 3\nm event 4\n")
    await one.keeper.until(lambda: "keep 4" in one.log)
    one.clock.advance(59.9)
    connection.say(b"m 5\n")
    await one.keeper.until(lambda: one.keeper.counts.get("dropped: thinned to interval_s") == 3)
    one.clock.advance(0.1)
    connection.say(b"m 6\n")
    connection.hang_up()
    await task
    assert [report.observations[0].value for report in one.keeper.reports] == ["1", "4", "6"]
    assert one.keeper.dropped == {("BED-1", "vitals", INTERVAL): 3}


async def test_a_filling_disk_thins_trends_from_now_on_and_the_device_goes_on(bench: Make) -> None:
    one, connection = bench(), MemoryConnection()
    task = asyncio.ensure_future(one.pump(MemoryLink(connection)).run())
    connection.say(b"m 1\nm 2\n")
    await one.keeper.until(lambda: len(one.keeper.reports) == 2)
    one.keeper.policy = Policy(waveforms=True, trend_interval_s=60)
    connection.say(b"m 3\nm 4\nm event 5\nt 6\n")
    await one.keeper.until(lambda: "keep 3 5" in one.log)
    assert await connection.until_written(6) == b"ACK 1\n", "what is dropped by policy is acknowledged: it is dealt with"
    one.keeper.policy = Policy()
    connection.say(b"m 7\n")
    connection.hang_up()
    await task
    assert [report.observations[0].value for report in one.keeper.reports] == ["1", "2", "3", "5", "7"]
    assert one.keeper.dropped == {("BED-1", "vitals", TRENDS): 2}


async def test_a_rejected_reading_is_not_thinned_when_it_comes_again(bench: Make) -> None:
    one = bench()
    one.keeper.fail = 1
    await served(one, b"t 97\n", b"t 97\n", interval_s=60)
    assert one.log == ["start", "failed keep 97", "reject 1", "keep 97", "confirm 2"]


async def test_times_keep_their_distances_while_the_wall_clock_is_slewed_and_follow_a_step(bench: Make) -> None:
    one, connection = bench(), MemoryConnection()
    task = asyncio.ensure_future(one.pump(MemoryLink(connection)).run())
    for second, step_s in ((1, 0.0), (2, 0.4), (3, 3600.0)):
        one.clock.now, one.clock.step_s = 1000.0 + second, step_s
        connection.say(b"m %d\n" % second)
        await one.keeper.until(lambda second=second: len(one.keeper.reports) == second)  # type: ignore[misc]
    connection.hang_up()
    await task
    times = [report.received_at.isoformat() for report in one.keeper.reports]
    assert times == ["2026-03-01T12:00:01+00:00", "2026-03-01T12:00:02+00:00", "2026-03-01T13:00:03+00:00"]
    assert one.status.counts["clock stepped"] == 1


async def test_a_polled_device_is_asked_at_its_deadline(bench: Make) -> None:
    one, connection = bench(poll_s=2.0), MemoryConnection()
    task = asyncio.ensure_future(one.pump(MemoryLink(connection)).run())
    async with asyncio.timeout(5):
        assert await connection.until_written(6) == b"start\n"
        for count in (1, 2):
            one.clock.advance(2.0)
            assert await connection.until_written(6 + 5 * count) == b"start\n" + b"poll\n" * count
    connection.hang_up()
    await task


async def test_what_arrived_while_nobody_looked_is_heard_before_its_time_is_up(bench: Make) -> None:
    one, connection = bench(poll_s=2.0), MemoryConnection()
    task = asyncio.ensure_future(one.pump(MemoryLink(connection)).run())
    async with asyncio.timeout(5):
        await connection.until_written(6)
        one.clock.advance(2.0)  # the timer and the bytes meet a loop that was busy with another device
        connection.say(b"m 1\n")
        await connection.until_written(11)
    connection.hang_up()
    await task
    assert one.log == ["start", "keep 1", "poll 1002.0"]


async def test_a_busy_line_does_not_starve_the_deadline(bench: Make) -> None:
    one, connection = bench(poll_s=2.0), MemoryConnection()
    one.clock.advance(0)
    task = asyncio.ensure_future(one.pump(MemoryLink(connection)).run())
    async with asyncio.timeout(5):
        await connection.until_written(6)
        one.clock.now += 5.0  # passes unnoticed: no timer fires, only bytes come
        connection.say(b"m 1\n")
        assert await connection.until_written(11) == b"start\npoll\n"
    connection.hang_up()
    await task


async def test_a_silent_stream_is_shown_once_and_so_is_its_return(bench: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    one, connection = bench(silence_s=10.0), MemoryConnection()
    task = asyncio.ensure_future(one.pump(MemoryLink(connection)).run())
    connection.say(b"m 1\n")
    await one.keeper.until(lambda: len(one.keeper.reports) == 1)
    await asyncio.sleep(0)
    connection.say(b"junk\n")
    await one.keeper.until(lambda: "bad: garbage" in one.keeper.counts)
    for _ in range(5):
        await asyncio.sleep(0)
    one.clock.advance(10.0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert one.status.state == "silent"
    assert "no message for 10 s" in one.status.reason
    one.clock.advance(100.0)
    connection.say(b"m 2\n")
    await one.keeper.until(lambda: len(one.keeper.reports) == 2)
    connection.hang_up()
    await task
    assert one.status.state == "up"
    assert [record.message.split(":")[1].split(",")[0].strip() for record in caplog.records] == ["up", "silent", "up"]


async def test_a_polled_device_that_does_not_answer_gets_a_new_connection(bench: Make) -> None:
    one = bench(silence_s=10.0, poll_s=4.0)
    first, second = MemoryConnection(), MemoryConnection()
    pump = one.pump(MemoryLink(first, second))
    task = asyncio.ensure_future(pump.run())
    async with asyncio.timeout(5):
        for count in (1, 2):
            await first.until_written(1 + 5 * count)
            one.clock.advance(4.0)
        await first.until_written(16)
        one.clock.advance(2.0)
        await task
    silent: object = (one.status.state, first.closed, pump.heard)
    assert silent == (State.SILENT, True, False)
    second.say(b"m 1\n")
    second.hang_up()
    await pump.run()
    speaking: object = (one.status.state, pump.heard)
    assert speaking == (State.UP, True)


async def test_a_codec_keeps_its_memory_over_a_reconnect(bench: Make) -> None:
    one = bench()
    first, second = MemoryConnection(), MemoryConnection()
    pump = one.pump(MemoryLink(first, second))
    for connection, said in ((first, b"t 1\nm half"), (second, b"t 2\n")):
        connection.say(said)
        connection.hang_up()
        await pump.run()
    assert one.log == ["start", "keep 1", "confirm 1", "incomplete m half: link end", "start", "keep 2", "confirm 2"]


async def test_a_lost_line_is_raised_after_what_was_read_is_kept(bench: Make) -> None:
    one = bench()
    with pytest.raises(LinkError, match="adapter gone"):
        await served(one, b"m 1\n", b"m 2", fault=LinkError("cable or adapter gone"))
    assert one.log == ["start", "keep 1", "incomplete m 2: link end"]


async def test_the_status_remembers_last_values_with_their_time(bench: Make) -> None:
    one = bench()
    await served(one, b"m 97\nm 98\n")
    value = one.status.values["X"]
    assert (value.value, value.unit, value.validity, value.time.isoformat()) == ("98", "%", "", "2026-03-01T12:00:00+00:00")
    assert one.status.reports == 2


STREAM = b"m 1\njunk\nt 2\nf part\nt 3\n\xff\x00\nn odd\nm 4 5\nt boom\n"
WHOLE = ["1", "2", "3", "4", "5", "driver failed: KeyError: 'a bug in the driver'"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, len(STREAM) - 1)))
def test_any_split_keeps_and_answers_the_same(cuts: list[int], bench: Any) -> None:
    edges = [0, *sorted(set(cuts)), len(STREAM)]
    parts = [STREAM[a:b] for a, b in itertools.pairwise(edges)]

    async def run() -> None:
        one = bench()
        assert await served(one, *parts) == b"ACK 1\nACK 2\nACK 3\nACK 4\n"
        kept = [report.observations[0].value if report.observations else report.notes[0] for report in one.keeper.reports]
        assert kept == WHOLE
        assert one.keeper.counts == {"bad: garbage": 2, "note: odd": 1, "driver failed": 1}

    asyncio.run(run())
