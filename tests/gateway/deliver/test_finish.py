"""A dispatcher told to finish: the message under way is answered, nothing further leaves, and what has not left is not pinned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gateway.deliver.destination import Accepted, Outcome, Outgoing
from gateway.deliver.dispatch import Dispatcher
from gateway.model import Entry, Subject

if TYPE_CHECKING:
    from tests.gateway.deliver.conftest import Bench
else:
    Bench = object


class Slow:
    """A receiver that answers when it is told to."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.asked, self.answer = asyncio.Event(), asyncio.Event()

    async def send(self, message: Outgoing) -> Outcome:
        self.got.append(message.body)
        self.asked.set()
        await self.answer.wait()
        return Accepted("AA")

    async def close(self) -> None: ...


def plain(entry: Entry, subject: Subject | None) -> Outgoing:
    return Outgoing(entry.key, f"{entry.report.observations[0].value} {subject and subject.patient_id}".encode())


async def pinned(bench: Bench) -> list[int]:
    rows = await bench.journal.read(lambda conn: conn.execute("SELECT report FROM attempts ORDER BY report").fetchall())
    return [report for (report,) in rows]


async def begun(bench: Bench, receiver: Slow) -> tuple[Dispatcher, asyncio.Task[None]]:
    """Three reports in a batch, the first of them under way."""
    await bench.wears("D1", "A")
    await bench.keep("D1", "1", "2", "3")
    dispatcher = Dispatcher(bench.journal, "engine", receiver, plain)
    task = asyncio.create_task(dispatcher.run())
    async with asyncio.timeout(10):
        await receiver.asked.wait()
    return dispatcher, task


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def test_the_message_under_way_is_answered_and_counted_and_nothing_further_is_sent(bench: Bench) -> None:
    receiver = Slow()
    dispatcher, task = await begun(bench, receiver)
    finishing = asyncio.create_task(dispatcher.finish(10))
    await asyncio.sleep(0)
    receiver.answer.set()
    await finishing
    await end(task)
    assert receiver.got == [b"1 SYN-A"]
    (line,) = await bench.lines()
    assert (line.delivered, line.waiting) == (1, 2)
    assert await pinned(bench) == [], "what has not left may still be put right"


async def test_a_receiver_that_does_not_answer_in_time_gets_the_same_bytes_again(bench: Bench) -> None:
    receiver = Slow()
    dispatcher, task = await begun(bench, receiver)
    await dispatcher.finish(0)
    await end(task)
    (line,) = await bench.lines()
    assert (line.delivered, line.waiting) == (0, 3)
    assert await pinned(bench) == [1]


@pytest.mark.parametrize("reports", [0, 1])
async def test_an_idle_one_finishes_at_once(bench: Bench, reports: int) -> None:
    receiver = Slow()
    receiver.answer.set()
    await bench.wears("D1", "A")
    await bench.keep("D1", *["1"] * reports)
    dispatcher = Dispatcher(bench.journal, "engine", receiver, plain, now=bench.clock.now, wait=bench.clock.wait)
    task = asyncio.create_task(dispatcher.run())
    await bench.clock.quiet()
    async with asyncio.timeout(5):
        await dispatcher.finish(3600)
    await end(task)
    assert len(receiver.got) == reports
