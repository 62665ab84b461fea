"""Questions of a device: answered from the port at once, answered with nothing when that fails, never holding up a reading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.acquire.asking import ANSWER_S, WORKLIST_S, Asking
from gateway.acquire.clock import Pairing
from gateway.driver import Answer, Context, Driver, Options, Ordering
from gateway.errors import StoreError
from gateway.model import Category, DeviceIdentity, Inquiry, Kind, Observation, Order, Report, Specimen, WorkOrder
from protocols.sansio import Message, Quiet, Sent, Unsent

ORDER = WorkOrder(placer="A-1", specimen="S1", tests=("GLU",))


class Mouth(Quiet):
    """A codec that notes what it is to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.withdrawn: list[int] = []
        self.clear = True

    def receive(self, data: bytes, now: float) -> tuple[()]:
        return ()

    def end(self, now: float) -> tuple[()]:
        return ()

    def send(self, text: bytes, now: float) -> int:
        self.sent.append((len(self.sent) + 1, text))
        return len(self.sent)

    def withdraw(self, token: int) -> bool:
        self.withdrawn.append(token)
        return self.clear


class Port:
    def __init__(self, *orders: WorkOrder) -> None:
        self.orders = orders
        self.asked: list[Inquiry] = []
        self.noted: list[str] = []
        self.error: StoreError | None = None
        self.stuck: asyncio.Event | None = None

    async def _answer(self) -> Sequence[WorkOrder]:
        if self.stuck is not None:
            await self.stuck.wait()
        if self.error is not None:
            raise self.error
        return self.orders

    async def find(self, asked: Inquiry, device_id: str) -> Sequence[WorkOrder]:
        self.asked.append(asked)
        return await self._answer()

    async def waiting(self, device_id: str) -> Sequence[WorkOrder]:
        return await self._answer()

    async def told(self, orders: Sequence[WorkOrder], device_id: str) -> None:
        if self.error is not None:
            raise self.error
        self.noted += [f"{device_id} {order.placer}" for order in orders]


def asks(message: Message[str], context: Context[Options]) -> Inquiry | None:
    if message.body == "boom":
        raise KeyError("a bug in the driver")
    if message.body == "never mind":
        return Inquiry(withdrawn=True)
    return Inquiry(specimens=(message.body[1:],)) if message.body.startswith("?") else None


def answer(message: Message[str] | None, orders: Sequence[WorkOrder], context: Context[Options], at: datetime) -> Answer:
    own = tuple(order for order in orders if order.tests != ("OTHER",))
    return Answer(f"{message.body if message else '*'}={','.join(order.placer for order in own)}".encode(), own)


class Desk:
    """An Asking with everything around it in the test's hands."""

    def __init__(self, clock: Any, port: Port | None, *, worklists: bool = False) -> None:
        self.clock, self.port, self.mouth = clock, port, Mouth()
        self.counts: list[str] = []
        driver: Driver[str, Options] = Driver(
            id="fake", maker="", models=(), source="this file", options=Options, codec=lambda _: self.mouth, interpret=lambda *_: (),
            ordering=Ordering(asks, answer, lambda _: worklists),
        )  # fmt: skip
        context = driver.context(DeviceIdentity(id="LAB-1"), Options(), wall=Pairing(clock).wall)
        self.asking = Asking(
            context=context, codec=self.mouth, port=port, clock=clock, now=clock.monotonic, count=self._count
        )  # fmt: skip
        self.asking.live = True

    async def _count(self, what: str) -> None:
        self.counts.append(what)

    async def hear(self, text: str) -> list[bytes]:
        before = len(self.mouth.sent)
        await self.asking.heard(Message(text, text.encode(), 0.0))
        return [said for _, said in self.mouth.sent[before:]]


@pytest.fixture
async def desk(clock: Any) -> Callable[..., Desk]:
    return lambda *orders, **about: Desk(clock, Port(*orders), **about)


async def test_a_question_is_answered_and_the_orders_are_noted_once_the_device_has_them(desk: Any) -> None:
    one = desk(ORDER)
    assert await one.hear("?S1") == [b"?S1=A-1"]
    assert one.port.asked == [Inquiry(specimens=("S1",))]
    assert one.port.noted == []
    await one.asking.settle(Sent(1))
    assert one.port.noted == ["LAB-1 A-1"]
    assert one.counts == ["orders: sent"]


async def test_what_asks_for_nothing_is_not_answered(desk: Any) -> None:
    assert await desk(ORDER).hear("a result") == []


async def test_without_an_order_that_is_said(desk: Any) -> None:
    one = desk()
    assert await one.hear("?S1") == [b"?S1="]
    await one.asking.settle(Sent(1))
    assert one.counts == ["orders: none, said so"]


async def test_what_was_not_brought_over_is_counted_and_not_noted(desk: Any) -> None:
    one = desk(ORDER)
    await one.hear("?S1")
    await one.asking.settle(Unsent(1, "too late"))
    assert (one.port.noted, one.counts) == ([], ["orders: not sent, too late"])


async def test_a_new_question_takes_the_place_of_an_open_one(desk: Any) -> None:
    one = desk(ORDER)
    await one.hear("?S1")
    assert await one.hear("?S2") == [b"?S2=A-1"]
    assert one.mouth.withdrawn == [1]


