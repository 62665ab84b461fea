"""How fast a backlog goes: arithmetic by hand. And what its messages look like among fresh ones."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from gateway.deliver.destination import Accepted, Outcome, Outgoing, Retry
from gateway.deliver.pace import Pace
from gateway.settings.dispatch import DispatchSettings
from gateway.store import writer

if TYPE_CHECKING:
    from tests.gateway.deliver.conftest import Bench
else:
    Bench = object

LIVE = DispatchSettings(live_first=True)


def test_tokens_come_at_the_rate_and_are_kept_for_a_second() -> None:
    pace = Pace(10)
    assert pace.turn(0, 64) == 1, "one to begin with"
    pace.took()
    assert pace.turn(0, 64) == 0
    assert pace.wait_s(0) == pytest.approx(0.1)
    assert pace.turn(0.25, 64) == 2
    assert pace.turn(1000, 64) == 10, "no heap after a long silence"
    assert pace.turn(900, 64) == 10, "a clock that steps back gives and takes nothing"


def test_a_rate_below_one_a_second_still_sends_one() -> None:
    pace = Pace(0.1)
    assert pace.turn(0, 64) == 0
    assert pace.wait_s(0) == pytest.approx(9), "a tenth was there"
    assert pace.turn(9.001, 64) == 1


def test_without_a_rate_a_turn_is_a_quarter_of_a_second() -> None:
    pace = Pace(0)
    assert pace.turn(0, 64) == 64, "nothing is known of the receiver yet"
    pace.answered(0.05)
    assert pace.turn(0, 64) == 5
    assert pace.wait_s(0) == 0
    slow = Pace(0)
    slow.answered(3.0)
    assert slow.turn(0, 64) == 1, "a slow receiver gets one at a time"


def test_it_slows_when_answers_take_longer_and_never_stops() -> None:
    pace = Pace(100)
    pace.turn(0, 64)
    pace.answered(0.001)
    for _ in range(10):
        pace.took()
    calm = pace.wait_s(0)
    for _ in range(100):
        pace.answered(
            0.01
        )  # ten times the best: twice that is free, so a fifth of the rate is left; the best recovers by a tenth
    assert 4.2 < pace.wait_s(0) / calm < 5
    for _ in range(20):
        pace.answered(10)
    assert pace.wait_s(0) / calm == pytest.approx(10), "a tenth at the least"


CONTRADICTIONS = {
    "fresh first and strict": {"live_first": True, "order": "strict"},
    "fresh first and by patient": {"live_first": True, "order": "patient"},
    "a pace for a backlog that nothing passes": {"drain_rate": 5},
}


@pytest.mark.parametrize("settings", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="remove"):
        DispatchSettings.model_validate(settings)


@pytest.fixture
def old(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The journal's clock is the test's."""
    monkeypatch.setattr(writer, "utc_now", bench.clock.now)
    return bench


async def outage(bench: Bench, *, backlog: int, fresh: int) -> None:
    """Reports of an outage of ten minutes, and of the last seconds."""
    await bench.wears("D1", "A")
    await bench.keep("D1", *(f"old{n}" for n in range(backlog)))
    bench.clock.time += timedelta(minutes=10)
    await bench.keep("D1", *(f"new{n}" for n in range(fresh)))


def values(bench: Bench) -> list[str]:
    return [body.split()[1] for body in bench.receiver.bodies]


async def rest(bench: Bench) -> list[int]:
    return [n for (n,) in await bench.journal.read(lambda conn: conn.execute("SELECT report FROM ahead").fetchall())]


async def test_after_an_outage_fresh_reports_go_first_and_the_backlog_in_its_order(old: Bench) -> None:
    await outage(old, backlog=5, fresh=2)
    async with old.sending(LIVE):
        await old.clock.quiet()
    assert values(old) == ["new0", "new1", "old0", "old1", "old2", "old3", "old4"]
    (line,) = await old.lines()
    assert (line.delivered, line.waiting) == (7, 0)
    assert await rest(old) == [], "the cursor is past all of them"


async def test_without_it_the_journals_order_is_kept(old: Bench) -> None:
    await outage(old, backlog=2, fresh=2)
    async with old.sending():
        await old.clock.quiet()
    assert values(old) == ["old0", "old1", "new0", "new1"]


async def test_the_backlog_is_paced_and_what_comes_meanwhile_goes_at_once(old: Bench) -> None:
    await outage(old, backlog=5, fresh=1)
    real = old.clock.wait

    async def wait(event: asyncio.Event, timeout_s: float | None) -> None:
        if len(old.clock.pauses) == 1:
            await old.keep("D1", "now")
        await real(event, timeout_s)

    old.clock.wait = wait  # type: ignore[method-assign]
    async with old.sending(DispatchSettings(live_first=True, drain_rate=2)):
        await old.clock.quiet()
    assert values(old) == ["new0", "old0", "old1", "now", "old2", "old3", "old4"]
    assert sum(old.clock.pauses) == pytest.approx(2.0), "four of five at two a second"
    assert await rest(old) == []
    await old.lines()


async def test_in_the_middle_of_a_drain_it_adds_up_and_after_a_restart_nothing_goes_twice(old: Bench) -> None:
    await outage(old, backlog=4, fresh=3)
    down = [False]

    def answer(_message: Outgoing) -> Outcome:
        down[0] = down[0] or len(old.receiver.accepted) == 4
        return Retry("connection refused", link=True) if down[0] else Accepted("AA")

    stuck = asyncio.Event()

    async def hang(event: asyncio.Event, timeout_s: float | None) -> None:
        stuck.set()
        await event.wait()

    real, old.clock.wait, old.receiver.answer = old.clock.wait, hang, answer  # type: ignore[method-assign]
    async with old.sending(LIVE):
        async with asyncio.timeout(30):
            await stuck.wait()
        assert values(old) == ["new0", "new1", "new2", "old0"]
        (line,) = await old.lines()
        assert (line.delivered, line.waiting) == (4, 3)
        assert (await old.queue()).depth == 3
        assert await rest(old) == [5, 6, 7]
    old.clock.wait, old.receiver.answer = real, lambda _message: Accepted("AA")  # type: ignore[method-assign]
    async with old.sending():
        await old.clock.quiet()
    assert values(old)[4:] == ["old1", "old2", "old3"], "also where fresh ones do not go first any more"
    assert await rest(old) == []
    await old.lines()


async def test_a_category_that_is_no_longer_taken_in_the_middle_of_a_drain_drops_what_was_not_sent(old: Bench) -> None:
    from gateway.model import Category

    await outage(old, backlog=3, fresh=2)
    async with old.sending(DispatchSettings(live_first=True, drain_rate=0.001)):
        async with asyncio.timeout(30):
            while len(old.receiver.accepted) < 2:
                await asyncio.sleep(0)
    await old.journal.use({"engine": frozenset({Category.LAB})})
    (line,) = await old.lines()
    assert (line.received, line.delivered, line.waiting) == (5, len(old.receiver.accepted), 0)
