"""A wall clock that is set back while messages wait: pauses stay pauses of seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.deliver.destination import Accepted, Outcome, Outgoing, Retry

if TYPE_CHECKING:
    from tests.gateway.deliver.conftest import Bench
else:
    Bench = object


async def test_a_clock_that_is_set_back_makes_no_pause_longer(bench: Bench) -> None:
    began = bench.clock.now()
    await bench.wears("D1", "A")
    await bench.wears("D2", "B")
    said: list[Outcome] = [Retry("AE: record locked")]

    def answer(message: Outgoing) -> Outcome:
        if message.body.startswith(b"D2"):
            bench.clock.time = began - timedelta(minutes=30)
        return said.pop() if message.body.startswith(b"D1") and said else Accepted("AA")

    bench.clock.time = began + timedelta(hours=1)  # the box had come up an hour ahead
    await bench.keep("D1", "97")
    await bench.keep("D2", "98")
    bench.receiver.answer = answer
    async with bench.sending():
        await bench.clock.quiet()
    assert bench.receiver.bodies == ["D2 98 SYN-B", "D1 97 SYN-A"]
    assert sum(bench.clock.pauses) < 60, "the first pause is 5 s, whatever the clock shows"
    await bench.lines()