async def test_an_answer_that_is_on_its_way_still_counts(desk: Any) -> None:
    one = desk(ORDER)
    await one.hear("?S1")
    one.mouth.clear = False
    await one.hear("?S2")
    await one.asking.settle(Sent(1))
    assert one.port.noted == ["LAB-1 A-1"]


async def test_a_question_that_is_withdrawn_is_not_answered(desk: Any) -> None:
    one = desk(ORDER)
    await one.hear("?S1")
    assert await one.hear("never mind") == []
    assert (one.mouth.withdrawn, one.counts) == ([1], ["orders: question withdrawn"])


async def test_a_store_that_fails_is_no_order(desk: Any) -> None:
    one = desk(ORDER)
    one.port.error = StoreError("disk gone")
    assert await one.hear("?S1") == [b"?S1="]
    assert one.counts == ["orders: the store failed"]


async def test_a_store_that_hangs_is_no_order_after_two_seconds(desk: Any, clock: Any) -> None:
    one = desk(ORDER)
    one.port.stuck = asyncio.Event()
    asking = asyncio.create_task(one.hear("?S1"))
    async with asyncio.timeout(5):
        while not one.port.asked:
            await asyncio.sleep(0)
    clock.advance(ANSWER_S - 0.1)
    await asyncio.sleep(0)
    assert not asking.done()
    clock.advance(0.1)
    async with asyncio.timeout(5):
        assert await asking == [b"?S1="]
    assert one.counts == ["orders: the store took too long"]


async def test_orders_that_could_not_be_noted_are_told_again(desk: Any) -> None:
    one = desk(ORDER)
    await one.hear("?S1")
    one.port.error = StoreError("disk full")
    await one.asking.settle(Sent(1))
    one.port.error = None
    assert await one.hear("?S1") == [b"?S1=A-1"]


async def test_a_drivers_bug_stops_nothing(desk: Any, caplog: pytest.LogCaptureFixture) -> None:
    one = desk(ORDER)
    assert await one.hear("boom") == await one.hear("boom") == []
    assert one.counts == ["orders: driver failed"] * 2
    assert len(caplog.records) == 1
    assert await one.hear("?S1") == [b"?S1=A-1"]


async def test_a_recording_and_a_gateway_without_orders_answer_nothing(desk: Any, clock: Any) -> None:
    one = desk(ORDER, worklists=True)
    one.asking.live = False
    assert await one.hear("?S1") == []
    assert one.asking.due() is None
    assert await Desk(clock, None).hear("?S1") == []


async def test_a_worklist_is_sent_when_the_line_is_free(desk: Any, clock: Any) -> None:
    one = desk(ORDER, worklists=True)
    one.mouth.clear = False
    await one.asking.look()
    assert one.mouth.sent == []
    assert one.asking.due() == clock.now + WORKLIST_S
    one.mouth.clear = True
    await one.asking.look()
    assert one.mouth.sent == [], "not before it is due again"
    clock.advance(WORKLIST_S)
    await one.asking.look()
    assert one.mouth.sent == [(1, b"*=A-1")]
    await one.asking.settle(Sent(1))
    assert one.port.noted == ["LAB-1 A-1"]


async def test_a_worklist_with_nothing_for_the_analyzer_is_not_sent(desk: Any) -> None:
    empty, others = desk(worklists=True), desk(replace(ORDER, tests=("OTHER",)), worklists=True)
    await empty.asking.look()
    await others.asking.look()
    assert empty.mouth.sent == others.mouth.sent == []


async def test_who_wants_no_worklists_is_never_looked_at(desk: Any) -> None:
    one = desk(ORDER)
    assert one.asking.due() is None
    await one.asking.look()
    assert one.mouth.sent == []


def resulted(specimen: str = "S1", category: Category = Category.LAB) -> Report:
    seen = Observation(kind=Kind.NUMERIC, vendor_code="GLU", value="5.4")
    return Report(
        device=DeviceIdentity(id="LAB-1"),
        driver="fake",
        category=category,
        received_at=datetime(2026, 11, 21, tzinfo=UTC),
        specimen=Specimen(id=specimen),
        observations=(seen,),
    )


async def test_a_result_gets_the_number_of_the_order_that_it_answers(desk: Any) -> None:
    one = desk(ORDER)
    found = await one.asking.numbered(resulted())
    assert found.order == Order(placer_id="A-1")
    assert one.port.asked == [Inquiry(specimens=("S1",))]


@pytest.mark.parametrize("seen", [resulted(specimen=""), resulted(category=Category.QC)], ids=["no specimen", "a control"])
async def test_what_answers_no_order_is_not_looked_up(desk: Any, seen: Report) -> None:
    one = desk(ORDER)
    assert await one.asking.numbered(seen) == seen
    assert one.port.asked == []


async def test_a_result_is_kept_as_it_is_when_the_orders_cannot_be_read(desk: Any) -> None:
    one = desk(ORDER)
    one.port.error = StoreError("disk full")
    assert await one.asking.numbered(resulted()) == resulted()
    assert one.counts == ["orders: the store failed"]


async def test_a_gateway_without_orders_sends_results_all_the_same(clock: Any) -> None:
    assert await Desk(clock, None).asking.numbered(resulted()) == resulted()
