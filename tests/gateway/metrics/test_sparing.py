"""Figures that are dear are asked for seldom."""

from __future__ import annotations

import asyncio

import pytest

from gateway.metrics.sparing import Sparing


class Dear:
    """Takes half a second of a clock of its own."""

    now, asked = 100.0, 0
    fails = False

    async def __call__(self) -> int:
        self.asked += 1
        self.now += 0.5
        await asyncio.sleep(0)
        if self.fails:
            raise ValueError
        return self.asked


async def test_what_took_half_a_second_is_kept_for_ten_and_shared() -> None:
    dear = Dear()
    sparing = Sparing(dear, lambda: dear.now)
    assert await asyncio.gather(*(sparing() for _ in range(9))) == [1] * 9
    dear.now += 9.9
    assert await sparing() == 1
    dear.now += 0.1
    assert await sparing() == 2


async def test_what_could_not_be_had_is_asked_for_again() -> None:
    dear = Dear()
    sparing = Sparing(dear, lambda: dear.now)
    dear.fails = True
    with pytest.raises(ValueError):
        await sparing()
    dear.fails = False
    assert await sparing() == 2
