"""Hours of headroom by arithmetic done by hand: rates over a window, filling and draining."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isclose

import pytest

from gateway.store.headroom import Rates, Sample, Window, headroom

MIB = 2**20
GIB = 2**30


def window(waiting: Callable[[int], int], *, seconds: int = 600, step: int = 10, each: int = 1000, rate: int = 50) -> Window:
    """`rate` reports a second of `each` bytes; `waiting` of them as a function of the time."""
    made = Window()
    for at in range(0, seconds + 1, step):
        made.add(Sample(at_s=float(at), taken_bytes=at * rate * each, received=at * rate, waiting=waiting(at)))
    return made


@pytest.mark.parametrize(
    ("waiting", "filling"),
    [
        (lambda _: 0, 0),
        (lambda at: at * 50, 50_000),
        (lambda at: 10_000 + at * 50, 50_000),
        (lambda at: 10_000 - at * 10, 0),
        (lambda at: at * 25, 25_000),
        (lambda at: at % 64, 0),
        (lambda at: 100 * at, 50_000),
    ],
    ids=[
        "a receiver that keeps pace: nothing fills",
        "no receiver: all of it stays",
        "no receiver for long: all of it stays",
        "a backlog that drains: nothing fills",
        "a receiver at half the pace: half of it stays",
        "what is under way comes and goes: nothing fills",
        "a replay beside intake: no more than all of it",
    ],
)
def test_what_stays_of_50_000_bytes_a_second(waiting: Callable[[int], int], filling: float) -> None:
    rates = window(waiting).rates()
    assert rates is not None
    assert rates.taken_bytes_s == 50_000
    assert isclose(rates.filling_bytes_s, filling, rel_tol=0.01)


def test_nothing_is_said_of_less_than_a_minute() -> None:
    assert Window().rates() is None
    assert window(lambda _: 0, seconds=50).rates() is None
    assert window(lambda _: 0, seconds=60).rates() is not None


def test_rates_are_those_of_the_last_ten_minutes() -> None:
    made = window(lambda at: max(0, at - 3000) * 50, seconds=3600)
    rates = made.rates()
    assert rates is not None
    assert isclose(rates.filling_bytes_s, 50_000, rel_tol=0.02), "the hour before, when all was delivered, is not counted in"


def test_bytes_that_were_given_back_still_count_as_taken() -> None:
    made = Window()
    made.add(Sample(at_s=0, taken_bytes=5000, received=0, waiting=0))
    made.add(Sample(at_s=100, taken_bytes=5000, received=0, waiting=0))
    assert made.rates() == Rates(0, 0)


def test_a_clock_that_went_back_begins_anew() -> None:
    made = window(lambda _: 0)
    made.add(Sample(at_s=5, taken_bytes=10**9, received=0, waiting=0))
    assert made.rates() is None


def test_headroom_is_capacity_over_rate() -> None:
    rates = Rates(taken_bytes_s=50_000, filling_bytes_s=25_000)
    found = headroom(rates, 18 * 10**8)
    assert (found.hours, found.outage_hours) == (20, 10)  # 1.8 GB / 25 kB/s = 72 000 s; / 50 kB/s = 36 000 s
    never = headroom(Rates(50_000, 0), 18 * 10**8)
    assert (never.hours, never.outage_hours) == (inf, 10)
    assert headroom(Rates(0, 0), 1).outage_hours == inf
    assert headroom(rates, 0).hours == 0
