"""Devices take turns: how many go on in one turn of the loop, in which order, and that nobody waits who need not."""

from __future__ import annotations

import asyncio

import pytest

from gateway.acquire.turns import Turns


async def loop_turns(log: list[str], count: int) -> None:
    """Write down each turn of the event loop."""
    for number in range(count):
        log.append(f"turn {number}")
        await asyncio.sleep(0)


async def device(name: str, turns: Turns, log: list[str], commits: int = 1) -> None:
    for _ in range(commits):
        await turns.next()
        log.append(name)


def in_turns(log: list[str]) -> list[list[str]]:
    """What devices did between one turn and the next."""
    found: list[list[str]] = []
    for line in log:
        if line.startswith("turn"):
            found.append([])
        else:
            found[-1].append(line)
    return found


async def test_a_lone_device_does_not_wait() -> None:
    turns = Turns()
    waiting = turns.next()
    with pytest.raises(StopIteration):
        waiting.send(None)


@pytest.mark.parametrize("commits", [1, 3])
async def test_no_more_go_on_in_a_turn_than_may(commits: int) -> None:
    log: list[str] = []
    turns = Turns(commits)
    await asyncio.gather(loop_turns(log, 40), *(device(f"D{n}", turns, log, 2) for n in range(10)))
    told = in_turns(log)
    assert max(map(len, told)) == commits
    assert sorted(name for turn in told for name in turn) == sorted([f"D{n}" for n in range(10)] * 2)


async def test_first_come_first_served_and_a_flood_goes_to_the_back() -> None:
    log: list[str] = []
    turns = Turns(1)
    await asyncio.gather(
        *(device(f"D{n}", turns, log) for n in range(3)), device("flood", turns, log, 3), device("late", turns, log)
    )
    assert log == ["D0", "D1", "D2", "flood", "late", "flood", "flood"]


async def test_a_device_that_is_stopped_while_it_waits_takes_nobody_elses_turn() -> None:
    log: list[str] = []
    turns = Turns(1)
    tasks = [asyncio.create_task(device(f"D{n}", turns, log)) for n in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.wait(tasks, timeout=5)
    assert log == ["D0", "D2"]


async def test_nothing_turns_when_nobody_asks() -> None:
    turns = Turns(1)
    await turns.next()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not turns._turning
    assert turns._left == 1
