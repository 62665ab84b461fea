"""The gateway's own tasks: stopped on purpose they are gone; one that ends by itself ends the gateway."""

from __future__ import annotations

import asyncio

import pytest

from gateway.crew import Chore, Crew, reading


async def forever() -> None:
    await asyncio.Event().wait()


async def fails() -> None:
    raise ZeroDivisionError("a bug")


async def ends() -> None:
    await asyncio.sleep(0)


async def until(crew: Crew) -> None:
    async with asyncio.timeout(10):
        await crew.until(asyncio.Event())


async def test_told_to_stop_it_returns() -> None:
    crew, stop = Crew(), asyncio.Event()
    crew.start("a", forever)
    stop.set()
    await crew.until(stop)
    await crew.close()


async def test_the_error_of_a_task_that_fails_is_raised() -> None:
    crew = Crew()
    crew.start("good", forever)
    crew.start("bad", fails)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        await until(crew)
    await crew.close()


async def test_a_task_that_returns_is_named() -> None:
    crew = Crew()
    crew.start("prune", ends)
    with pytest.raises(RuntimeError, match="prune ended by itself"):
        await until(crew)


async def test_a_task_that_was_stopped_may_be_started_again_and_ends_nothing() -> None:
    crew, stop = Crew(), asyncio.Event()
    crew.start("a", forever)
    await crew.stop(["a", "nobody"])
    crew.start("a", forever)
    await crew.stop(["a"])
    stop.set()
    await crew.until(stop)


async def test_an_error_while_being_stopped_is_logged_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def stubborn() -> None:
        try:
            await forever()
        finally:
            raise ZeroDivisionError("on the way out")

    crew, stop = Crew(), asyncio.Event()
    crew.start("a", stubborn)
    await asyncio.sleep(0)
    await crew.stop(["a"])
    stop.set()
    await crew.until(stop)
    assert "a: failed while it was being stopped" in caplog.text


def test_who_reads_a_key_is_found() -> None:
    prune, disk = Chore("prune", forever, frozenset({"gateway.keep_days"})), Chore("disk", forever)
    assert reading([prune, disk], {"gateway.keep_days", "gateway.name"}) == [prune]
    assert reading([prune, disk], set()) == []
