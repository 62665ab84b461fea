"""Rates: means over the last minute, of counters that may begin anew."""

from __future__ import annotations

from gateway.metrics.rates import Rates


class World:
    now = 0.0

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.rates = Rates(lambda: self.counts, lambda: self.now)

    def at(self, now: float, **counts: int) -> None:
        self.now, self.counts = now, counts
        self.rates.sample()


def test_nothing_is_said_before_there_is_something_to_compare() -> None:
    world = World()
    assert world.rates.per_minute() == {}
    world.at(0, a=5)
    assert world.rates.per_minute() == {}


def test_a_rate_is_the_mean_of_the_last_minute() -> None:
    world = World()
    for second in range(0, 301, 5):
        world.at(second, a=second * 2 if second <= 240 else 480)
    assert world.rates.per_minute() == {"a": 0.0}
    world = World()
    for second in range(0, 301, 5):
        world.at(second, a=second * 2, b=7)
    assert world.rates.per_minute() == {"a": 120.0, "b": 0.0}
    assert len(world.rates._samples) <= 14


def test_a_counter_that_comes_goes_or_begins_anew_is_no_negative_rate() -> None:
    world = World()
    world.at(0, a=100, gone=3)
    world.at(10, a=1, new=5)
    assert world.rates.per_minute() == {}
    world.at(20, a=101, new=10)
    assert world.rates.per_minute() == {"a": 3.0, "new": 30.0}
